-- How long messages waited in queues by spans of time: median and 90th percentile in s, and how many.
-- since, until: times; begin, span: ns; each (look at one message in so many); limit (rows)
SELECT broker, queue, toUInt32(greatest(0, intDiv(published * 1000 - {begin:Int64}, {span:Int64}))) AS place, quantilesExact(0.5, 0.9)(waited) AS seconds, count() AS times
FROM
(
    SELECT
        broker, queue, key,
        toUnixTimestamp64Micro(minIf(at, kind = 'published')) AS published,
        toUnixTimestamp64Micro(minIf(at, kind IN ('delivered', 'redelivered'))) AS delivered,
        greatest(0, (delivered - published) / 1e6) AS waited
    FROM message_events
    WHERE at >= {since:DateTime64(6)} AND at < {until:DateTime64(6)} AND queue != '' AND cityHash64(key) % {each:UInt32} = 0
    GROUP BY broker, queue, key
    HAVING published > 0 AND delivered > 0
)
GROUP BY broker, queue, place
ORDER BY times DESC
LIMIT {limit:UInt32}
