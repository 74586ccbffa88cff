-- Whether anything was ever heard of an order.
-- order: order id
SELECT 1
FROM order_events
WHERE order_id = {order:String}
LIMIT 1
UNION DISTINCT
SELECT 1
FROM order_log_places
WHERE order_id = {order:String}
LIMIT 1
