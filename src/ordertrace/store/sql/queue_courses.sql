-- All queues over time, in equal spans, oldest first: (broker, queue, start, ready at most, rates).
-- since, until; seconds: length of a span
SELECT
    broker, queue, toStartOfInterval(at, toIntervalSecond({seconds:UInt32})) AS start, max(ready), avg(published_rate),
    avg(delivered_rate)
FROM queue_samples
WHERE at >= {since:DateTime64(3)} AND at < {until:DateTime64(3)}
GROUP BY broker, queue, start
ORDER BY broker, queue, start
LIMIT 200000
