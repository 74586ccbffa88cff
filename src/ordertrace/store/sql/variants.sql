-- with: order_ways
-- The commonest ways of orders, each with how many went it, how they stand, and how long it took from the order's start to
-- the last step of the way. The last three columns are of all ways.
-- beside the parameters of order_ways: limit
SELECT
    lower(hex(cityHash64(arrayStringConcat(path, '\n')))) AS variant,
    path,
    count() AS taken,
    countIf(state = 'closed') AS closed,
    countIf(state = 'cancelled') AS cancelled,
    countIf(state IN ('stuck', 'failed')) AS troubled,
    quantilesExact(0.5, 0.95)((moments[-1] - started_ns) / 1e9) AS seconds,
    argMax(order_id, started_ns) AS example,
    sum(count()) OVER () AS orders,
    count() OVER () AS variants,
    sum(countIf(state IN ('stuck', 'failed'))) OVER () AS all_troubled
FROM order_ways
GROUP BY path
ORDER BY taken DESC, variant
LIMIT {limit:UInt32}
