-- Orders about which some groups of spans said something, as they stand now.
-- groups: the groups' times of insertion; followers: systems that follow an order's statuses
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
WHERE order_id IN (SELECT order_id FROM order_events WHERE inserted_at IN ({groups:Array(DateTime64(3))}))
GROUP BY order_id
