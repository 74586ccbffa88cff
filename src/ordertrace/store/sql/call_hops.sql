-- How long calls between systems took that served orders: by caller and called, in s median and 90th percentile, how many
-- failed; before and after a moment as for messages. The most time in all comes first.
-- since, until, recent: times; services, systems: service names and addresses and the systems they belong to; each (look at one order in so many); limit
SELECT
    system,
    transform(CAST(peer, 'String'), {services:Array(String)}, {systems:Array(String)}, CAST(peer, 'String')) AS called,
    count() AS calls,
    countIf(kind = 'error') AS failed,
    quantilesExact(0.5, 0.9)(duration_ns / 1e9) AS seconds,
    countIf(late) AS times_lately,
    quantileExactIf(0.5)(duration_ns / 1e9, NOT late) AS before_seconds,
    quantileExactIf(0.5)(duration_ns / 1e9, late) AS lately_seconds,
    arrayCount(length -> length > seconds[1], groupArrayIf(duration_ns / 1e9, NOT late)) AS before_above,
    arrayCount(length -> length > seconds[1], groupArrayIf(duration_ns / 1e9, late)) AS lately_above,
    sum(duration_ns) / 1e9 AS total,
    argMax(order_id, duration_ns) AS slowest
FROM
(
    SELECT system, peer, kind, duration_ns, order_id, toUInt8(at >= {recent:DateTime64(6)}) AS late
    FROM order_events
    WHERE span_kind = 'Client' AND peer != '' AND joined_by != 'withdrawn' AND cityHash64(order_id) % {each:UInt32} = 0 AND at >= {since:DateTime64(6)} AND at < {until:DateTime64(6)}
    LIMIT 1 BY order_id, at, event_id
)
GROUP BY system, called
HAVING called != system
ORDER BY total DESC, system, called
LIMIT {limit:UInt32}
