-- What spans of traces are named for that serve several orders: (trace, span, orders).
-- traces, spans: their ids
SELECT trace_id, span_id, groupUniqArray(2)(order_id) FROM
(
    SELECT TraceId AS trace_id, SpanId AS span_id, OrderId AS order_id FROM otel_traces
    WHERE (inserted_at, TraceId) IN (SELECT inserted_at, trace_id FROM trace_groups WHERE trace_id IN ({traces:Array(String)})) AND SpanId IN ({spans:Array(String)}) AND OrderId != ''
    UNION ALL
    SELECT TraceId, SpanId, OrderId FROM otel_logs
    WHERE TraceId IN ({traces:Array(String)}) AND SpanId IN ({spans:Array(String)}) AND OrderId != ''
    UNION ALL
    SELECT trace_id, span_id, order_id FROM span_orders
    WHERE trace_id IN ({traces:Array(String)}) AND span_id IN ({spans:Array(String)})
        AND joined_by NOT IN ('link', 'correlation', 'sequence', 'time')
)
GROUP BY trace_id, span_id
