-- Lives to go on with after a restart of ours: messages that wait in a queue, were delivered lately, or are judged.
-- broker; since: published since then; recent: delivered since then; limit
SELECT
    life.key, life.queue, exchange, routing_key, order_id, published_at, delivered_at, published, delivered, consumer,
    if(finding.cleared = 0, finding.verdict, '') AS verdict, finding.confidence, finding.since, finding.detected_at, finding.evidence,
    dead
FROM
(
    SELECT
        key, queue,
        argMin(message_events.exchange, at) AS exchange,
        argMin(message_events.routing_key, at) AS routing_key,
        anyIf(message_events.order_id, message_events.order_id != '') AS order_id,
        toUnixTimestamp64Micro(maxIf(at, kind = 'published')) AS published_at,
        toUnixTimestamp64Micro(maxIf(at, kind IN ('delivered', 'redelivered'))) AS delivered_at,
        countIf(kind = 'published') AS published,
        countIf(kind = 'delivered') AS delivered,
        countIf(kind IN ('settled', 'unseen')) AS over,
        countIf(kind = 'dead_lettered') AS dead,
        argMaxIf(system, at, kind IN ('delivered', 'redelivered')) AS consumer
    FROM message_events FINAL
    WHERE broker = {broker:String} AND at >= {since:DateTime64(6)}
    GROUP BY key, queue
) AS life
LEFT JOIN
(
    SELECT key, queue, verdict, confidence, since, detected_at, evidence, toUnixTimestamp64Micro(cleared_at) AS cleared
    FROM message_findings FINAL
    WHERE broker = {broker:String}
) AS finding ON finding.key = life.key AND finding.queue = life.queue
WHERE (over = 0 AND dead = 0 AND (delivered < published OR fromUnixTimestamp64Micro(delivered_at) >= {recent:DateTime64(6)})) OR verdict != ''
ORDER BY published_at DESC
LIMIT {limit:UInt32}
