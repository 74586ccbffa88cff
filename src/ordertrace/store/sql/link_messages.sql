-- Names the spans that sent just watched messages: a message carries the context of its sender and says its order.
-- messages: times of insertion of batches of messages; stamp: time of insertion of the names
INSERT INTO span_orders (trace_id, span_id, order_id, joined_by, inserted_at)
SELECT DISTINCT trace_id, span_id, order_id, 'message', {stamp:DateTime64(3)}
FROM message_events
WHERE inserted_at IN ({messages:Array(DateTime64(3))}) AND trace_id != '' AND order_id != ''
