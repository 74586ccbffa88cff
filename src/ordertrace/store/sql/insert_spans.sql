-- Turns a group of OTLP trace requests into rows, with the privacy rules inside. The requests lie one after another, each
-- behind its length, in a file in memory. Values are read as the bytes of AnyValue (see otlp_traces.proto) and worked out
-- here: one column of bytes is several times cheaper to read than a column for each kind of value. Every expression is
-- written once and bound by a lambda or a subquery: analysing it again costs more than running it.
-- file: its path; structure, proto: what is in it; token: the group's name, under which a repetition is no insert;
-- inserted_at: the group's time; earliest, latest: times of spans that can be true, in ns since 1970
-- $…: expressions made from the settings by span_writer.py: decoded (of `raw`), drops (of `key`), suspects (of `value`),
-- scrub_said (of the array `said`), codes and the order's expressions (of `found` and `found_codes`)
INSERT INTO otel_traces
(
    Timestamp, TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind, ServiceName, ResourceAttributes, ScopeName,
    ScopeVersion, SpanAttributes, Duration, StatusCode, StatusMessage, Events.Timestamp, Events.Name, Events.Attributes,
    Links.TraceId, Links.SpanId, Links.TraceState, Links.Attributes, SpanAttributeTypes, OrderId, OrderIdBy, OrderStatus,
    MessageId, inserted_at
)
SELECT
    fromUnixTimestamp64Nano(toInt64(span.start_time_unix_nano)),
    lower(hex(span.trace_id)),
    lower(hex(span.span_id)),
    lower(hex(span.parent_span_id)),
    scrubbed[2],
    scrubbed[1],
    transform(span.kind, [1, 2, 3, 4, 5], ['Internal', 'Server', 'Client', 'Producer', 'Consumer'], 'Unspecified'),
    resource['service.name'],
    resource,
    scope.name,
    scope.version,
    CAST((keys, values), 'Map(LowCardinality(String), String)'),
    span.end_time_unix_nano - least(span.start_time_unix_nano, span.end_time_unix_nano),
    transform(span.status.code, [1, 2], ['Ok', 'Error'], 'Unset'),
    scrubbed[3],
    arrayMap(at -> fromUnixTimestamp64Nano(toInt64(at)), span.events.time_unix_nano),
    arrayMap(note -> note.1, arraySlice(notes, 1, length(span.events))),
    arrayMap(note -> note.2, arraySlice(notes, 1, length(span.events))),
    arrayMap(id -> lower(hex(id)), span.links.trace_id),
    arrayMap(id -> lower(hex(id)), span.links.span_id),
    arrayMap(note -> note.1, arraySlice(notes, 1 + length(span.events))),
    arrayMap(note -> note.2, arraySlice(notes, 1 + length(span.events))),
    CAST((
        arrayFilter((key, tag) -> tag NOT IN (0, 10), keys, tags),
        CAST(arrayMap(tag -> transform(tag, [16, 24, 33, 42, 50, 58], ['bool', 'int', 'double', 'array', 'map', 'bytes'], ''), arrayFilter(tag -> tag NOT IN (0, 10), tags)), 'Array(LowCardinality(String))')
    ), 'Map(LowCardinality(String), LowCardinality(String))'),
    $order_id,
    $order_id_by,
    $order_status,
    $message_id,
    {inserted_at:DateTime64(3)}
FROM
(
    SELECT
        *,
        arrayFilter((key, code) -> code != 255, names, codes) AS keys,
        arrayFilter((tag, code) -> code != 255, arrayMap(raw -> ascii(raw), span.attributes.value), codes) AS tags,
        arraySlice(scrubbed, 4) AS texts,
        arrayFilter((text, code) -> code != 255, texts, codes) AS values,
        arrayFilter((text, code) -> code NOT IN (0, 255), texts, codes) AS found,
        arrayFilter(code -> code NOT IN (0, 255), codes) AS found_codes
    FROM
    (
        SELECT *, if(arrayMap(value -> $suspects, [arrayStringConcat(said, '\n')])[1], $scrub_said, said) AS scrubbed
        FROM
        (
            SELECT
                resource,
                scope,
                span,
                CAST(span.attributes.key, 'Array(LowCardinality(String))') AS names,
                arrayMap(key -> if($drops, 255, $codes), names) AS codes,
                arrayConcat([span.name, span.trace_state, span.status.message], arrayMap(raw -> $decoded, span.attributes.value)) AS said,
                arrayMap(
                    (name, attributes) -> arrayMap(
                        (said, kept) -> (said[1], CAST((kept.key, arraySlice(said, 2)), 'Map(LowCardinality(String), String)')),
                        [arrayMap(said -> $scrub_said, [arrayConcat([name], arrayMap(raw -> $decoded, arrayFilter(attribute -> arrayMap(key -> NOT $drops, [attribute.key])[1], attributes).value))])[1]],
                        [arrayFilter(attribute -> arrayMap(key -> NOT $drops, [attribute.key])[1], attributes)]
                    )[1],
                    arrayConcat(span.events.name, span.links.trace_state),
                    arrayConcat(span.events.attributes, span.links.attributes)
                ) AS notes
            FROM
            (
                SELECT resource, scope_spans.scope AS scope, arrayJoin(scope_spans.spans) AS span
                FROM
                (
                    SELECT
                        CAST((arrayFilter(key -> NOT $drops, said_keys), arrayFilter((text, key) -> NOT $drops, $scrub_said, said_keys)), 'Map(LowCardinality(String), String)') AS resource,
                        arrayJoin(scope_spans) AS scope_spans
                    FROM
                    (
                        SELECT
                            resource_spans.resource.attributes.key AS said_keys,
                            arrayMap(raw -> $decoded, resource_spans.resource.attributes.value) AS said,
                            resource_spans.scope_spans AS scope_spans
                        FROM (SELECT arrayJoin(resource_spans) AS resource_spans FROM file({file:String}, 'Protobuf', {structure:String}))
                    )
                )
            )
            WHERE length(span.trace_id) = 16 AND span.trace_id != unhex('00000000000000000000000000000000')
                AND length(span.span_id) = 8 AND span.span_id != unhex('0000000000000000')
                AND span.start_time_unix_nano BETWEEN {earliest:UInt64} AND {latest:UInt64}
        )
    )
)
SETTINGS format_schema_source = 'string', format_schema = {proto:String}, format_schema_message_name = 'Request', max_threads = 1,
    insert_deduplication_token = {token:String}, max_insert_block_size = 1000000, query_plan_enable_optimizations = 0
