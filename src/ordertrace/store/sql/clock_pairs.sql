-- How far clocks are apart, from the latest messages and calls: (system, other, seconds ahead, median deviation, pairs). A
-- message is published during its sender's span; a request is served during its caller's. Other '': the watch of the broker.
-- services, systems: service names and their systems; messages_max, calls_max: how many are looked at
WITH
    sent AS
    (
        SELECT trace_id, span_id, min(at) AS published
        FROM message_events
        WHERE kind = 'published' AND span_id != '' AND inserted_at >= now64(3) - toIntervalDay(1)
        GROUP BY trace_id, span_id
        ORDER BY published DESC
        LIMIT {messages_max:UInt32}
    ),
    served AS
    (
        SELECT TraceId, ParentSpanId, ServiceName, toUnixTimestamp64Nano(Timestamp) + toInt64(Duration / 2) AS middle
        FROM otel_traces
        WHERE SpanKind = 'Server' AND ParentSpanId != '' AND inserted_at >= now64(3) - toIntervalHour(1)
        ORDER BY inserted_at DESC
        LIMIT {calls_max:UInt32}
    )
SELECT system, other, median(ahead) AS middle_ahead, quantile(0.75)(ahead) - quantile(0.25)(ahead) AS spread, count()
FROM
(
    SELECT
        transform(span.ServiceName, {services:Array(String)}, {systems:Array(String)}, span.ServiceName) AS system,
        '' AS other,
        (toUnixTimestamp64Nano(span.Timestamp) + toInt64(span.Duration / 2) - toUnixTimestamp64Micro(sent.published) * 1000) / 1000000000 AS ahead
    FROM (SELECT TraceId, SpanId, ServiceName, Timestamp, Duration FROM otel_traces
        WHERE (inserted_at, TraceId) IN (SELECT inserted_at, trace_id FROM trace_groups WHERE trace_id IN (SELECT trace_id FROM sent))
    ) AS span
    INNER JOIN sent ON sent.trace_id = span.TraceId AND sent.span_id = span.SpanId
    UNION ALL
    SELECT
        transform(served.ServiceName, {services:Array(String)}, {systems:Array(String)}, served.ServiceName),
        transform(span.ServiceName, {services:Array(String)}, {systems:Array(String)}, span.ServiceName),
        (served.middle - (toUnixTimestamp64Nano(span.Timestamp) + toInt64(span.Duration / 2))) / 1000000000
    FROM
    (
        SELECT TraceId, SpanId, ServiceName, Timestamp, Duration FROM otel_traces
        WHERE (inserted_at, TraceId) IN (SELECT inserted_at, trace_id FROM trace_groups WHERE trace_id IN (SELECT TraceId FROM served)) AND SpanKind = 'Client'
    ) AS span
    INNER JOIN served ON served.TraceId = span.TraceId AND served.ParentSpanId = span.SpanId
)
GROUP BY system, other
