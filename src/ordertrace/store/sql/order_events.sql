-- All facts about some orders, each once.
-- orders: order ids; limit: facts an order at most: rather statuses and errors, and the newest of the others
SELECT
    event_id, order_id, at, system, kind, name, span_kind, status, duration_ns, response_code, trace_id, span_id,
    parent_span_id, message_id, destination, queue, peer, error_type, error_message, error_stack, error_code, joined_by, confidence
FROM order_events FINAL
WHERE order_id IN ({orders:Array(String)}) AND joined_by != 'withdrawn'
ORDER BY order_id, status = '' AND kind != 'error', at DESC, event_id
LIMIT {limit:UInt32} BY order_id
SETTINGS optimize_read_in_order = 0 -- few orders: sorting what was found costs less than reading in order
