-- What was delivered to a system in a span of time: (channel, seconds, key, routing key, queue, order), earliest first.
-- system, start, until; limit
SELECT concat(broker, ' ', channel), toUnixTimestamp64Micro(at) / 1000000, key, routing_key, queue, order_id
FROM channel_deliveries FINAL
WHERE system = {system:String} AND at BETWEEN {start:DateTime64(6)} AND {until:DateTime64(6)}
ORDER BY at, key
LIMIT {limit:UInt32}
