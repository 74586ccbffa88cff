-- Takes names back from traces of which no span has them any more.
-- traces: their ids
DELETE FROM trace_orders
WHERE trace_id IN ({traces:Array(String)}) AND joined_by IN ('link', 'correlation', 'message') AND (trace_id, order_id, joined_by) NOT IN
    (SELECT trace_id, order_id, CAST(joined_by, 'String') FROM span_orders WHERE trace_id IN ({traces:Array(String)}))
