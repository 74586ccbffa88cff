-- with: message_facts
-- Facts about orders that messages do not name but belong to all the same.
-- beside the parameters of message_facts: keys: of the messages; stamp: time of insertion
INSERT INTO told_events
(
    order_id, at, event_id, system, kind, span_kind, name, status, rank, trace_id, span_id, message_id, destination, queue,
    joined_by, confidence, inserted_at
)
SELECT
    joined.order_id, at, event_id, system, event_kind, span_kind, name, brought, rank, trace_id, '', message_id, destination, from_queue,
    joined.joined_by, 0.9, {stamp:DateTime64(3)}
FROM (SELECT * FROM message_facts WHERE key IN ({keys:Array(String)}) AND order_id = '') AS fact
INNER JOIN (SELECT * FROM message_orders WHERE key IN ({keys:Array(String)})) AS joined ON joined.broker = fact.broker AND joined.key = fact.key
LIMIT 1 BY event_id, at
