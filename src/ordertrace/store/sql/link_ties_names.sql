-- What traces are named for, but for what is derived from links and ids: (trace, orders that are said, orders that are suggested);
-- two are as good as more.
-- traces: their ids
SELECT
    trace_id,
    groupUniqArrayIf(2)(order_id, joined_by NOT IN ('link', 'correlation', 'sequence', 'time')),
    groupUniqArrayIf(2)(order_id, joined_by IN ('sequence', 'time'))
FROM trace_orders
WHERE trace_id IN ({traces:Array(String)})
GROUP BY trace_id
