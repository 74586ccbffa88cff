-- Every step of the messages about some orders, earliest first.
-- orders: order ids; limit (rows)
SELECT
    max(order_id) OVER (PARTITION BY broker, key) AS whose,
    broker, key, queue, at, kind, message_id, exchange, routing_key, system, reason
FROM message_events FINAL
WHERE key IN (SELECT key FROM message_events WHERE order_id IN ({orders:Array(String)}))
ORDER BY at, broker, key, queue, kind
LIMIT {limit:UInt32}
