-- Facts that waited get the order that their trace was named for just now, if that is one only.
-- stamp: time of insertion of the names, and of the facts; shared: traces that serve several orders
INSERT INTO order_events
SELECT waiting.* REPLACE
(
    named.order_id AS order_id, if(span.joined_by != '', span.joined_by, 'trace') AS joined_by,
    toFloat32(transform(if(span.joined_by != '', span.joined_by, named.by), ['message', 'sequence', 'link', 'correlation', 'key', 'time'], [0.95, 0.8, 0.85, 0.9, 0.85, 0.6], 0.9)) AS confidence,
    {stamp:DateTime64(3)} AS inserted_at
)
FROM
(
    SELECT * FROM waiting_events
    WHERE trace_id IN (SELECT trace_id FROM span_orders WHERE inserted_at = {stamp:DateTime64(3)})
        AND trace_id NOT IN ({shared:Array(String)})
        AND trace_id NOT IN
        (
            SELECT trace_id FROM span_keys
            WHERE trace_id IN (SELECT trace_id FROM span_orders WHERE inserted_at = {stamp:DateTime64(3)}) AND NOT endsWith(key, ':')
        )
) AS waiting
INNER JOIN
(
    SELECT trace_id, min(trace_orders.order_id) AS order_id, if(countIf(joined_by NOT IN ('sequence', 'link', 'correlation', 'key', 'time')) > 0, 'trace', min(joined_by)) AS by
    FROM trace_orders
    WHERE trace_id IN (SELECT trace_id FROM span_orders WHERE inserted_at = {stamp:DateTime64(3)})
    GROUP BY trace_id
    HAVING min(trace_orders.order_id) = max(trace_orders.order_id)
) AS named ON named.trace_id = waiting.trace_id
LEFT JOIN
(
    SELECT trace_id, span_id, min(span_orders.joined_by) AS joined_by
    FROM span_orders
    WHERE trace_id IN (SELECT trace_id FROM span_orders WHERE inserted_at = {stamp:DateTime64(3)}) AND span_id != ''
    GROUP BY trace_id, span_id
) AS span ON span.trace_id = waiting.trace_id AND span.span_id = waiting.span_id
