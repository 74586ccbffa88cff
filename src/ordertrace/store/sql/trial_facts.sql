-- Facts that are in force in traces: (trace, span, order, status, how, confidence).
-- traces: their ids; order: one to which facts may belong besides those that the traces are named for; limit
SELECT trace_id, span_id, order_id, status, joined_by, confidence
FROM order_events FINAL
WHERE trace_id IN ({traces:Array(String)}) AND span_id != '' AND joined_by != 'withdrawn' AND order_id IN
(
    SELECT {order:String}
    UNION DISTINCT
    SELECT order_id FROM trace_orders WHERE trace_id IN ({traces:Array(String)})
    UNION DISTINCT
    SELECT order_id FROM order_keys WHERE key IN (SELECT key FROM span_keys WHERE trace_id IN ({traces:Array(String)}))
)
LIMIT {limit:UInt32}
