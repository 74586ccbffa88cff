-- How long calls between systems took by spans of time: median and 90th percentile in s, and how many.
-- since, until: times; services, systems: as for call_hops; begin, span: ns; each, limit (rows)
SELECT
    system,
    transform(CAST(peer, 'String'), {services:Array(String)}, {systems:Array(String)}, CAST(peer, 'String')) AS called,
    toUInt32(greatest(0, intDiv(toUnixTimestamp64Nano(at) - {begin:Int64}, {span:Int64}))) AS place,
    quantilesExact(0.5, 0.9)(duration_ns / 1e9) AS seconds,
    count() AS times
FROM order_events
WHERE span_kind = 'Client' AND peer != '' AND joined_by != 'withdrawn' AND cityHash64(order_id) % {each:UInt32} = 0 AND at >= {since:DateTime64(6)} AND at < {until:DateTime64(6)}
GROUP BY system, called, place
HAVING called != system
ORDER BY times DESC
LIMIT {limit:UInt32}
