-- Orders that made a key of one kind: (order, system, seconds since when that system shows a status of them, seconds until
-- an end, 0 where there is none).
-- prefix: KIND:; status; ends: statuses that end an order; any_made: orders need not have made a key
SELECT order_id, system, minIf(toUnixTimestamp64Nano(at), status = {status:String}) / 1000000000 AS since, any(ended) / 1000000000
FROM
(
    SELECT
        order_id, system, at, status,
        minIf(toUnixTimestamp64Nano(at), status IN ({ends:Array(String)})) OVER (PARTITION BY order_id) AS ended
    FROM order_events FINAL
    WHERE joined_by != 'withdrawn' AND status != '' AND order_id IN
    (
        SELECT min(order_id) FROM trace_orders
        WHERE trace_id IN (SELECT trace_id FROM span_keys WHERE key = {prefix:String})
        GROUP BY trace_id
        HAVING min(order_id) = max(order_id)
    )
)
GROUP BY order_id, system
HAVING since > 0
