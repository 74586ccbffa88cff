-- The same for what channels delivered. Runs in the background of the engine.
-- $order: what holds by the rules
ALTER TABLE channel_deliveries
UPDATE order_id = $order
WHERE order_id != $order
