-- Remembers whose a key is that just inserted log records name together with an order.
-- groups: times of insertion of groups of log records; stamp: of these rows
-- $keys: an array of what each rule finds in a record, as KIND:KEY
INSERT INTO order_keys (key, order_id, source, joined_by, holds, inserted_at)
SELECT DISTINCT arrayFirst(key -> key != '', arrayConcat($keys, [''])) AS found, OrderId, 'log', 'key', 1, {stamp:DateTime64(3)}
FROM otel_logs
WHERE inserted_at IN ({groups:Array(DateTime64(3))}) AND OrderId != '' AND found != ''
