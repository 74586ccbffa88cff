-- Orders that have not ended, as changed_orders gives them: what a sweep begins with.
-- closed_rank: the rank from which an order has ended; followers: systems that follow an order's statuses; limit
SELECT
    order_id,
    toUnixTimestamp64Nano(min(started_at)) AS started_ns,
    toUnixTimestamp64Nano(max(last_seen_at)) AS seen_ns,
    toUnixTimestamp64Milli(max(last_inserted_at)) AS inserted_ms,
    tupleElement(max(furthest) AS f, 1) AS rank,
    -tupleElement(f, 2) AS since_ns,
    tupleElement(f, 3) AS status,
    length(mapKeys(maxMap(views) AS seen)) > 1
        AND length(arrayDistinct(arrayFilter((rank, system) -> has({followers:Array(String)}, system), mapValues(seen), mapKeys(seen)))) > 1 AS apart,
    toUnixTimestamp64Nano(max(last_error_at)) AS error_ns
FROM orders
GROUP BY order_id
HAVING rank < {closed_rank:UInt16}
LIMIT {limit:UInt32}
