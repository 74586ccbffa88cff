-- Which of some orders are known to have left their flow, and by what kinds of deviation.
-- orders: order ids
SELECT order_id, kinds FROM deviations FINAL WHERE order_id IN ({orders:Array(String)}) AND notEmpty(kinds)
