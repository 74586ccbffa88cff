-- with: order_states
-- Orders by state and status and by tenths of their deadline: how many, and by name the most urgent of those that have not
-- ended. Beside the parameters of order_states: dots: how many to name a row
SELECT
    state,
    status,
    toUInt8(if(ended, 0, greatest(0, least(15, floor(used * 10))))) AS tenth,
    count() AS orders,
    countIf(NOT ended AND (state IN ('stuck', 'failed') OR used >= 1)) AS late,
    -- sorted at the end: an aggregate that keeps itself sorted costs more than all of them
    arrayMap(
        dot -> (-dot.1, dot.2),
        arraySlice(arrayPartialSort({dots:UInt16}, groupArrayIf((-used, order_id), NOT ended)), 1, {dots:UInt16})
    ) AS named
FROM order_states
GROUP BY state, status, tenth
