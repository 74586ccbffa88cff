-- Takes orders back from messages.
-- brokers, keys, orders, ways: of each
DELETE FROM message_orders
WHERE key IN ({keys:Array(String)}) AND (broker, key, order_id, joined_by) IN
    (SELECT arrayJoin(arrayZip({brokers:Array(String)}, {keys:Array(String)}, {orders:Array(String)}, {ways:Array(String)})))
