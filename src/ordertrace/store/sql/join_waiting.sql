-- Facts that waited get the order that their trace has named in just inserted groups.
-- groups: the times of insertion of groups of spans or log records
INSERT INTO order_events
SELECT waiting.* REPLACE (named.order_id AS order_id, 'trace' AS joined_by, toFloat32(0.9) AS confidence, arrayMax({groups:Array(DateTime64(3))}) AS inserted_at)
FROM waiting_events AS waiting
INNER JOIN
(
    SELECT trace_id, any(trace_orders.order_id) AS order_id
    FROM trace_orders
    WHERE trace_id IN (SELECT trace_id FROM trace_orders WHERE inserted_at IN ({groups:Array(DateTime64(3))}))
    GROUP BY trace_id
    HAVING min(trace_orders.order_id) = max(trace_orders.order_id)
) AS named USING (trace_id)
WHERE trace_id IN (SELECT trace_id FROM trace_orders WHERE inserted_at IN ({groups:Array(DateTime64(3))}))
SETTINGS max_threads = 1
