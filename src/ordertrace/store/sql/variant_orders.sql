-- with: order_ways
-- The orders that went one way, the newest first.
-- beside the parameters of order_ways: variant, states (any of them; empty: all), limit, offset
SELECT order_id, path
FROM order_ways
WHERE lower(hex(cityHash64(arrayStringConcat(path, '\n')))) = {variant:String}
    AND (empty({states:Array(String)}) OR has({states:Array(String)}, state))
ORDER BY started_ns DESC, order_id
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
