-- with: order_ways
-- How far the orders of a period came: for each status of the flow how many it is the furthest of, by how they stand, how
-- many reached it themselves, and in s how long that took from the start and (for so many) from the step before on their way.
-- beside the parameters of order_ways: names, places (statuses that end no order by cancelling, in order; their numbers)
SELECT
    status,
    countIf(status = furthest) AS here,
    countIf(status = furthest AND state = 'open') AS waiting,
    countIf(status = furthest AND state = 'stuck') AS stuck,
    countIf(status = furthest AND state = 'failed') AS failed,
    countIf(status = furthest AND state = 'cancelled') AS cancelled,
    countIf(status = furthest AND state IN ('stuck', 'failed') AND kind IN ('message_lost', 'never_published', 'no_effect')) AS lost,
    count() AS reached,
    quantilesExact(0.5, 0.9)(since_start) AS from_start,
    countIf(since_before >= 0) AS paced,
    quantilesExactIf(0.5, 0.9)(since_before, since_before >= 0) AS from_before
FROM
(
    SELECT
        state,
        kind,
        arraySort(status -> -transform(status, {names:Array(String)}, {places:Array(Int32)}, toInt32(0)), path)[1] AS furthest,
        arrayJoin(arrayFilter(status -> has({names:Array(String)}, status), arrayDistinct(path))) AS status,
        indexOf(path, status) AS i,
        greatest(0, (moments[i] - started_ns) / 1e9) AS since_start,
        if(i > 1, greatest(0, (moments[i] - moments[i - 1]) / 1e9), -1) AS since_before
    FROM order_ways
)
GROUP BY status
