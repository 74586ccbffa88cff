-- Keys of one kind whose owner is known by more than time: (key, order).
-- prefix: KIND:
SELECT key, min(order_id)
FROM order_keys FINAL
WHERE startsWith(key, {prefix:String}) AND holds AND joined_by = 'key'
GROUP BY key
HAVING min(order_id) = max(order_id)
