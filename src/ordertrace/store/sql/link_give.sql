-- Gives facts to orders: those that wait, or that another order has.
-- traces: of these facts; events, orders, ways, sureness: for each fact its event id, its order, how and how surely it was
-- joined; stamp: time of insertion
INSERT INTO order_events
SELECT facts.* REPLACE (given.order_id AS order_id, given.joined_by AS joined_by, given.confidence AS confidence, {stamp:DateTime64(3)} AS inserted_at)
FROM
(
    SELECT * FROM
    (
        SELECT * FROM waiting_events WHERE trace_id IN ({traces:Array(String)}) AND event_id IN ({events:Array(String)})
        UNION ALL
        SELECT * FROM order_events
        WHERE order_id IN
            (
                SELECT order_id FROM trace_orders WHERE trace_id IN ({traces:Array(String)})
                UNION DISTINCT
                SELECT order_id FROM order_keys WHERE key IN (SELECT key FROM span_keys WHERE trace_id IN ({traces:Array(String)}))
            )
            AND trace_id IN ({traces:Array(String)}) AND event_id IN ({events:Array(String)})
    )
    LIMIT 1 BY event_id
) AS facts
INNER JOIN
(
    SELECT one.1 AS event_id, one.2 AS order_id, one.3 AS joined_by, one.4 AS confidence
    FROM (SELECT arrayJoin(arrayZip({events:Array(String)}, {orders:Array(String)}, {ways:Array(String)}, {sureness:Array(Float32)})) AS one)
) AS given ON given.event_id = facts.event_id
