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
    Links.TraceId, Links.SpanId, Links.TraceState, Links.Attributes, SpanAttributeTypes, Flags, DroppedAttributesCount,
    DroppedEventsCount, DroppedLinksCount, Events.Details, Links.Details, SourceDetails, OrderId, OrderIdBy, OrderStatus,
    MessageId, inserted_at
)
WITH
    requests AS (SELECT arrayJoin(resource_spans) AS resource_spans FROM file({file:String}, 'Protobuf', {structure:String})),
    scopes AS
    (
        SELECT resource_spans.resource AS resource, resource_spans.schema_url AS schema_url, arrayJoin(resource_spans.scope_spans) AS scope_spans
        FROM requests
    ),
    -- the attributes of a resource and those of a scope, as two lists
    kept_of AS
    (
        SELECT
            arrayMap(
                list -> arrayFilter(attribute -> arrayMap(key -> NOT $drops, [attribute.key])[1], list),
                [resource.attributes, scope_spans.scope.attributes]
            ) AS lists,
            resource.dropped_attributes_count AS dropped,
            schema_url,
            scope_spans
        FROM scopes
    ),
    described AS
    (
        SELECT
            arrayMap(
                (keys, tags, said) -> (
                    CAST((keys, $scrub_said), 'Map(LowCardinality(String), String)'),
                    CAST((arrayFilter((key, tag) -> tag IN $kinds, keys, tags), arrayFilter(tag -> tag IN $kinds, tags)), 'Map(LowCardinality(String), $types)')
                ),
                arrayMap(list -> list.key, lists),
                arrayMap(list -> arrayMap(raw -> ascii(raw), list.value), lists),
                arrayMap(
                    list -> arrayMap((raw, tag, wide) -> $decoded, list.value, arrayMap(raw -> ascii(raw), list.value), arrayMap(raw -> $wide, list.value)),
                    lists
                )
            ) AS maps,
            dropped,
            schema_url,
            scope_spans
        FROM kept_of
    ),
    spans AS
    (
        SELECT
            maps[1].1 AS resource,
            scope_spans.scope.name AS scope,
            scope_spans.scope.version AS version,
            CAST(
                toJSONString(CAST(
                    (maps[1].2, dropped, schema_url, maps[2].1, maps[2].2, scope_spans.scope.dropped_attributes_count, scope_spans.schema_url),
                    'Tuple(resource_types Map(String, $types), resource_dropped UInt32, resource_schema String, scope Map(String, String), scope_types Map(String, $types), scope_dropped UInt32, scope_schema String)'
                )),
                'LowCardinality(String)'
            ) AS details,
            arrayJoin(scope_spans.spans) AS span
        FROM described
    ),
    -- all that is said in a span, as one flat list: its name, state and message, its own values, those of its events and
    -- links, their names
    parts AS
    (
        SELECT
            resource,
            scope,
            version,
            details,
            span,
            length(span.attributes) AS size,
            CAST(arrayConcat(span.attributes.key, arrayFlatten(span.events.attributes.key), arrayFlatten(span.links.attributes.key)), 'Array(LowCardinality(String))') AS names,
            arrayMap(key -> if($drops, 255, $codes), names) AS codes,
            arrayConcat(span.attributes.value, arrayFlatten(span.events.attributes.value), arrayFlatten(span.links.attributes.value)) AS raws,
            arrayMap(raw -> ascii(raw), raws) AS tags,
            arrayConcat(
                [span.name, span.trace_state, span.status.message],
                arrayMap((raw, tag, wide) -> $decoded, raws, tags, arrayMap(raw -> $wide, raws)),
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
            version,
            details,
            span,
            size,
            names,
            codes,
            tags,
            if(arrayMap(value -> $suspects, [arrayStringConcat(said, '\n')])[1], $scrub_said, said) AS texts
        FROM parts
    ),
    kept AS
    (
        SELECT
            resource,
            scope,
            version,
            details,
            span,
            texts,
            arraySlice(texts, 4, size) AS own,
            arraySlice(codes, 1, size) AS own_codes,
            arrayFilter((key, code) -> code != 255, arraySlice(names, 1, size), own_codes) AS keys,
            arrayFilter((tag, code) -> code != 255, arraySlice(tags, 1, size), own_codes) AS own_tags,
            arrayFilter((text, code) -> code != 255, own, own_codes) AS values,
            arrayFilter((text, code) -> code % 255 != 0, own, own_codes) AS found,
            arrayFilter(code -> code % 255 != 0, own_codes) AS found_codes,
            $order_ids AS order_ids,
            $order_statuses AS order_statuses,
            arrayFirstIndex(id -> id != '', order_ids) AS rule,
            -- events first, then links: how many attributes each has, and where its first one stands behind the span's own
            arrayMap(list -> length(list), arrayConcat(span.events.attributes.key, span.links.attributes.key)) AS sizes,
            arrayMap(
                (count, last, title, dropped, flags) -> arrayMap(
                    (keys, codes, texts, tags) -> (
                        title,
                        CAST((arrayFilter((key, code) -> code != 255, keys, codes), arrayFilter((text, code) -> code != 255, texts, codes)), 'Map(LowCardinality(String), String)'),
                        if(
                            dropped = 0 AND flags = 0 AND NOT arrayExists(tag -> tag IN $kinds, tags),
                            '',
                            toJSONString(CAST((
                                (
                                    arrayFilter((key, code, tag) -> code != 255 AND tag IN $kinds, keys, codes, tags),
                                    arrayFilter((tag, code) -> code != 255 AND tag IN $kinds, tags, codes)
                                ),
                                dropped,
                                flags
                            ), 'Tuple(types Map(String, $types), dropped UInt32, flags UInt32)'))
                        )
                    ),
                    [arraySlice(names, size + last - count + 1, count)],
                    [arraySlice(codes, size + last - count + 1, count)],
                    [arraySlice(texts, 3 + size + last - count + 1, count)],
                    [arraySlice(tags, size + last - count + 1, count)]
                )[1],
                sizes,
                arrayCumSum(sizes),
                arraySlice(texts, 4 + length(names)),
                arrayConcat(span.events.dropped_attributes_count, span.links.dropped_attributes_count),
                arrayConcat(arrayMap(event -> toUInt32(0), span.events.name), span.links.flags)
            ) AS notes
        FROM scrubbed
    )
SELECT
    fromUnixTimestamp64Nano(toInt64(span.start_time_unix_nano)),
    lower(hex(span.trace_id)),
    lower(hex(span.span_id)),
    lower(hex(span.parent_span_id)),
    texts[2],
    texts[1],
    transform(span.kind, [1, 2, 3, 4, 5], ['Internal', 'Server', 'Client', 'Producer', 'Consumer'], 'Unspecified'),
    resource['service.name'],
    resource,
    scope,
    version,
    CAST((keys, values), 'Map(LowCardinality(String), String)'),
    span.end_time_unix_nano - least(span.start_time_unix_nano, span.end_time_unix_nano),
    transform(span.status.code, [1, 2], ['Ok', 'Error'], 'Unset'),
    texts[3],
    arrayMap(at -> fromUnixTimestamp64Nano(toInt64(at)), span.events.time_unix_nano),
    arraySlice(notes, 1, length(span.events)).1,
    arraySlice(notes, 1, length(span.events)).2,
    arrayMap(id -> lower(hex(id)), span.links.trace_id),
    arrayMap(id -> lower(hex(id)), span.links.span_id),
    arraySlice(notes, 1 + length(span.events)).1,
    arraySlice(notes, 1 + length(span.events)).2,
    CAST((
        arrayFilter((key, tag) -> tag IN $kinds, keys, own_tags),
        arrayFilter(tag -> tag IN $kinds, own_tags)
    ), 'Map(LowCardinality(String), $types)'),
    span.flags,
    span.dropped_attributes_count,
    span.dropped_events_count,
    span.dropped_links_count,
    arraySlice(notes, 1, length(span.events)).3,
    arraySlice(notes, 1 + length(span.events)).3,
    details,
    order_ids[rule],
    $order_sources[rule],
    upper(arrayFirst(status -> status != '', order_statuses)),
    arrayFirst(id -> id != '', $message_ids),
    {inserted_at:DateTime64(3)}
FROM kept
SETTINGS format_schema = {schema:String}, max_threads = 1, insert_deduplication_token = {token:String},
    deduplicate_blocks_in_dependent_materialized_views = 1,
    max_block_size = {block:UInt64}, max_insert_block_size = 1000000, query_plan_enable_optimizations = 0
