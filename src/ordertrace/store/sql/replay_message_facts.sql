-- Facts about orders that messages tell, as rabbit/writer.py makes them when it sees one; a fact told again has the same id.
-- groups: times of insertion of batches of messages; systems: names of the flow's systems; statuses, ranks, owners: the flow's
-- statuses, their places in it and who brings them about
INSERT INTO told_events
(
    order_id, at, event_id, system, kind, span_kind, name, status, rank, trace_id, span_id, message_id, destination, queue,
    joined_by, confidence, inserted_at
)
WITH
    kind = 'published' AS sent,
    if(sent, '', queue) AS from_queue,
    if(sent AND has({systems:Array(String)}, system) AND transform(status, {statuses:Array(String)}, {owners:Array(String)}, '') = system, status, '') AS brought
SELECT
    order_id,
    at,
    substring(lower(hex(SHA256(concat(broker, '\0', key, '\0', from_queue, '\0', kind)))), 1, 16),
    system,
    if(sent, 'send', 'receive'),
    if(sent, 'Producer', 'Consumer'),
    if(sent, concat(exchange, ' send'), concat(queue, ' receive')),
    brought,
    transform(brought, {statuses:Array(String)}, {ranks:Array(UInt16)}, toUInt16(0)),
    trace_id,
    '',
    message_id,
    concat(exchange, ':', routing_key),
    from_queue,
    'message',
    0.95,
    inserted_at
FROM message_events
WHERE inserted_at IN ({groups:Array(DateTime64(3))}) AND kind IN ('published', 'delivered') AND order_id != ''
LIMIT 1 BY broker, key, from_queue, kind, at
