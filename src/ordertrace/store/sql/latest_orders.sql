-- The orders heard of last.
-- limit
SELECT order_id FROM orders GROUP BY order_id ORDER BY max(last_seen_at) DESC LIMIT {limit:UInt32}
