-- The spans of traces that serve several orders: (trace, span, parent, the order it names, how, keys of orders in it, begun
-- and ended in ns since 1970, status).
-- traces: their ids; limit: spans a trace at most
SELECT
    span.TraceId, span.SpanId, any(span.ParentSpanId), max(span.OrderId), max(span.OrderIdBy),
    groupUniqArrayIf(keyed.key, keyed.key != ''), min(span.began), max(span.ended), max(span.reached)
FROM
(
    SELECT
        TraceId, SpanId, ParentSpanId, OrderId, OrderIdBy, if(StatusCode = 'Error', '', OrderStatus) AS reached, toUnixTimestamp64Nano(Timestamp) AS began,
        toUnixTimestamp64Nano(Timestamp) + toInt64(Duration) AS ended
    FROM otel_traces
    WHERE (inserted_at, TraceId) IN (SELECT inserted_at, trace_id FROM trace_groups WHERE trace_id IN ({traces:Array(String)}))
) AS span
LEFT JOIN
(
    SELECT trace_id, span_id, key FROM span_keys WHERE trace_id IN ({traces:Array(String)}) AND NOT endsWith(key, ':')
) AS keyed ON keyed.trace_id = span.TraceId AND keyed.span_id = span.SpanId
GROUP BY span.TraceId, span.SpanId
ORDER BY span.TraceId, span.SpanId
LIMIT {limit:UInt32} BY span.TraceId
LIMIT 400000
