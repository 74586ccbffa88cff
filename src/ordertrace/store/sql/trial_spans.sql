-- Spans of traces and what each rule finds in them: (trace, span, parent, time, ns, service, kind, name, whether it failed, answer,
-- message id, order stored, how, status stored, what each rule for ids finds, what each rule for statuses finds,
-- whether it may tell a fact, as join_events.sql says).
-- traces: their ids; limit: spans
-- $ids, $statuses: arrays of what each rule finds, in their order
SELECT
    TraceId, SpanId, ParentSpanId, Timestamp, Duration, ServiceName, SpanKind, SpanName, StatusCode = 'Error',
    firstNonDefault(SpanAttributes['http.response.status_code'], SpanAttributes['http.status_code'], SpanAttributes['rpc.grpc.status_code']),
    MessageId, OrderId, OrderIdBy, OrderStatus, $ids, $statuses,
    StatusCode = 'Error' OR SpanKind != 'Client' OR (SpanAttributes['db.system'] = '' AND SpanAttributes['db.system.name'] = '' AND SpanAttributes['messaging.system'] = '')
FROM otel_traces
WHERE (inserted_at, TraceId) IN (SELECT inserted_at, trace_id FROM trace_groups WHERE trace_id IN ({traces:Array(String)}))
ORDER BY TraceId, Timestamp, SpanId
LIMIT 1 BY TraceId, SpanId, SpanKind
LIMIT {limit:UInt32}
