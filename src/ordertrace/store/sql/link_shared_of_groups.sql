-- Traces of just inserted groups that serve several orders or hold keys of orders.
-- groups: times of insertion of groups of spans and log records; after: the last one that is found already; limit
WITH
    traces AS
    (
        SELECT TraceId FROM otel_traces WHERE inserted_at IN ({groups:Array(DateTime64(3))})
        UNION DISTINCT
        SELECT TraceId FROM otel_logs WHERE inserted_at IN ({groups:Array(DateTime64(3))}) AND TraceId != ''
    )
SELECT trace_id FROM
(
    SELECT trace_id FROM trace_orders WHERE trace_id IN (SELECT TraceId FROM traces)
    GROUP BY trace_id
    HAVING min(order_id) != max(order_id)
    UNION DISTINCT
    SELECT trace_id FROM span_keys WHERE trace_id IN (SELECT TraceId FROM traces) AND NOT endsWith(key, ':')
)
WHERE trace_id > {after:String}
ORDER BY trace_id
LIMIT {limit:UInt32}
