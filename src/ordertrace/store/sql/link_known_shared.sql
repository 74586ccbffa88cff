-- Traces that serve several orders or hold keys of orders, the latest first.
-- since: named since then; limit
SELECT trace_id FROM
(
    SELECT trace_id, max(inserted_at) AS last_at FROM trace_orders WHERE inserted_at >= {since:DateTime64(3)}
    GROUP BY trace_id HAVING min(order_id) != max(order_id)
    UNION ALL
    SELECT trace_id, max(inserted_at) AS last_at FROM span_keys WHERE inserted_at >= {since:DateTime64(3)} AND NOT endsWith(key, ':')
    GROUP BY trace_id
)
GROUP BY trace_id
ORDER BY max(last_at) DESC
LIMIT {limit:UInt32}
