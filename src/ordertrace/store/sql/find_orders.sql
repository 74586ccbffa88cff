-- with: order_states
-- One page of order ids in the order asked for, by filters of which empty ones do not restrict (nor cost anything: the
-- engine drops a condition that always holds, but all of it or nothing).
-- beside the parameters of order_states: states (any of them), status, system, owner, q (part of an id), deviation (a kind, or any), since, until (start of the order, ns),
-- sort (harm, age, deadline, started, id), limit, offset
SELECT order_id
FROM order_states
WHERE (empty({states:Array(String)}) OR has({states:Array(String)}, state))
    AND ({status:String} = '' OR status = {status:String})
    AND ({system:String} = '' OR system = {system:String})
    AND ({owner:String} = '' OR owner = {owner:String})
    AND ({q:String} = '' OR positionCaseInsensitiveUTF8(order_id, {q:String}) > 0)
    AND ({since:Int64} = 0 OR started_ns >= {since:Int64}) AND ({until:Int64} = 0 OR started_ns < {until:Int64})
    AND ({deviation:String} = '' OR order_id IN
        (SELECT order_id FROM deviations FINAL WHERE if({deviation:String} = 'any', notEmpty(kinds), has(kinds, {deviation:String}))))
ORDER BY
    if({sort:String} = 'harm', transform(state, ['failed', 'stuck', 'open'], [0, 0, 1], 2), 0),
    multiIf({sort:String} IN ('harm', 'deadline'), if(ended, -seen_ns, deadline_ns), {sort:String} = 'age', started_ns, {sort:String} = 'started', -started_ns, toInt64(0)),
    order_id
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
