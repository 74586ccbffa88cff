-- Every order as it stands: one row an order, from what is known at a glance and what the sweep found.
-- statuses, waits_for, step_deadlines: the flow's statuses, the system each waits for, its deadline in ns (0: none of its own);
-- flow_deadline: ns allowed for a whole order; closed_rank, cancelled_rank: ranks that end an order; now: ns since 1970;
-- first_status: where an order stands of which no status is known; systems, owners: system names and who answers for them; in_trouble: only orders that the sweep holds something against
SELECT
    order_id,
    started_ns,
    seen_ns,
    if(furthest.3 = '', {first_status:String}, furthest.3) AS status,
    if(furthest.3 = '', started_ns, -furthest.2) AS since_ns,
    multiIf(furthest.1 = {cancelled_rank:UInt16}, 'cancelled', furthest.1 = {closed_rank:UInt16}, 'closed', found.state != '', CAST(found.state, 'String'), 'open') AS state,
    found.kind AS kind,
    furthest.1 >= {closed_rank:UInt16} AS ended,
    transform(status, {statuses:Array(String)}, {waits_for:Array(String)}, '') AS system,
    transform(system, {systems:Array(String)}, {owners:Array(String)}, '') AS owner,
    transform(status, {statuses:Array(String)}, {step_deadlines:Array(Int64)}, toInt64(0)) AS step_ns,
    if(step_ns > 0, since_ns + step_ns, started_ns + {flow_deadline:Int64}) AS deadline_ns,
    if(step_ns > 0, ({now:Int64} - since_ns) / step_ns, ({now:Int64} - started_ns) / {flow_deadline:Int64}) AS used
FROM
(
    SELECT
        order_id,
        toUnixTimestamp64Nano(started_at) AS started_ns,
        toUnixTimestamp64Nano(last_seen_at) AS seen_ns,
        furthest
    FROM orders FINAL
    WHERE NOT {in_trouble:Bool} OR order_id IN (SELECT order_id FROM findings FINAL WHERE state != '')
) AS known
LEFT JOIN (SELECT order_id, state, kind FROM findings FINAL WHERE state != '') AS found USING (order_id)
