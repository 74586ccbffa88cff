-- Queues as they stood last, with what is held against their messages.
-- since: sampled since then
SELECT
    sampled.broker, sampled.queue, sampled.at, ready, unacked, consumers, oldest, published_rate, delivered_rate, stuck, lost
FROM
(
    SELECT
        broker, queue, max(queue_samples.at) AS at,
        argMax(queue_samples.ready, queue_samples.at) AS ready,
        argMax(queue_samples.unacked, queue_samples.at) AS unacked,
        argMax(queue_samples.consumers, queue_samples.at) AS consumers,
        toUnixTimestamp64Milli(argMax(oldest_at, queue_samples.at)) AS oldest,
        argMax(queue_samples.published_rate, queue_samples.at) AS published_rate,
        argMax(queue_samples.delivered_rate, queue_samples.at) AS delivered_rate
    FROM queue_samples
    WHERE queue_samples.at >= {since:DateTime64(3)}
    GROUP BY broker, queue
) AS sampled
LEFT JOIN
(
    SELECT
        broker, queue,
        countIf(verdict IN ('stuck_in_queue', 'unacked', 'redelivery_loop')) AS stuck,
        countIf(verdict NOT IN ('stuck_in_queue', 'unacked', 'redelivery_loop')) AS lost
    FROM message_findings FINAL
    WHERE toUnixTimestamp64Micro(cleared_at) = 0
    GROUP BY broker, queue
) AS held ON held.broker = sampled.broker AND held.queue = sampled.queue
ORDER BY sampled.broker, sampled.queue
