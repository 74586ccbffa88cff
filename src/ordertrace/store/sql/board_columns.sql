-- with: order_states
-- Orders by state and status and by tenths of their deadline: how many, and the most urgent of each tenth by name.
-- beside the parameters of order_states: dots, how many to name a tenth
SELECT
    state,
    status,
    toUInt8(if(ended, 0, greatest(0, least(15, floor(used * 10))))) AS tenth,
    count() AS orders,
    countIf(NOT ended AND (state IN ('stuck', 'failed') OR used >= 1)) AS late,
    arraySlice(arrayReverseSort(groupArrayIf(1000)((used, order_id), NOT ended)), 1, {dots:UInt16}) AS named
FROM order_states
GROUP BY state, status, tenth
