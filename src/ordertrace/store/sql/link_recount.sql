-- What is known at a glance of orders that lost a fact, from those that they still have.
-- orders: their ids
INSERT INTO orders
SELECT
    order_id,
    min(at) AS started_at,
    max(at) AS last_seen_at,
    max(inserted_at) AS last_inserted_at,
    max((rank, -toUnixTimestamp64Nano(at), CAST(status AS String))) AS furthest,
    maxMap(CAST(if(rank = 0, [], [(CAST(system AS String), rank)]), 'Map(String, UInt16)')) AS views,
    max(if(kind = 'error', at, toDateTime64(0, 9))) AS last_error_at
FROM order_events FINAL
WHERE order_id IN ({orders:Array(String)}) AND joined_by != 'withdrawn'
GROUP BY order_id
