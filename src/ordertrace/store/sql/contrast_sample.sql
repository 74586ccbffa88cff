-- with: order_ways
-- Two samples of a period's orders: those in trouble (1) and those that are finished (0), with how many there are of either
-- and which states the orders are in. Chosen by a hash of their ids, so that the same question gives the same orders.
-- beside the parameters of order_ways: troubled_states, kind, status, variant ('' does not restrict the ones in trouble), each
SELECT troubled, count() OVER (PARTITION BY troubled) AS of_all, order_id
FROM
(
    SELECT
        order_id,
        toUInt8(has({troubled_states:Array(String)}, state)
            AND ({kind:String} = '' OR kind = {kind:String})
            AND ({status:String} = '' OR path[-1] = {status:String})
            AND ({variant:String} = '' OR lower(hex(cityHash64(arrayStringConcat(path, '\n')))) = {variant:String})) AS troubled
    FROM order_ways
    WHERE troubled OR state = 'closed'
)
ORDER BY cityHash64(order_id), order_id
LIMIT {each:UInt32} BY troubled
