-- From when to when an order's facts are, and how many: (first, last, count).
-- order
SELECT min(at), max(at), count() FROM order_events WHERE order_id = {order:String} AND joined_by != 'withdrawn'
