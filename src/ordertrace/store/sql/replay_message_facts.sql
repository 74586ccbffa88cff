-- with: message_facts
-- Facts about orders that messages name.
-- beside the parameters of message_facts: groups: times of insertion of batches of messages
INSERT INTO told_events
(
    order_id, at, event_id, system, kind, span_kind, name, status, rank, trace_id, span_id, message_id, destination, queue,
    joined_by, confidence, inserted_at
)
SELECT
    order_id, at, event_id, system, event_kind, span_kind, name, brought, rank, trace_id, '', message_id, destination, from_queue,
    'message', 0.95, inserted_at
FROM message_facts
WHERE inserted_at IN ({groups:Array(DateTime64(3))}) AND order_id != ''
LIMIT 1 BY event_id, at
