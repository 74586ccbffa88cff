-- Facts that messages tell about orders that they do not name, as replay_message_facts makes them of those that do.
-- keys: of the messages; stamp: time of insertion; systems: names of the flow's systems; statuses, ranks, owners: the flow's
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
    joined.order_id,
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
    joined.joined_by,
    0.9,
    {stamp:DateTime64(3)}
FROM
(
    SELECT * FROM message_events
    WHERE key IN ({keys:Array(String)}) AND kind IN ('published', 'delivered') AND order_id = ''
) AS message
INNER JOIN (SELECT * FROM message_orders WHERE key IN ({keys:Array(String)})) AS joined ON joined.broker = message.broker AND joined.key = message.key
LIMIT 1 BY broker, key, from_queue, kind, at
