-- Turns just inserted log records that an operator wants to see into facts about their orders: errors, and those that say a
-- status. All others are found in otel_logs by their trace or order. A record without an order id takes its trace's, if the
-- trace works for exactly one order; records of nameless traces wait.
-- groups: the groups' times of insertion; services, systems: service names and the systems they belong to;
-- statuses, ranks: the flow's statuses and their places in it
INSERT INTO told_events
(
    order_id, at, event_id, system, kind, span_kind, name, status, rank, duration_ns, response_code, trace_id, span_id,
    parent_span_id, message_id, destination, queue, peer, error_type, error_message, error_stack, error_code, joined_by,
    confidence, inserted_at
)
WITH
    LogAttributes.keys AS keys,
    LogAttributes.values AS vals,
    SeverityNumber >= 17 AS failed,
    if(failed, '', OrderStatus) AS reached
SELECT
    if(OrderId != '', OrderId, joined.order_id) AS order_id,
    Timestamp AS at,
    lower(hex(cityHash64(TraceId, SpanId, Timestamp, ServiceName, Body))) AS event_id,
    transform(ServiceName, {services:Array(String)}, {systems:Array(String)}, ServiceName) AS system,
    if(reached != '', 'status', 'log') AS kind,
    'Internal' AS span_kind,
    substring(Body, 1, 200) AS name,
    reached AS status,
    transform(reached, {statuses:Array(String)}, {ranks:Array(UInt16)}, toUInt16(0)) AS rank,
    0 AS duration_ns,
    '' AS response_code,
    TraceId AS trace_id,
    SpanId AS span_id,
    '' AS parent_span_id,
    '' AS message_id,
    '' AS destination,
    '' AS queue,
    '' AS peer,
    if(failed, vals[indexOf(keys, 'exception.type')], '') AS error_type,
    if(failed, substring(firstNonDefault(vals[indexOf(keys, 'exception.message')], Body), 1, 2000), '') AS error_message,
    if(failed, substring(vals[indexOf(keys, 'exception.stacktrace')], 1, 32000), '') AS error_stack,
    if(failed, vals[indexOf(keys, 'error.code')], '') AS error_code,
    if(OrderId != '', OrderIdBy, if(joined.order_id != '', 'trace', '')) AS joined_by,
    toFloat32(multiIf(joined_by = 'attribute', 1, joined_by = 'pattern', 0.95, joined_by IN ('trace', 'log'), 0.9, 0)) AS confidence,
    inserted_at
FROM otel_logs
LEFT JOIN
(
    SELECT trace_id, any(trace_orders.order_id) AS order_id
    FROM trace_orders
    WHERE trace_id IN (SELECT TraceId FROM otel_logs WHERE inserted_at IN ({groups:Array(DateTime64(3))}) AND OrderId = '')
    GROUP BY trace_id
    HAVING min(trace_orders.order_id) = max(trace_orders.order_id)
) AS joined ON joined.trace_id = otel_logs.TraceId
WHERE inserted_at IN ({groups:Array(DateTime64(3))})
    AND (SeverityNumber >= 17 OR OrderStatus != '')
    AND (OrderId != '' OR TraceId != '')
SETTINGS max_threads = 1
