-- with: order_states
-- The newest orders of a period with the way that each went; one that no status is known of stands at the flow's first step.
-- beside the parameters of order_states: since, until (start of the order, ns), orders (how many at most), first (status)
SELECT
    order_id,
    started_ns,
    state,
    kind,
    if(empty(way.statuses), [{first:String}], way.statuses) AS path,
    if(empty(way.times), [started_ns], way.times) AS moments
FROM
(
    SELECT order_id, started_ns, state, kind
    FROM order_states
    WHERE started_ns >= {since:Int64} AND started_ns < {until:Int64}
    ORDER BY started_ns DESC, order_id
    LIMIT {orders:UInt32}
) AS newest
LEFT JOIN (SELECT order_id, statuses, times FROM order_paths FINAL) AS way USING (order_id)
