-- Remembers the consumer spans of just inserted groups by the thread that ran them.
-- groups: times of insertion of groups of spans; stamp: of these rows; services, systems: service names and their systems
INSERT INTO consumer_spans (system, thread, at, trace_id, span_id, words, order_id, inserted_at)
SELECT
    transform(ServiceName, {services:Array(String)}, {systems:Array(String)}, ServiceName),
    concat(ResourceAttributes['service.instance.id'], ' ', ScopeName, ' ', SpanAttributes['thread.name']),
    Timestamp,
    TraceId,
    SpanId,
    arrayFilter(word -> word != '', arrayPushFront(splitByChar(':', SpanAttributes['messaging.destination.name']), SpanAttributes['messaging.rabbitmq.destination.routing_key'])),
    OrderId,
    {stamp:DateTime64(3)}
FROM otel_traces
WHERE inserted_at IN ({groups:Array(DateTime64(3))}) AND SpanKind = 'Consumer' AND SpanAttributes['thread.name'] != ''
