-- Facts that are about to be taken from orders wait for another name.
-- orders, events: pairs of order and event id; stamp: time of insertion
INSERT INTO waiting_events
SELECT * REPLACE ('' AS order_id, '' AS joined_by, toFloat32(0) AS confidence, {stamp:DateTime64(3)} AS inserted_at)
FROM
(
    SELECT * FROM order_events FINAL
    WHERE order_id IN ({orders:Array(String)}) AND joined_by != 'withdrawn' AND (span_id != '' OR span_kind = 'Internal')
        AND (order_id, event_id) IN (SELECT arrayJoin(arrayZip({orders:Array(String)}, {events:Array(String)})))
)
