-- Turns a group of OTLP trace requests into rows, with the privacy rules inside. The requests lie one after another, each
-- behind its length, in a file in memory. Values are read as the bytes of AnyValue (see otlp_traces.proto) and worked out
-- here: one column of bytes is several times cheaper to read than a column for each kind of value. Every expression is
-- written once and bound by a lambda or a subquery: analysing it again costs more than running it.
-- file: its path; structure, schema: what is in it; token: the group's name, under which a repetition is no insert;
-- inserted_at: the group's time; block: requests to work on at once; earliest, latest: times of spans that can be true, in ns
-- since 1970
-- $…: expressions made from the settings by span_writer.py: decoded (of `raw`), types (first bytes and the kinds they tell),
-- drops (of `key`), suspects (of `value`),
-- scrub_said (of the array `said`), codes (of `key`), and arrays of what each rule finds (in `found`, by `found_codes`)
INSERT INTO otel_traces
(
    Timestamp, TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind, ServiceName, ResourceAttributes, ScopeName,
    ScopeVersion, SpanAttributes, Duration, StatusCode, StatusMessage, Events.Timestamp, Events.Name, Events.Attributes,
    Links.TraceId, Links.SpanId, Links.TraceState, Links.Attributes, SpanAttributeTypes, OrderId, OrderIdBy, OrderStatus,
    MessageId, inserted_at
)
WITH
    requests AS (SELECT arrayJoin(resource_spans) AS resource_spans FROM file({file:String}, 'Protobuf', {structure:String})),
    resources AS
    (
        SELECT
            arrayFilter(attribute -> arrayMap(key -> NOT $drops, [attribute.key])[1], resource_spans.resource.attributes) AS kept,
            arrayMap(raw -> $decoded, kept.value) AS said,
            CAST((kept.key, $scrub_said), 'Map(LowCardinality(String), String)') AS resource,
            resource_spans.scope_spans AS scope_spans
        FROM requests
    ),
    scopes AS (SELECT resource, arrayJoin(scope_spans) AS scope_spans FROM resources),
    spans AS (SELECT resource, scope_spans.scope AS scope, arrayJoin(scope_spans.spans) AS span FROM scopes),
    -- all that is said in a span, as one flat list: its name, state and message, its own values, those of its events and
    -- links, their names
    parts AS
    (
        SELECT
            resource,
            scope,
            span,
            length(span.attributes) AS size,
            CAST(arrayConcat(span.attributes.key, arrayFlatten(span.events.attributes.key), arrayFlatten(span.links.attributes.key)), 'Array(LowCardinality(String))') AS names,
            arrayMap(key -> if($drops, 255, $codes), names) AS codes,
            arrayConcat(
                [span.name, concat(span.trace_state, '\0', span.status.message)],
                arrayMap(raw -> $decoded, arrayConcat(span.attributes.value, arrayFlatten(span.events.attributes.value), arrayFlatten(span.links.attributes.value))),
                span.events.name,
                span.links.trace_state
            ) AS said
        FROM spans
        WHERE length(span.trace_id) = 16 AND span.trace_id != unhex('00000000000000000000000000000000')
            AND length(span.span_id) = 8 AND span.span_id != unhex('0000000000000000')
            AND span.start_time_unix_nano BETWEEN {earliest:UInt64} AND {latest:UInt64}
    ),
    scrubbed AS
    (
        SELECT
            resource,
            scope,
            span,
            size,
            names,
            codes,
            if(arrayMap(value -> $suspects, [arrayStringConcat(said, '\n')])[1], $scrub_said, said) AS texts
        FROM parts
    ),
    kept AS
    (
        SELECT
            resource,
            scope,
            span,
            texts,
            splitByChar('\0', texts[2], 2) AS state_and_message,
            arraySlice(texts, 3, size) AS own,
            arraySlice(codes, 1, size) AS own_codes,
            arrayFilter((key, code) -> code != 255, arraySlice(names, 1, size), own_codes) AS keys,
            arrayFilter((tag, code) -> code != 255, arrayMap(raw -> ascii(raw), span.attributes.value), own_codes) AS tags,
            arrayFilter((text, code) -> code != 255, own, own_codes) AS values,
            arrayFilter((text, code) -> code % 255 != 0, own, own_codes) AS found,
            arrayFilter(code -> code % 255 != 0, own_codes) AS found_codes,
            $order_ids AS order_ids,
            $order_statuses AS order_statuses,
            arrayFirstIndex(id -> id != '', order_ids) AS rule,
            -- events first, then links: how many attributes each has, and where its first one stands behind the span's own
            arrayMap(list -> length(list), arrayConcat(span.events.attributes.key, span.links.attributes.key)) AS sizes,
            arrayMap(
                (count, last, title) -> (
                    title,
                    CAST((
                        arrayFilter((key, code) -> code != 255, arraySlice(names, size + last - count + 1, count), arraySlice(codes, size + last - count + 1, count)),
                        arrayFilter((text, code) -> code != 255, arraySlice(texts, 2 + size + last - count + 1, count), arraySlice(codes, size + last - count + 1, count))
                    ), 'Map(LowCardinality(String), String)')
                ),
                sizes,
                arrayCumSum(sizes),
                arraySlice(texts, 3 + length(names))
            ) AS notes
        FROM scrubbed
    )
SELECT
    fromUnixTimestamp64Nano(toInt64(span.start_time_unix_nano)),
    lower(hex(span.trace_id)),
    lower(hex(span.span_id)),
    lower(hex(span.parent_span_id)),
    state_and_message[1],
    texts[1],
    transform(span.kind, [1, 2, 3, 4, 5], ['Internal', 'Server', 'Client', 'Producer', 'Consumer'], 'Unspecified'),
    resource['service.name'],
    resource,
    scope.name,
    scope.version,
    CAST((keys, values), 'Map(LowCardinality(String), String)'),
    span.end_time_unix_nano - least(span.start_time_unix_nano, span.end_time_unix_nano),
    transform(span.status.code, [1, 2], ['Ok', 'Error'], 'Unset'),
    state_and_message[2],
    arrayMap(at -> fromUnixTimestamp64Nano(toInt64(at)), span.events.time_unix_nano),
    arraySlice(notes, 1, length(span.events)).1,
    arraySlice(notes, 1, length(span.events)).2,
    arrayMap(id -> lower(hex(id)), span.links.trace_id),
    arrayMap(id -> lower(hex(id)), span.links.span_id),
    arraySlice(notes, 1 + length(span.events)).1,
    arraySlice(notes, 1 + length(span.events)).2,
    CAST((
        arrayFilter((key, tag) -> tag NOT IN (0, 10), keys, tags),
        arrayMap(tag -> transform(tag, $types, ''), arrayFilter(tag -> tag NOT IN (0, 10), tags))
    ), 'Map(LowCardinality(String), LowCardinality(String))'),
    order_ids[rule],
    $order_sources[rule],
    upper(arrayFirst(status -> status != '', order_statuses)),
    arrayFirst(id -> id != '', $message_ids),
    {inserted_at:DateTime64(3)}
FROM kept
SETTINGS format_schema = {schema:String}, max_threads = 1, insert_deduplication_token = {token:String},
    max_block_size = {block:UInt64}, max_insert_block_size = 1000000, query_plan_enable_optimizations = 0
