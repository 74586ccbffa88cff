-- The same for the traces of orders.
-- traces, orders: their ids
DELETE FROM order_traces
WHERE order_id IN ({orders:Array(String)}) AND trace_id IN ({traces:Array(String)}) AND joined_by IN ('link', 'correlation', 'message')
    AND (trace_id, order_id, joined_by) NOT IN
    (SELECT trace_id, order_id, CAST(joined_by, 'String') FROM span_orders WHERE trace_id IN ({traces:Array(String)}))
