-- Facts of spans that several orders share say no status: what such a span holds last is one order's number and another's
-- status. (An alias of REPLACE would stand for the column in WHERE; hence the subquery.)
-- orders, events: pairs of order and event id; stamp: time of insertion
INSERT INTO order_events
SELECT * REPLACE ('operation' AS kind, '' AS status, toUInt16(0) AS rank, {stamp:DateTime64(3)} AS inserted_at)
FROM
(
    SELECT * FROM order_events FINAL
    WHERE order_id IN ({orders:Array(String)}) AND status != ''
        AND (order_id, event_id) IN (SELECT arrayJoin(arrayZip({orders:Array(String)}, {events:Array(String)})))
)
