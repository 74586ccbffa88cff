-- What else names spans of these traces: (trace, span, order, how).
-- traces: their ids
SELECT trace_id, span_id, order_id, joined_by FROM span_orders WHERE trace_id IN ({traces:Array(String)})
UNION DISTINCT
SELECT TraceId, SpanId, OrderId, 'log' FROM otel_logs WHERE TraceId IN ({traces:Array(String)}) AND OrderId != ''
