-- What else names spans of these traces: (trace, span, order, how).
-- traces: their ids
WITH
    held AS (SELECT trace_id, span_id, key FROM span_keys WHERE trace_id IN ({traces:Array(String)})),
    told AS
    (
        SELECT key, order_id, joined_by = 'key' AS sure, max(joined_by = 'key') OVER (PARTITION BY key) AS surest
        FROM order_keys FINAL
        WHERE key IN (SELECT key FROM held) AND holds
    ),
    owners AS
    (
        SELECT key, min(told.order_id) AS owner, any(surest) AS is_sure
        FROM told
        WHERE sure = surest
        GROUP BY key
        HAVING min(told.order_id) = max(told.order_id)
    )
SELECT * FROM
(
    SELECT trace_id, span_id, order_id, joined_by FROM span_orders WHERE trace_id IN ({traces:Array(String)})
    UNION DISTINCT
    SELECT TraceId, SpanId, OrderId, 'log' FROM otel_logs WHERE TraceId IN ({traces:Array(String)}) AND OrderId != ''
    UNION DISTINCT
    SELECT trace_id, span_id, owner, if(is_sure, 'key', 'time') FROM held INNER JOIN owners USING (key)
)
LIMIT 400000
