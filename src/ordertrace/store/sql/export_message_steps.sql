-- Every step of the messages about some orders, earliest first.
-- orders: order ids; limit (rows)
SELECT
    max(if(message.order_id != '', message.order_id, joined.order_id)) OVER (PARTITION BY message.broker, message.key) AS whose,
    message.broker, message.key, queue, at, kind, message_id, exchange, routing_key, system, reason
FROM
(
    SELECT * FROM message_events FINAL
    WHERE key IN
    (
        SELECT key FROM message_events WHERE order_id IN ({orders:Array(String)})
        UNION ALL
        SELECT key FROM message_orders WHERE order_id IN ({orders:Array(String)})
    )
) AS message
LEFT JOIN
(
    SELECT broker, key, any(message_orders.order_id) AS order_id FROM message_orders WHERE message_orders.order_id IN ({orders:Array(String)}) GROUP BY broker, key
) AS joined ON joined.broker = message.broker AND joined.key = message.key
ORDER BY at, message.broker, message.key, queue, kind
LIMIT {limit:UInt32}
