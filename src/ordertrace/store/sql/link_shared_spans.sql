-- The spans of traces that serve several orders: (trace, span, parent, the order it names, how, keys of orders in it).
-- traces: their ids; limit: spans a trace at most
SELECT span.TraceId, span.SpanId, any(span.ParentSpanId), max(span.OrderId), max(span.OrderIdBy), groupUniqArrayIf(keyed.key, keyed.key != '')
FROM (SELECT TraceId, SpanId, ParentSpanId, OrderId, OrderIdBy FROM otel_traces WHERE TraceId IN ({traces:Array(String)})) AS span
LEFT JOIN (SELECT trace_id, span_id, key FROM span_keys WHERE trace_id IN ({traces:Array(String)})) AS keyed
    ON keyed.trace_id = span.TraceId AND keyed.span_id = span.SpanId
GROUP BY span.TraceId, span.SpanId
ORDER BY span.TraceId, span.SpanId
LIMIT {limit:UInt32} BY span.TraceId
