-- Facts that messages told about orders that they do not name: (order, event).
-- keys, orders: of each message
SELECT order_id, event_id FROM order_events FINAL
WHERE order_id IN ({orders:Array(String)}) AND joined_by != 'withdrawn' AND span_id = '' AND (order_id, event_id) IN
(
    SELECT
        given.2,
        substring(lower(hex(SHA256(concat(broker, '\0', key, '\0', if(kind = 'published', '', queue), '\0', kind)))), 1, 16)
    FROM message_events
    INNER JOIN (SELECT arrayJoin(arrayZip({keys:Array(String)}, {orders:Array(String)})) AS given) AS asked ON asked.given.1 = key
    WHERE key IN ({keys:Array(String)}) AND kind IN ('published', 'delivered')
)
