-- What messages tell about orders, as rabbit/writer.py makes facts of it when it sees one; told again, a fact has the same id.
-- systems: names of the flow's systems; statuses, ranks, owners: the flow's statuses, their places in it and who brings them
-- about
SELECT
    broker,
    key,
    order_id,
    at,
    substring(lower(hex(SHA256(concat(broker, '\0', key, '\0', from_queue, '\0', kind)))), 1, 16) AS event_id,
    system,
    kind = 'published' AS sent,
    if(sent, 'send', 'receive') AS event_kind,
    if(sent, 'Producer', 'Consumer') AS span_kind,
    if(sent, concat(exchange, ' send'), concat(queue, ' receive')) AS name,
    if(sent AND has({systems:Array(String)}, system) AND transform(status, {statuses:Array(String)}, {owners:Array(String)}, '') = system, status, '') AS brought,
    transform(brought, {statuses:Array(String)}, {ranks:Array(UInt16)}, toUInt16(0)) AS rank,
    trace_id,
    message_id,
    concat(exchange, ':', routing_key) AS destination,
    if(sent, '', queue) AS from_queue,
    inserted_at
FROM message_events
WHERE kind IN ('published', 'delivered')
