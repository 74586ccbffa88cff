-- The orders of messages that do not name one: (broker, key, order, how).
-- keys: of the messages
SELECT DISTINCT broker, key, order_id, joined_by FROM message_orders WHERE key IN ({keys:Array(String)})
