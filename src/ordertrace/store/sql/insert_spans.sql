-- Turns a group of OTLP trace requests into rows, with the privacy rules inside. The requests lie one after another, each
-- behind its length, in a file in memory. Values are read as the bytes of AnyValue (see otlp_traces.proto) and worked out
-- here: one column of bytes is several times cheaper to read than a column for each kind of value.
-- file: its path; structure, proto: what is in it; token: the group's name, under which a repetition is no insert;
-- inserted_at: the group's time; earliest, latest: times of spans that can be true, in ns since 1970
-- $decoded, $drops, $suspects, $scrub, $order_id, $order_id_by, $order_status: expressions made from the settings by span_writer.py
INSERT INTO otel_traces
(
    Timestamp, TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind, ServiceName, ResourceAttributes, ScopeName,
    ScopeVersion, SpanAttributes, Duration, StatusCode, StatusMessage, Events.Timestamp, Events.Name, Events.Attributes,
    Links.TraceId, Links.SpanId, Links.TraceState, Links.Attributes, SpanAttributeTypes, OrderId, OrderIdBy, OrderStatus,
    MessageId, inserted_at
)
WITH
    (key -> $drops) AS is_dropped,
    (raw -> $decoded) AS to_text,
    (value -> $suspects) AS is_suspect,
    (value -> if(is_suspect(value), $scrub, value)) AS scrubbed,
    (attribute -> NOT is_dropped(attribute.key)) AS is_kept,
    (attributes -> CAST((arrayMap(a -> a.key, arrayFilter(is_kept, attributes)), arrayMap(a -> scrubbed(to_text(a.value)), arrayFilter(is_kept, attributes))), 'Map(LowCardinality(String), String)')) AS to_map
SELECT
    fromUnixTimestamp64Nano(toInt64(span.start_time_unix_nano)),
    lower(hex(span.trace_id)),
    lower(hex(span.span_id)),
    lower(hex(span.parent_span_id)),
    if(suspect, scrubbed(span.trace_state), span.trace_state),
    if(suspect, scrubbed(span.name), span.name),
    transform(span.kind, [1, 2, 3, 4, 5], ['Internal', 'Server', 'Client', 'Producer', 'Consumer'], 'Unspecified'),
    resource['service.name'],
    resource,
    scope.name,
    scope.version,
    CAST((keys, values), 'Map(LowCardinality(String), String)'),
    span.end_time_unix_nano - least(span.start_time_unix_nano, span.end_time_unix_nano),
    transform(span.status.code, [1, 2], ['Ok', 'Error'], 'Unset'),
    if(suspect, scrubbed(span.status.message), span.status.message),
    arrayMap(event -> fromUnixTimestamp64Nano(toInt64(event.time_unix_nano)), span.events),
    arrayMap(event -> scrubbed(event.name), span.events),
    arrayMap(event -> to_map(event.attributes), span.events),
    arrayMap(link -> lower(hex(link.trace_id)), span.links),
    arrayMap(link -> lower(hex(link.span_id)), span.links),
    arrayMap(link -> scrubbed(link.trace_state), span.links),
    arrayMap(link -> to_map(link.attributes), span.links),
    CAST((
        arrayFilter((key, tag) -> tag NOT IN (0, 10), keys, tags),
        CAST(arrayMap(tag -> transform(tag, [16, 24, 33, 42, 50, 58], ['bool', 'int', 'double', 'array', 'map', 'bytes'], ''), arrayFilter(tag -> tag NOT IN (0, 10), tags)), 'Array(LowCardinality(String))')
    ), 'Map(LowCardinality(String), LowCardinality(String))'),
    $order_id,
    $order_id_by,
    $order_status,
    if(values[indexOf(keys, 'messaging.message.id')] != '', values[indexOf(keys, 'messaging.message.id')], values[indexOf(keys, 'messaging.message_id')]),
    {inserted_at:DateTime64(3)}
FROM
(
    SELECT
        resource,
        scope,
        span,
        CAST(span.attributes.key, 'Array(LowCardinality(String))') AS names,
        arrayMap(key -> NOT is_dropped(key), names) AS kept,
        arrayMap(to_text, span.attributes.value) AS texts,
        is_suspect(concat(arrayStringConcat(texts, '\n'), '\n', span.name, '\n', span.trace_state, '\n', span.status.message)) AS suspect,
        arrayFilter((key, keep) -> keep, names, kept) AS keys,
        arrayFilter((raw, keep) -> keep, arrayMap(raw -> ascii(raw), span.attributes.value), kept) AS tags,
        arrayFilter((text, keep) -> keep, if(suspect, arrayMap(scrubbed, texts), texts), kept) AS values
    FROM
    (
        SELECT resource, scope_spans.scope AS scope, arrayJoin(scope_spans.spans) AS span
        FROM
        (
            SELECT to_map(resource_spans.resource.attributes) AS resource, arrayJoin(resource_spans.scope_spans) AS scope_spans
            FROM (SELECT arrayJoin(resource_spans) AS resource_spans FROM file({file:String}, 'Protobuf', {structure:String}))
        )
    )
    WHERE length(span.trace_id) = 16 AND length(span.span_id) = 8 AND length(span.parent_span_id) IN (0, 8)
        AND span.start_time_unix_nano BETWEEN {earliest:UInt64} AND {latest:UInt64}
)
SETTINGS format_schema_source = 'string', format_schema = {proto:String}, format_schema_message_name = 'Request', max_threads = 1,
    insert_deduplication_token = {token:String}, max_insert_block_size = 1000000
