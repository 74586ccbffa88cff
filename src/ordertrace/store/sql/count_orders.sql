-- with: order_states
-- How many orders there are by state, among those that the other filters let through; parameters as in find_orders.
SELECT state, count()
FROM order_states
WHERE ({status:String} = '' OR status = {status:String})
    AND ({system:String} = '' OR system = {system:String})
    AND ({owner:String} = '' OR owner = {owner:String})
    AND ({q:String} = '' OR positionCaseInsensitiveUTF8(order_id, {q:String}) > 0)
    AND ({since:Int64} = 0 OR started_ns >= {since:Int64}) AND ({until:Int64} = 0 OR started_ns < {until:Int64})
    AND ({deviation:String} = '' OR order_id IN
        (SELECT order_id FROM deviations FINAL WHERE if({deviation:String} = 'any', notEmpty(kinds), has(kinds, {deviation:String}))))
GROUP BY state
