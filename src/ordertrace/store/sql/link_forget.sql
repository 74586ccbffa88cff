-- Forgets what is known at a glance of orders that lost a fact; link_recount tells it anew.
-- orders: their ids
DELETE FROM orders WHERE order_id IN ({orders:Array(String)})
