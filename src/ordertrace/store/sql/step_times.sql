-- with: order_ways
-- How long orders took from one step of their way to the next, those that took most time in all first: how often, in s the
-- median, the 90th and 95th percentile and the sum; how often lately, the medians before and lately, and how many before and
-- lately took longer than the median of all. Last: the time of all steps together.
-- beside the parameters of order_ways: recent (moment from which a step counts as lately done, ns), limit
SELECT
    hop.1 AS status,
    hop.2 AS following,
    count() AS times,
    quantilesExact(0.5, 0.9, 0.95)(hop.4) AS seconds,
    sum(hop.4) AS total,
    countIf(late) AS times_lately,
    quantileExactIf(0.5)(hop.4, NOT late) AS before_seconds,
    quantileExactIf(0.5)(hop.4, late) AS lately_seconds,
    arrayCount(length -> length > seconds[1], groupArrayIf(hop.4, NOT late)) AS before_above,
    arrayCount(length -> length > seconds[1], groupArrayIf(hop.4, late)) AS lately_above,
    argMax(order_id, if(late, hop.4, -1)) AS slowest,
    sum(sum(hop.4)) OVER () AS all_seconds
FROM
(
    SELECT
        order_id,
        arrayJoin(arrayMap(
            i -> (path[i], path[i + 1], moments[i + 1], greatest(0, (moments[i + 1] - moments[i]) / 1e9)),
            range(1, length(path)))) AS hop,
        toUInt8(hop.3 >= {recent:Int64}) AS late
    FROM order_ways
)
GROUP BY status, following
ORDER BY total DESC, status, following
LIMIT {limit:UInt32}
