-- Finds order ids and statuses in stored messages, by the rules for messages in force now, and who published them where only
-- the status tells that. Runs in the background of the engine.
-- $order, $status, $system: what holds by the rules
ALTER TABLE message_events
UPDATE order_id = $order, status = $status, system = $system
WHERE kind IN ('published', 'delivered', 'redelivered', 'dead_lettered')
    AND (order_id != $order OR status != $status OR system != $system)
