-- One queue over time, in equal spans, oldest first: (start, ready at most, unacked at most, consumers at least, rates).
-- broker, queue; since, until; seconds: length of a span
SELECT
    toStartOfInterval(at, toIntervalSecond({seconds:UInt32})) AS start, max(ready), max(unacked), min(consumers),
    avg(published_rate), avg(delivered_rate)
FROM queue_samples
WHERE broker = {broker:String} AND queue = {queue:String} AND at >= {since:DateTime64(3)} AND at < {until:DateTime64(3)}
GROUP BY start
ORDER BY start
LIMIT 2000
