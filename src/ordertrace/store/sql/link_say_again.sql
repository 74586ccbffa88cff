-- Facts whose status was taken from them say it again: of their span, or log record, there is only one order after all.
-- traces: of these facts; orders, events: pairs of order and event id; statuses, ranks: the flow's statuses and their places in
-- it; stamp: time of insertion
INSERT INTO order_events
SELECT facts.* REPLACE
(
    'status' AS kind, said.reached AS status, transform(said.reached, {statuses:Array(String)}, {ranks:Array(UInt16)}, toUInt16(0)) AS rank,
    {stamp:DateTime64(3)} AS inserted_at
)
FROM
(
    SELECT * FROM order_events FINAL
    WHERE order_id IN ({orders:Array(String)}) AND status = '' AND joined_by != 'withdrawn'
        AND (order_id, event_id) IN (SELECT arrayJoin(arrayZip({orders:Array(String)}, {events:Array(String)})))
) AS facts
INNER JOIN
(
    SELECT lower(hex(cityHash64(TraceId, SpanId, SpanKind))) AS event, OrderStatus AS reached FROM otel_traces
    WHERE (inserted_at, TraceId) IN (SELECT inserted_at, trace_id FROM trace_groups WHERE trace_id IN ({traces:Array(String)})) AND OrderStatus != '' AND StatusCode != 'Error'
    UNION DISTINCT
    SELECT lower(hex(cityHash64(TraceId, SpanId, Timestamp, ServiceName, Body))), OrderStatus FROM otel_logs
    WHERE TraceId IN ({traces:Array(String)}) AND OrderStatus != '' AND SeverityNumber < 17
) AS said ON said.event = facts.event_id
