-- Facts of just inserted groups that got their trace's order because something had named it before: how they were joined is
-- said as if the name had come later.
-- groups: times of insertion of groups of spans and log records; stamp: of the rows
INSERT INTO order_events
SELECT facts.* REPLACE
(
    if(span.joined_by != '', span.joined_by, 'trace') AS joined_by,
    toFloat32(transform(if(span.joined_by != '', span.joined_by, named.by), ['message', 'sequence', 'link', 'correlation', 'key', 'time'], [0.95, 0.8, 0.85, 0.9, 0.85, 0.6], 0.9)) AS confidence,
    {stamp:DateTime64(3)} AS inserted_at
)
FROM
(
    SELECT * FROM order_events
    WHERE inserted_at IN ({groups:Array(DateTime64(3))}) AND joined_by = 'trace' AND trace_id IN
        (SELECT trace_id FROM span_orders WHERE trace_id IN (SELECT TraceId FROM otel_traces WHERE inserted_at IN ({groups:Array(DateTime64(3))}) AND OrderId = ''))
) AS facts
INNER JOIN
(
    SELECT trace_id, if(countIf(joined_by NOT IN ('sequence', 'link', 'correlation', 'key', 'time')) > 0, 'trace', min(joined_by)) AS by, groupUniqArray(order_id) AS orders
    FROM trace_orders
    WHERE trace_id IN (SELECT TraceId FROM otel_traces WHERE inserted_at IN ({groups:Array(DateTime64(3))}) AND OrderId = '')
    GROUP BY trace_id
) AS named ON named.trace_id = facts.trace_id
LEFT JOIN
(
    SELECT trace_id, span_id, min(span_orders.joined_by) AS joined_by
    FROM span_orders
    WHERE trace_id IN (SELECT TraceId FROM otel_traces WHERE inserted_at IN ({groups:Array(DateTime64(3))}) AND OrderId = '') AND span_id != ''
    GROUP BY trace_id, span_id
) AS span ON span.trace_id = facts.trace_id AND span.span_id = facts.span_id
WHERE has(named.orders, facts.order_id) AND (span.joined_by != '' OR named.by != 'trace') -- what was taken back just now stays so
