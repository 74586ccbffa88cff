-- Turns the spans of just inserted groups that say something about an order into facts about it. A span without an
-- order id takes its trace's, if the trace works for exactly one order; spans of nameless traces wait.
-- groups: the groups' times of insertion; services, systems: service names and the systems they belong to;
-- statuses, ranks: the flow's statuses and their places in it
-- An attribute is read as vals[indexOf(keys, …)], '' where it is absent: four times as fast as a look into the map.
INSERT INTO told_events
WITH
    SpanAttributes.keys AS keys,
    SpanAttributes.values AS vals,
    StatusCode = 'Error' AS failed,
    arrayLastIndex(name -> name = 'exception', Events.Name) AS exception_at,
    if(exception_at > 0, Events.Attributes[exception_at], CAST(map(), 'Map(LowCardinality(String), String)')) AS exception,
    firstNonDefault(vals[indexOf(keys, 'http.response.status_code')], vals[indexOf(keys, 'http.status_code')], vals[indexOf(keys, 'rpc.grpc.status_code')]) AS code,
    firstNonDefault(vals[indexOf(keys, 'messaging.rabbitmq.destination.routing_key')], vals[indexOf(keys, 'messaging.destination.name')], vals[indexOf(keys, 'messaging.destination')]) AS target,
    if(failed, '', OrderStatus) AS reached
SELECT
    if(OrderId != '', OrderId, joined.order_id) AS order_id,
    Timestamp AS at,
    lower(hex(cityHash64(TraceId, SpanId, SpanKind))) AS event_id,
    transform(ServiceName, {services:Array(String)}, {systems:Array(String)}, ServiceName) AS system,
    multiIf(failed, 'error', reached != '', 'status', SpanKind = 'Producer', 'send', SpanKind = 'Consumer', 'receive', SpanKind = 'Client', 'call', 'operation') AS kind,
    SpanKind AS span_kind,
    SpanName AS name,
    reached AS status,
    transform(reached, {statuses:Array(String)}, {ranks:Array(UInt16)}, toUInt16(0)) AS rank,
    Duration AS duration_ns,
    code AS response_code,
    TraceId AS trace_id,
    SpanId AS span_id,
    ParentSpanId AS parent_span_id,
    MessageId AS message_id,
    target AS destination,
    if(SpanKind = 'Consumer', firstNonDefault(vals[indexOf(keys, 'messaging.rabbitmq.queue')], vals[indexOf(keys, 'messaging.consumer.group.name')], splitByChar(':', vals[indexOf(keys, 'messaging.destination.name')])[3]), '') AS queue,
    firstNonDefault(vals[indexOf(keys, 'peer.service')], vals[indexOf(keys, 'server.address')], vals[indexOf(keys, 'net.peer.name')]) AS peer,
    if(failed, firstNonDefault(exception['exception.type'], vals[indexOf(keys, 'exception.type')], vals[indexOf(keys, 'error.type')]), '') AS error_type,
    if(failed, substring(firstNonDefault(exception['exception.message'], StatusMessage, vals[indexOf(keys, 'exception.message')]), 1, 2000), '') AS error_message,
    if(failed, substring(exception['exception.stacktrace'], 1, 32000), '') AS error_stack,
    if(failed, firstNonDefault(vals[indexOf(keys, 'error.code')], vals[indexOf(keys, 'order.error.code')], exception['error.code']), '') AS error_code,
    if(OrderId != '', OrderIdBy, if(joined.order_id != '', 'trace', '')) AS joined_by,
    toFloat32(multiIf(joined_by = 'attribute', 1, joined_by = 'pattern', 0.95, joined_by = 'trace', 0.9, 0)) AS confidence,
    inserted_at,
    inserted_at AS told_at
FROM otel_traces
LEFT JOIN
(
    SELECT trace_id, any(trace_orders.order_id) AS order_id
    FROM trace_orders
    WHERE trace_id IN (SELECT TraceId FROM otel_traces WHERE inserted_at IN ({groups:Array(DateTime64(3))}) AND OrderId = '')
    GROUP BY trace_id
    HAVING min(trace_orders.order_id) = max(trace_orders.order_id)
) AS joined ON joined.trace_id = otel_traces.TraceId
WHERE inserted_at IN ({groups:Array(DateTime64(3))})
    AND (OrderStatus != '' OR StatusCode = 'Error' OR SpanKind IN ('Server', 'Producer', 'Consumer') OR SpanKind = 'Client')
    -- databases and acknowledgements say nothing of an order unless they fail
    AND (failed OR SpanKind != 'Client' OR (vals[indexOf(keys, 'db.system')] = '' AND vals[indexOf(keys, 'db.system.name')] = '' AND vals[indexOf(keys, 'messaging.system')] = ''))
    -- an order that a system does not know is not an order
    AND NOT (OrderIdBy = 'pattern' AND code = '404')
SETTINGS max_threads = 1
