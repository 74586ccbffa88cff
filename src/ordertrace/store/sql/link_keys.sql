-- Names spans by a key of an order that they hold, where the key or the span is new.
-- stamp: time of insertion of the keys, and of the names
INSERT INTO span_orders (trace_id, span_id, order_id, joined_by, inserted_at)
WITH
    found AS
    (
        SELECT trace_id, span_id, key FROM span_keys
        WHERE inserted_at = {stamp:DateTime64(3)} OR key IN (SELECT key FROM order_keys WHERE inserted_at = {stamp:DateTime64(3)})
    ),
    owners AS
    (
        SELECT key, min(order_keys.order_id) AS order_id
        FROM order_keys
        WHERE key IN (SELECT key FROM found)
        GROUP BY key
        HAVING min(order_keys.order_id) = max(order_keys.order_id)
    )
SELECT DISTINCT trace_id, span_id, owners.order_id, 'key', {stamp:DateTime64(3)}
FROM found INNER JOIN owners USING (key)
