-- Orders that have not ended, as changed_orders gives them: what a sweep begins with.
-- closed_rank: the rank from which an order has ended; limit
SELECT
    order_id,
    toUnixTimestamp64Nano(min(started_at)) AS started_ns,
    toUnixTimestamp64Nano(max(last_seen_at)) AS seen_ns,
    toUnixTimestamp64Milli(max(last_inserted_at)) AS inserted_ms,
    max(furthest) AS f,
    maxMap(views) AS seen_by,
    toUnixTimestamp64Nano(max(last_error_at)) AS error_ns
FROM orders
GROUP BY order_id
HAVING f.1 < {closed_rank:UInt16}
LIMIT {limit:UInt32}
