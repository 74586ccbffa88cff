-- One page of order ids for an export, by id, so that what comes in meanwhile shifts nothing.
-- after: the last id of the page before; since, until: start of the order, ns; limit
SELECT order_id
FROM orders
WHERE order_id > {after:String}
GROUP BY order_id
HAVING toUnixTimestamp64Nano(min(started_at)) >= {since:Int64} AND toUnixTimestamp64Nano(min(started_at)) < {until:Int64}
ORDER BY order_id
LIMIT {limit:UInt32}
