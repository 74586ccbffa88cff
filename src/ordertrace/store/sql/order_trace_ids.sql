-- Traces of an order that it may have no facts in: named by log records, messages, links or keys.
-- order; limit
SELECT DISTINCT trace_id FROM
(
    SELECT trace_id FROM order_traces WHERE order_id = {order:String} AND joined_by NOT IN ('sequence', 'time')
    UNION ALL
    SELECT trace_id FROM span_keys
    WHERE key IN (SELECT key FROM order_keys FINAL WHERE order_id = {order:String} AND holds) AND NOT endsWith(key, ':')
)
LIMIT {limit:UInt32}
