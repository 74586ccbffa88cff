-- Traces that serve several orders, or hold keys of orders, of which something new is known.
-- groups: times of insertion of groups of spans and log records; stamp: of names and keys; known: traces known to be shared;
-- after: the last one that is found already; limit
WITH
    named AS
    (
        SELECT trace_id FROM trace_orders
        WHERE inserted_at IN ({groups:Array(DateTime64(3))}) OR inserted_at = {stamp:DateTime64(3)}
    )
SELECT trace_id FROM
(
    SELECT trace_id FROM trace_orders WHERE trace_id IN (SELECT trace_id FROM named)
    GROUP BY trace_id
    HAVING min(order_id) != max(order_id)
    UNION DISTINCT
    SELECT trace_id FROM span_keys
    WHERE NOT endsWith(key, ':') AND
    (
        inserted_at = {stamp:DateTime64(3)}
        OR trace_id IN (SELECT trace_id FROM named)
        OR key IN (SELECT key FROM order_keys WHERE inserted_at = {stamp:DateTime64(3)})
    )
    UNION DISTINCT
    SELECT DISTINCT TraceId FROM otel_traces
    WHERE notEmpty({known:Array(String)}) AND inserted_at IN ({groups:Array(DateTime64(3))}) AND TraceId IN ({known:Array(String)})
    UNION DISTINCT
    SELECT DISTINCT TraceId FROM otel_logs WHERE notEmpty({known:Array(String)}) AND inserted_at IN ({groups:Array(DateTime64(3))}) AND OrderId != '' AND TraceId IN ({known:Array(String)})
)
WHERE trace_id > {after:String}
ORDER BY trace_id
LIMIT {limit:UInt32}
