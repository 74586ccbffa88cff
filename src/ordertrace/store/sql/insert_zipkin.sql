-- Turns a group of Zipkin v2 spans into rows of otel_traces, with the privacy rules inside. Tags become attributes, annotations
-- events; what OpenTelemetry's exporters put into tags and annotations (scope, status, attributes of events) is taken out again.
-- file: the path of the spans, JSON objects one after another; structure: what is in them; token: the group's name, under which
-- a repetition is no insert; inserted_at: the group's time; earliest, latest: times that can be true, in ns since 1970
-- $…: expressions made from the settings by zipkin_writer.py: drops (of `key`), suspects (of `value`), scrub_said (of the array
-- `said`), codes (of `key`), and arrays of what each rule finds (in `found`, by `found_codes`)
INSERT INTO otel_traces
(
    Timestamp, TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind, ServiceName, ResourceAttributes, ScopeName,
    ScopeVersion, SpanAttributes, Duration, StatusCode, StatusMessage, Events.Timestamp, Events.Name, Events.Attributes,
    Links.TraceId, Links.SpanId, Links.TraceState, Links.Attributes, SpanAttributeTypes, DroppedAttributesCount,
    DroppedEventsCount, DroppedLinksCount, Events.Details, Links.Details, OrderId, OrderIdBy, OrderStatus, MessageId, inserted_at
)
WITH
    tagged AS
    (
        SELECT
            *,
            [
                ('peer.service', remoteEndpoint.serviceName),
                ('network.peer.address', if(remoteEndpoint.ipv4 != '', remoteEndpoint.ipv4, remoteEndpoint.ipv6)),
                ('network.peer.port', if(remoteEndpoint.port = 0, '', toString(remoteEndpoint.port))),
                ('network.local.address', if(localEndpoint.ipv4 != '', localEndpoint.ipv4, localEndpoint.ipv6)),
                ('network.local.port', if(localEndpoint.port = 0, '', toString(localEndpoint.port))),
                ('zipkin.shared', if(shared, 'true', '')),
                ('zipkin.debug', if(debug, 'true', ''))
            ] AS endpoints,
            mapKeys(tags) AS tag_keys,
            arrayFilter(one -> one.2 != '' AND NOT has(tag_keys, one.1), endpoints) AS added,
            arrayFilter(
                key -> key NOT IN ('otel.scope.name', 'otel.scope.version', 'otel.library.name', 'otel.library.version', 'otel.status_code', 'otel.status_description', 'otel.dropped_attributes_count', 'otel.dropped_events_count', 'otel.dropped_links_count'),
                tag_keys
            ) AS own_keys,
            arrayConcat(own_keys, added.1) AS names,
            arrayConcat(arrayMap(key -> tags[key], own_keys), added.2) AS said_values,
            has(tag_keys, 'error') AND lower(tags['error']) != 'false' OR upper(tags['otel.status_code']) = 'ERROR' AS failed,
            if(failed, firstNonDefault(tags['otel.status_description'], if(tags['error'] = 'true', '', tags['error'])), '') AS message,
            -- "name":{attributes}, as the OpenTelemetry exporters write an event; that is not always JSON: a quote in it may stand bare
            arrayMap(one -> regexpExtract(one.value, '(?s)^"([^"]+)":\\{.*\\}$$', 1), annotations) AS event_names,
            arrayMap((one, event) -> if(event = '', '', substring(one.value, length(event) + 4)), annotations, event_names) AS event_contents,
            arrayMap(
                content -> multiIf(
                    content = '', [],
                    isValidJSON(content), arrayMap(
                        one -> (
                            one.1,
                            if(startsWith(one.2, '"'), JSONExtractString(one.2), if(one.2 = 'null', '', one.2)),
                            transform(toString(JSONType(one.2)), ['Null', 'Bool', 'Int64', 'UInt64', 'Double', 'Array', 'Object'], ['none', 'bool', 'int', 'int', 'double', 'array', 'map'], '')
                        ),
                        JSONExtractKeysAndValuesRaw(content)
                    ),
                    arrayFilter(
                        one -> one.2 != '',
                        [
                            ('exception.type', regexpExtract(content, '(?s)"exception\\.type":"(.*?)"(?:,"exception\\.[a-z]+":|\\}$$)', 1), ''),
                            ('exception.message', regexpExtract(content, '(?s)"exception\\.message":"(.*?)"(?:,"exception\\.[a-z]+":|\\}$$)', 1), ''),
                            ('exception.stacktrace', regexpExtract(content, '(?s)"exception\\.stacktrace":"(.*?)"(?:,"exception\\.[a-z]+":|\\}$$)', 1), '')
                        ]
                    )
                ),
                event_contents
            ) AS event_attributes
        FROM file({file:String}, 'JSONEachRow', {structure:String})
    ),
    -- everything that is said in a span: by itself first, then by its annotations
    parts AS
    (
        SELECT
            *,
            arrayMap(list -> CAST(list, 'Array(LowCardinality(String))'), arrayConcat([names], arrayMap(list -> list.1, event_attributes))) AS key_lists,
            arrayMap(list -> arrayMap(key -> if($drops, 255, $codes), list), key_lists) AS codes,
            arrayConcat(
                [arrayConcat([name, message, localEndpoint.serviceName], said_values)],
                arrayMap(
                    (one, event, list) -> arrayConcat([if(event = '', one.value, event)], list.2),
                    annotations, event_names, event_attributes
                )
            ) AS said_parts
        FROM tagged
    ),
    scrubbed AS
    (
        SELECT
            * EXCEPT (said_parts, names),
            if(
                arrayMap(value -> $suspects, [arrayStringConcat(arrayMap(said -> arrayStringConcat(said, '\n'), said_parts), '\n')])[1],
                arrayMap(said -> $scrub_said, said_parts),
                said_parts
            ) AS texts
        FROM parts
    ),
    kept AS
    (
        SELECT
            *,
            arraySlice(texts[1], 4) AS own,
            codes[1] AS own_codes,
            arrayFilter((key, code) -> code != 255, key_lists[1], own_codes) AS keys,
            arrayFilter((text, code) -> code != 255, own, own_codes) AS values,
            arrayFilter((text, code) -> code NOT IN (0, 255), own, own_codes) AS found,
            arrayFilter(code -> code NOT IN (0, 255), own_codes) AS found_codes,
            $order_ids AS order_ids,
            $order_statuses AS order_statuses,
            arrayFirstIndex(id -> id != '', order_ids) AS rule,
            arrayMap(
                (key, code, said, kinds) -> (
                    said[1],
                    CAST((arrayFilter((k, c) -> c != 255, key, code), arrayFilter((text, c) -> c != 255, arraySlice(said, 2), code)), 'Map(LowCardinality(String), String)'),
                    if(arrayAll(kind -> kind = '', kinds), '', toJSONString(CAST((
                        (
                            arrayFilter((k, c, kind) -> c != 255 AND kind != '', key, code, kinds),
                            arrayFilter((kind, c) -> c != 255 AND kind != '', kinds, code)
                        ),
                        0,
                        0
                    ), 'Tuple(types Map(String, String), dropped UInt32, flags UInt32)')))
                ),
                arraySlice(key_lists, 2),
                arraySlice(codes, 2),
                arraySlice(texts, 2),
                arrayMap(list -> list.3, event_attributes)
            ) AS notes,
            {inserted_at:DateTime64(3)} AS now,
            toUInt64(toUnixTimestamp64Milli(now)) * 1000 AS now_us,
            -- a span without a time has that of its first annotation, or else its group's
            multiIf(timestamp != 0, timestamp, notEmpty(annotations), arrayMin(one -> one.timestamp, annotations), now_us) AS began,
            if(began BETWEEN intDiv({earliest:UInt64}, 1000) AND intDiv({latest:UInt64}, 1000), began, now_us) AS at
        FROM scrubbed
    )
SELECT
    fromUnixTimestamp64Nano(toInt64(at * 1000)),
    leftPad(lower(traceId), 32, '0'),
    leftPad(lower(id), 16, '0'),
    if(parentId = '', '', leftPad(lower(parentId), 16, '0')),
    '',
    texts[1][1],
    transform(kind, ['SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'], ['Server', 'Client', 'Producer', 'Consumer'], 'Internal'),
    texts[1][3],
    CAST(if(texts[1][3] = '', map(), map('service.name', texts[1][3])), 'Map(LowCardinality(String), String)'),
    firstNonDefault(tags['otel.scope.name'], tags['otel.library.name']),
    firstNonDefault(tags['otel.scope.version'], tags['otel.library.version']),
    CAST((keys, values), 'Map(LowCardinality(String), String)'),
    least(duration, 9000000000000000) * 1000,
    multiIf(failed, 'Error', upper(tags['otel.status_code']) = 'OK', 'Ok', 'Unset'),
    texts[1][2],
    arrayMap(one -> fromUnixTimestamp64Nano(toInt64(least(one.timestamp, 9000000000000000) * 1000)), annotations),
    notes.1,
    notes.2,
    [],
    [],
    [],
    [],
    CAST((
        arrayFilter(key -> key IN ('zipkin.shared', 'zipkin.debug'), added.1),
        arrayMap(key -> 'bool', arrayFilter(key -> key IN ('zipkin.shared', 'zipkin.debug'), added.1))
    ), 'Map(LowCardinality(String), $types)'),
    toUInt32OrZero(tags['otel.dropped_attributes_count']),
    toUInt32OrZero(tags['otel.dropped_events_count']),
    toUInt32OrZero(tags['otel.dropped_links_count']),
    notes.3,
    [],
    order_ids[rule],
    $order_sources[rule],
    upper(arrayFirst(status -> status != '', order_statuses)),
    arrayFirst(id -> id != '', $message_ids),
    now
FROM kept
SETTINGS max_threads = 1, insert_deduplication_token = {token:String},
    deduplicate_blocks_in_dependent_materialized_views = 1, max_insert_block_size = 1000000,
    query_plan_enable_optimizations = 0, input_format_parallel_parsing = 0, input_format_skip_unknown_fields = 1,
    input_format_null_as_default = 1, input_format_json_read_numbers_as_strings = 1, input_format_json_read_bools_as_strings = 1,
    input_format_json_ignore_unknown_keys_in_named_tuple = 1
