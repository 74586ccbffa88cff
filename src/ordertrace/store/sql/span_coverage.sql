-- What a sample of each service's recent spans holds, one row a service: whole traces, one of so many. A span that came in two
-- requests (a client's retry that was cut otherwise) is one.
-- since: time of insertion; services, every: of which traces of a service to take one
WITH
    sampled AS
    (
        SELECT TraceId
        FROM otel_traces
        WHERE inserted_at >= {since:DateTime64(3)}
            AND cityHash64(TraceId) % transform(ServiceName, {services:Array(String)}, {every:Array(UInt64)}, toUInt64(1)) = 0
    ),
    named AS (SELECT trace_id FROM trace_orders WHERE trace_id IN (SELECT TraceId FROM sampled)),
    traces AS
    (
        SELECT
            ServiceName,
            count() AS spans,
            countIf(OrderId != '' OR TraceId IN (SELECT trace_id FROM named)) AS joined,
            countIf(OrderId != '') AS naming,
            countIf(SpanKind IN ('Producer', 'Consumer')) AS messages,
            countIf(SpanKind IN ('Producer', 'Consumer') AND MessageId != '') AS with_message_id,
            countIf(OrderStatus != '') AS with_status,
            countIf(StatusCode = 'Error') AS errors,
            countIf(arrayExists(attributes -> attributes['exception.stacktrace'] != '', Events.Attributes)) AS stacks,
            multiIf(countIf(SpanKind = 'Consumer') > 0, 'consumer', countIf(SpanKind = 'Server') > 0, 'server', 'other') AS entry,
            argMin(CAST(SpanName, 'String'), (multiIf(SpanKind IN ('Consumer', 'Server'), 0, ParentSpanId = '', 1, 2), Timestamp)) AS name,
            any(ResourceAttributes['telemetry.sdk.language']) AS language,
            any(ResourceAttributes['telemetry.distro.name']) AS distribution
        FROM
        (
            SELECT
                ServiceName, TraceId, SpanId, SpanKind, ParentSpanId, SpanName, Timestamp, OrderId, OrderStatus, MessageId, StatusCode,
                Events.Attributes, ResourceAttributes
            FROM otel_traces
            WHERE inserted_at >= {since:DateTime64(3)}
                AND cityHash64(TraceId) % transform(ServiceName, {services:Array(String)}, {every:Array(UInt64)}, toUInt64(1)) = 0
            LIMIT 1 BY ServiceName, TraceId, SpanId, SpanKind
        )
        GROUP BY ServiceName, TraceId
    )
SELECT
    ServiceName,
    sum(spans),
    sum(joined),
    sum(naming),
    sum(messages),
    sum(with_message_id),
    sum(with_status),
    sum(errors),
    sumIf(errors, stacks = 0),
    CAST(sumMap(map(entry, toUInt64(spans - joined))), 'Map(String, UInt64)'),
    map(
        'consumer', arrayElement(topKIf(1)(name, entry = 'consumer' AND joined = 0), 1),
        'server', arrayElement(topKIf(1)(name, entry = 'server' AND joined = 0), 1),
        'other', arrayElement(topKIf(1)(name, entry = 'other' AND joined = 0), 1)
    ),
    anyHeavy(language),
    anyHeavy(distribution)
FROM traces
GROUP BY ServiceName
SETTINGS max_threads = 1
