-- with: order_ways
-- The same by spans of time: median and 90th percentile in s, and how often, by the moment when the step was done.
-- beside the parameters of order_ways: begin (ns), span (ns), limit (rows)
SELECT
    hop.1 AS status,
    hop.2 AS following,
    toUInt32(greatest(0, intDiv(hop.3 - {begin:Int64}, {span:Int64}))) AS place,
    quantilesExact(0.5, 0.9)(hop.4) AS seconds,
    count() AS times
FROM
(
    SELECT
        arrayJoin(arrayMap(
            i -> (path[i], path[i + 1], moments[i + 1], greatest(0, (moments[i + 1] - moments[i]) / 1e9)),
            range(1, length(path)))) AS hop
    FROM order_ways
)
GROUP BY status, following, place
ORDER BY times DESC
LIMIT {limit:UInt32}
