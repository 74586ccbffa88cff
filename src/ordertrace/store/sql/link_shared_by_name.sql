-- Traces that serve several orders, one of them named just now. The lean form of link_shared, for settings without keys.
-- groups: times of insertion of groups of spans and log records, and of names; after: the last one that is known already; limit
SELECT trace_id
FROM trace_orders
WHERE trace_id IN (SELECT trace_id FROM trace_orders WHERE inserted_at IN ({groups:Array(DateTime64(3))}))
GROUP BY trace_id
HAVING min(order_id) != max(order_id) AND trace_id > {after:String}
ORDER BY trace_id
LIMIT {limit:UInt32}
