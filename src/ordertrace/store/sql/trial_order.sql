-- Traces of an order, the earliest first: (trace, when its first fact happened), and of those without facts (trace, 1970).
-- order; limit
SELECT trace_id, max(first) AS began FROM
(
    SELECT trace_id, min(at) AS first FROM order_events FINAL
    WHERE order_id = {order:String} AND trace_id != '' AND joined_by != 'withdrawn'
    GROUP BY trace_id
    UNION ALL
    SELECT trace_id, toDateTime64(0, 9) FROM order_traces WHERE order_id = {order:String} AND joined_by NOT IN ('sequence', 'time')
)
GROUP BY trace_id
ORDER BY began, trace_id
LIMIT {limit:UInt32}
