-- Turns a group of OTLP log requests into rows, with the privacy rules inside; built as insert_spans.sql is.
-- A record without a time that can be true gets the one at which it was observed, or else that of its group.
-- file: the path of the requests, each behind its length; structure, schema: what is in it; token: the group's name, under
-- which a repetition is no insert; inserted_at: the group's time; block: requests to work on at once; earliest, latest: times that can be true, in ns since 1970
-- $…: expressions made from the settings by log_writer.py: decoded (of `raw`), types, drops (of `key`), suspects (of `value`),
-- scrub_said (of the array `said`), codes (of `key`), and arrays of what each rule finds (in `body`; in `found`, by `found_codes`)
INSERT INTO otel_logs
(
    Timestamp, TraceId, SpanId, TraceFlags, SeverityText, SeverityNumber, ServiceName, Body, ResourceSchemaUrl,
    ResourceAttributes, ScopeSchemaUrl, ScopeName, ScopeVersion, ScopeAttributes, LogAttributes, EventName, BodyType,
    LogAttributeTypes, DroppedAttributesCount, SourceDetails, ObservedTimestamp, OrderId, OrderIdBy, OrderStatus, inserted_at
)
WITH
    requests AS (SELECT arrayJoin(resource_logs) AS resource_logs FROM file({file:String}, 'Protobuf', {structure:String})),
    scopes AS
    (
        SELECT resource_logs.resource AS resource, resource_logs.schema_url AS schema_url, arrayJoin(resource_logs.scope_logs) AS scope_logs
        FROM requests
    ),
    -- the attributes of a resource and those of a scope, as two lists
    kept_of AS
    (
        SELECT
            arrayMap(
                list -> arrayFilter(attribute -> arrayMap(key -> NOT $drops, [attribute.key])[1], list),
                [resource.attributes, scope_logs.scope.attributes]
            ) AS lists,
            resource.dropped_attributes_count AS dropped,
            schema_url,
            scope_logs
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
            scope_logs
        FROM kept_of
    ),
    records AS
    (
        SELECT
            maps[1].1 AS resource,
            schema_url AS resource_schema,
            scope_logs.schema_url AS scope_schema,
            scope_logs.scope.name AS scope_name,
            scope_logs.scope.version AS scope_version,
            maps[2].1 AS scope,
            CAST(
                toJSONString(CAST(
                    (maps[1].2, dropped, maps[2].2, scope_logs.scope.dropped_attributes_count),
                    'Tuple(resource_types Map(String, $types), resource_dropped UInt32, scope_types Map(String, $types), scope_dropped UInt32)'
                )),
                'LowCardinality(String)'
            ) AS details,
            arrayJoin(scope_logs.log_records) AS record
        FROM described
    ),
    -- everything that is said in a record: its body, its severity and the name of its event first
    parts AS
    (
        SELECT
            resource, resource_schema, scope_schema, scope_name, scope_version, scope, details, record,
            CAST(record.attributes.key, 'Array(LowCardinality(String))') AS names,
            arrayMap(key -> if($drops, 255, $codes), names) AS codes,
            arrayConcat([record.body], record.attributes.value) AS raws,
            arrayMap(raw -> ascii(raw), raws) AS tags,
            arrayConcat(
                arrayMap((raw, tag, wide) -> $decoded, raws, tags, arrayMap(raw -> $wide, raws)),
                [record.severity_text, record.event_name]
            ) AS said
        FROM records
    ),
    scrubbed AS
    (
        SELECT
            resource, resource_schema, scope_schema, scope_name, scope_version, scope, details, record, names, codes, tags,
            if(arrayMap(value -> $suspects, [arrayStringConcat(said, '\n')])[1], $scrub_said, said) AS texts
        FROM parts
    ),
    kept AS
    (
        SELECT
            resource, resource_schema, scope_schema, scope_name, scope_version, scope, details, record,
            texts[1] AS body,
            arraySlice(texts, 2, length(names)) AS own,
            texts[-2] AS severity,
            texts[-1] AS event,
            arrayFilter((key, code) -> code != 255, names, codes) AS keys,
            tags[1] AS body_tag,
            arrayFilter((tag, code) -> code != 255, arraySlice(tags, 2), codes) AS own_tags,
            arrayFilter((text, code) -> code != 255, own, codes) AS values,
            arrayFilter((text, code) -> code NOT IN (0, 255), own, codes) AS found,
            arrayFilter(code -> code NOT IN (0, 255), codes) AS found_codes,
            $order_ids AS order_ids,
            $order_statuses AS order_statuses,
            arrayFirstIndex(id -> id != '', order_ids) AS rule,
            {inserted_at:DateTime64(3)} AS now,
            if(record.observed_time_unix_nano BETWEEN {earliest:UInt64} AND {latest:UInt64}, record.observed_time_unix_nano, toUInt64(toUnixTimestamp64Milli(now)) * 1000000) AS observed,
            if(record.time_unix_nano BETWEEN {earliest:UInt64} AND {latest:UInt64}, record.time_unix_nano, observed) AS at
        FROM scrubbed
    )
SELECT
    fromUnixTimestamp64Nano(toInt64(at)),
    if(length(record.trace_id) = 16 AND record.trace_id != unhex('00000000000000000000000000000000'), lower(hex(record.trace_id)), ''),
    if(length(record.span_id) = 8 AND record.span_id != unhex('0000000000000000'), lower(hex(record.span_id)), ''),
    bitAnd(record.flags, 255),
    severity,
    if(record.severity_number BETWEEN 0 AND 24, record.severity_number, 0),
    resource['service.name'],
    body,
    resource_schema,
    resource,
    scope_schema,
    scope_name,
    scope_version,
    scope,
    CAST((keys, values), 'Map(LowCardinality(String), String)'),
    event,
    transform(body_tag, [0, 16, 24, 33, 42, 50, 58], ['none', 'bool', 'int', 'double', 'array', 'map', 'bytes'], ''),
    CAST((
        arrayFilter((key, tag) -> tag IN $kinds, keys, own_tags),
        arrayFilter(tag -> tag IN $kinds, own_tags)
    ), 'Map(LowCardinality(String), $types)'),
    record.dropped_attributes_count,
    details,
    fromUnixTimestamp64Nano(toInt64(observed)),
    order_ids[rule],
    $order_sources[rule],
    upper(arrayFirst(status -> status != '', order_statuses)),
    now
FROM kept
SETTINGS format_schema = {schema:String}, max_threads = 1, insert_deduplication_token = {token:String},
    deduplicate_blocks_in_dependent_materialized_views = 1, max_block_size = {block:UInt64}, max_insert_block_size = 1000000, query_plan_enable_optimizations = 0
