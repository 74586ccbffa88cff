-- with: order_states
-- Open orders by status and by tenths of their deadline: how many, and the most urgent of each tenth by name.
-- beside the parameters of order_states: dots, how many to name a tenth
SELECT
    status,
    toUInt8(greatest(0, least(15, floor(used * 10)))) AS tenth,
    count() AS orders,
    countIf(state IN ('stuck', 'failed') OR used >= 1) AS late,
    arraySlice(arrayReverseSort(groupArray(1000)((used, order_id, state))), 1, {dots:UInt16}) AS named
FROM order_states
WHERE NOT ended
GROUP BY status, tenth
