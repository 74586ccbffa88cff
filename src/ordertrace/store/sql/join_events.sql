-- Turns the spans of just inserted groups that say something about an order into facts about it. A span without an
-- order id takes its trace's, if the trace works for exactly one order; spans of nameless traces wait.
-- groups: the groups' times of insertion; services, systems: service names and the systems they belong to;
-- statuses, ranks: the flow's statuses and their places in it
-- The map of attributes is read once: a column for each key that is looked up, as the engine would have it, costs twice as much.
INSERT INTO told_events
WITH
    StatusCode = 'Error' AS failed,
    arrayLastIndex(name -> name = 'exception', Events.Name) AS exception_at,
    if(exception_at > 0, Events.Attributes[exception_at], CAST(map(), 'Map(LowCardinality(String), String)')) AS exception,
    firstNonDefault(SpanAttributes['http.response.status_code'], SpanAttributes['http.status_code'], SpanAttributes['rpc.grpc.status_code']) AS code,
    firstNonDefault(SpanAttributes['messaging.rabbitmq.destination.routing_key'], SpanAttributes['messaging.destination.name'], SpanAttributes['messaging.destination']) AS target,
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
    if(SpanKind = 'Consumer', firstNonDefault(SpanAttributes['messaging.rabbitmq.queue'], SpanAttributes['messaging.consumer.group.name'], splitByChar(':', SpanAttributes['messaging.destination.name'])[3]), '') AS queue,
    firstNonDefault(SpanAttributes['peer.service'], SpanAttributes['server.address'], SpanAttributes['net.peer.name']) AS peer,
    if(failed, firstNonDefault(exception['exception.type'], SpanAttributes['exception.type'], SpanAttributes['error.type']), '') AS error_type,
    if(failed, substring(firstNonDefault(exception['exception.message'], StatusMessage, SpanAttributes['exception.message']), 1, 2000), '') AS error_message,
    if(failed, substring(exception['exception.stacktrace'], 1, 32000), '') AS error_stack,
    if(failed, firstNonDefault(SpanAttributes['error.code'], SpanAttributes['order.error.code'], exception['error.code']), '') AS error_code,
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
    AND (failed OR SpanKind != 'Client' OR (SpanAttributes['db.system'] = '' AND SpanAttributes['db.system.name'] = '' AND SpanAttributes['messaging.system'] = ''))
    -- an order that a system does not know is not an order
    AND NOT (OrderIdBy = 'pattern' AND code = '404')
SETTINGS max_threads = 1, optimize_functions_to_subcolumns = 0
