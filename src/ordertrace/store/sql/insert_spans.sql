-- Turns a group of OTLP trace requests into rows, with the privacy rules inside. The requests lie one after another, each
-- behind its length, in a file in memory. Values are read as the bytes of AnyValue (see otlp_traces.proto) and worked out
-- here: one column of bytes is several times cheaper to read than a column for each kind of value.
-- file: its path; structure, proto: what is in it; token: the group's name, under which a repetition is no insert;
-- inserted_at: the group's time; earliest, latest: times of spans that can be true, in ns since 1970
-- ${…}: expressions made from the settings by span_writer.py, each over the names that it says
INSERT INTO otel_traces
(
    Timestamp, TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind, ServiceName, ResourceAttributes, ScopeName,
    ScopeVersion, SpanAttributes, Duration, StatusCode, StatusMessage, Events.Timestamp, Events.Name, Events.Attributes,
    Links.TraceId, Links.SpanId, Links.TraceState, Links.Attributes, SpanAttributeTypes, OrderId, OrderIdBy, OrderStatus,
    MessageId, inserted_at
)
WITH
    (raw -> ${decoded}) AS decoded,
    (key -> ${drops}) AS drops,
    (value -> ${scrub}) AS scrub
SELECT
    fromUnixTimestamp64Nano(toInt64(span.start_time_unix_nano)) AS Timestamp,
    lower(hex(span.trace_id)) AS TraceId,
    lower(hex(span.span_id)) AS SpanId,
    lower(hex(span.parent_span_id)) AS ParentSpanId,
    if(suspect, scrub(span.trace_state), span.trace_state) AS TraceState,
    if(suspect, scrub(span.name), span.name) AS SpanName,
    transform(span.kind, [1, 2, 3, 4, 5], ['Internal', 'Server', 'Client', 'Producer', 'Consumer'], 'Unspecified') AS SpanKind,
    resource['service.name'] AS ServiceName,
    resource AS ResourceAttributes,
    scope.name AS ScopeName,
    scope.version AS ScopeVersion,
    CAST((keys, texts) AS Map(LowCardinality(String), String)) AS SpanAttributes,
    span.end_time_unix_nano - least(span.start_time_unix_nano, span.end_time_unix_nano) AS Duration,
    transform(span.status.code, [1, 2], ['Ok', 'Error'], 'Unset') AS StatusCode,
    if(suspect, scrub(span.status.message), span.status.message) AS StatusMessage,
    arrayMap(at -> fromUnixTimestamp64Nano(toInt64(at)), span.events.time_unix_nano) AS `Events.Timestamp`,
    arrayMap(value -> ${scrub}, span.events.name) AS `Events.Name`,
    ${event_attributes} AS `Events.Attributes`,
    arrayMap(id -> lower(hex(id)), span.links.trace_id) AS `Links.TraceId`,
    arrayMap(id -> lower(hex(id)), span.links.span_id) AS `Links.SpanId`,
    span.links.trace_state AS `Links.TraceState`,
    ${link_attributes} AS `Links.Attributes`
