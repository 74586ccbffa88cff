-- How long messages waited in queues and how long their readers took: by broker and queue, over messages published in a
-- period, in s: published → delivered and delivered → settled, median and 90th percentile; the medians of the wait before and
-- lately, and how many before and lately waited longer than the median of all. The most time in all comes first.
-- since, until, recent: times; each (look at one message in so many); limit
SELECT
    broker,
    queue,
    count() AS messages,
    countIf(delivered > 0) AS delivered_messages,
    countIf(delivered > 0 AND settled > 0) AS settled_messages,
    quantilesExactIf(0.5, 0.9)(waited, delivered > 0) AS wait_seconds,
    quantilesExactIf(0.5, 0.9)(worked, settled > 0 AND delivered > 0) AS work_seconds,
    countIf(delivered > 0 AND late) AS times_lately,
    quantileExactIf(0.5)(waited, delivered > 0 AND NOT late) AS before_seconds,
    quantileExactIf(0.5)(waited, delivered > 0 AND late) AS lately_seconds,
    arrayCount(length -> length > wait_seconds[1], groupArrayIf(waited, delivered > 0 AND NOT late)) AS before_above,
    arrayCount(length -> length > wait_seconds[1], groupArrayIf(waited, delivered > 0 AND late)) AS lately_above,
    sumIf(waited, delivered > 0) AS total,
    anyIf(publisher, publisher != '') AS publishers,
    anyIf(consumer, consumer != '') AS consumers
FROM
(
    SELECT
        broker, queue, key,
        toUnixTimestamp64Micro(minIf(at, kind = 'published')) AS published,
        toUnixTimestamp64Micro(minIf(at, kind IN ('delivered', 'redelivered'))) AS delivered,
        toUnixTimestamp64Micro(minIf(at, kind = 'settled')) AS settled,
        greatest(0, (delivered - published) / 1e6) AS waited,
        greatest(0, (settled - delivered) / 1e6) AS worked,
        toUInt8(published >= toUnixTimestamp64Micro({recent:DateTime64(6)})) AS late,
        anyIf(system, kind = 'published' AND system != '') AS publisher,
        anyIf(system, kind IN ('delivered', 'redelivered') AND system != '') AS consumer
    FROM message_events
    WHERE at >= {since:DateTime64(6)} AND at < {until:DateTime64(6)} AND queue != '' AND cityHash64(key) % {each:UInt32} = 0
    GROUP BY broker, queue, key
    HAVING published > 0
)
GROUP BY broker, queue
ORDER BY total DESC, broker, queue
LIMIT {limit:UInt32}
