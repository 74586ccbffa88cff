-- Takes facts from orders to which they do not belong. The row stays as one that nobody reads. (An alias of REPLACE would
-- stand for the column in WHERE; hence the subquery.)
-- orders, events: pairs of order and event id; stamp: time of insertion
INSERT INTO order_events
SELECT * REPLACE ('withdrawn' AS joined_by, toFloat32(0) AS confidence, {stamp:DateTime64(3)} AS inserted_at)
FROM
(
    SELECT * FROM order_events FINAL
    WHERE order_id IN ({orders:Array(String)}) AND joined_by != 'withdrawn'
        AND (order_id, event_id) IN (SELECT arrayJoin(arrayZip({orders:Array(String)}, {events:Array(String)})))
)
