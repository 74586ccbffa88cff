-- Traces with links of which something new is known: a link or a name.
-- groups: times of insertion of groups of spans and log records, and of names and links; limit
SELECT DISTINCT trace_id FROM trace_links
WHERE inserted_at IN ({groups:Array(DateTime64(3))})
    OR trace_id IN (SELECT trace_id FROM trace_orders WHERE inserted_at IN ({groups:Array(DateTime64(3))}))
LIMIT {limit:UInt32}
