-- Messages with a verdict in force, by broker, queue and verdict, the newest first; those that reached no queue by routing key.
-- since: struck since then
SELECT
    broker, queue, verdict, count(), uniqExactIf(order_id, order_id != ''), min(since), max(since),
    arraySlice(groupUniqArrayIf(order_id, order_id != ''), 1, 20),
    if(queue = '', evidence[1].facts['routing_key'], '') AS routing_key
FROM message_findings FINAL
WHERE toUnixTimestamp64Micro(cleared_at) = 0 AND since >= {since:DateTime64(6)}
GROUP BY broker, queue, verdict, routing_key
ORDER BY max(since) DESC
LIMIT 500
