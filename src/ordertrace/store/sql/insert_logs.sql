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
    LogAttributeTypes, ObservedTimestamp, OrderId, OrderIdBy, OrderStatus, inserted_at
)
WITH
    requests AS (SELECT arrayJoin(resource_logs) AS resource_logs FROM file({file:String}, 'Protobuf', {structure:String})),
    resources AS
    (
        SELECT
            arrayFilter(attribute -> arrayMap(key -> NOT $drops, [attribute.key])[1], resource_logs.resource.attributes) AS kept,
            arrayMap(raw -> $decoded, kept.value) AS said,
            CAST((kept.key, $scrub_said), 'Map(LowCardinality(String), String)') AS resource,
            resource_logs.schema_url AS resource_schema,
            resource_logs.scope_logs AS scope_logs
        FROM requests
    ),
    scopes AS (SELECT resource, resource_schema, arrayJoin(scope_logs) AS scope_logs FROM resources),
    described AS
    (
        SELECT
            resource,
            resource_schema,
            scope_logs.schema_url AS scope_schema,
            scope_logs.scope.name AS scope_name,
            scope_logs.scope.version AS scope_version,
            arrayFilter(attribute -> arrayMap(key -> NOT $drops, [attribute.key])[1], scope_logs.scope.attributes) AS kept,
            arrayMap(raw -> $decoded, kept.value) AS said,
            CAST((kept.key, $scrub_said), 'Map(LowCardinality(String), String)') AS scope,
            scope_logs.log_records AS log_records
        FROM scopes
    ),
    records AS
    (
        SELECT resource, resource_schema, scope_schema, scope_name, scope_version, scope, arrayJoin(log_records) AS record
        FROM described
    ),
    -- everything that is said in a record: its body, its severity and the name of its event first
    parts AS
    (
        SELECT
            resource, resource_schema, scope_schema, scope_name, scope_version, scope, record,
            CAST(record.attributes.key, 'Array(LowCardinality(String))') AS names,
            arrayMap(key -> if($drops, 255, $codes), names) AS codes,
            arrayConcat(
                arrayMap(raw -> $decoded, arrayConcat([record.body], record.attributes.value)),
                [record.severity_text, record.event_name]
            ) AS said
        FROM records
    ),
    scrubbed AS
    (
        SELECT
            resource, resource_schema, scope_schema, scope_name, scope_version, scope, record, names, codes,
            if(arrayMap(value -> $suspects, [arrayStringConcat(said, '\n')])[1], $scrub_said, said) AS texts
        FROM parts
    ),
    kept AS
    (
        SELECT
            resource, resource_schema, scope_schema, scope_name, scope_version, scope, record,
            texts[1] AS body,
            arraySlice(texts, 2, length(names)) AS own,
            texts[-2] AS severity,
            texts[-1] AS event,
            arrayFilter((key, code) -> code != 255, names, codes) AS keys,
            arrayFilter((tag, code) -> code != 255, arrayMap(raw -> ascii(raw), record.attributes.value), codes) AS tags,
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
    if(record.body = '', 'none', transform(ascii(record.body), $types, '')),
    CAST((
        arrayFilter((key, tag) -> tag NOT IN (0, 10), keys, tags),
        arrayMap(tag -> transform(tag, $types, ''), arrayFilter(tag -> tag NOT IN (0, 10), tags))
    ), 'Map(LowCardinality(String), LowCardinality(String))'),
    fromUnixTimestamp64Nano(toInt64(observed)),
    order_ids[rule],
    $order_sources[rule],
    upper(arrayFirst(status -> status != '', order_statuses)),
    now
FROM kept
SETTINGS format_schema = {schema:String}, max_threads = 1, insert_deduplication_token = {token:String},
    deduplicate_blocks_in_dependent_materialized_views = 1, max_block_size = {block:UInt64}, max_insert_block_size = 1000000, query_plan_enable_optimizations = 0
