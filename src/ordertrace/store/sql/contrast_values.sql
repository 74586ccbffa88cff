-- Which values of attributes two sets of orders have, and how many orders of either: attributes of their facts, and of the
-- spans and resources of their traces. A trace that several orders share gives each only the spans that are facts of it alone.
-- troubled, finished: order ids; services, systems: service names and the systems they belong to; passed_over: pattern of
-- keys that tell one span, thread or person from another, own_keys: further keys to leave out; troubled_all, finished_all:
-- sizes of the sets; support: orders in trouble that must have a value; limit
WITH
    facts AS
    (
        SELECT order_id, at, system, kind, name, trace_id, span_id, queue, destination, peer, response_code, error_type
        FROM order_events FINAL
        WHERE (order_id IN {troubled:Array(String)} OR order_id IN {finished:Array(String)}) AND joined_by != 'withdrawn'
    ),
    alone AS
    (
        SELECT trace_id, any(trace_orders.order_id) AS order_id
        FROM trace_orders
        WHERE trace_id IN (SELECT trace_id FROM facts WHERE trace_id != '')
        GROUP BY trace_id
        HAVING min(trace_orders.order_id) = max(trace_orders.order_id)
    ),
    spans AS
    (
        SELECT
            TraceId AS trace_id,
            SpanId AS span_id,
            transform(CAST(ServiceName, 'String'), {services:Array(String)}, {systems:Array(String)}, CAST(ServiceName, 'String')) AS system,
            arrayZip(
                arrayConcat(SpanAttributes.keys, ResourceAttributes.keys),
                arrayConcat(SpanAttributes.values, ResourceAttributes.values)) AS pairs
        FROM otel_traces
        WHERE (inserted_at, TraceId) IN (SELECT inserted_at, trace_id FROM trace_groups WHERE trace_id IN (SELECT trace_id FROM facts WHERE trace_id != ''))
    ),
    said AS
    (
        SELECT order_id, CAST(system, 'String') AS system, arrayJoin([
            ('queue', CAST(queue, 'String')), ('destination', CAST(destination, 'String')), ('peer', CAST(peer, 'String')),
            ('response code', CAST(response_code, 'String')), ('error', CAST(error_type, 'String')),
            ('operation', if(kind IN ('log', 'status'), '', CAST(name, 'String')))]) AS pair
        FROM facts
        UNION ALL
        SELECT if(alone.order_id != '', alone.order_id, named.order_id) AS order_id, spans.system AS system, arrayJoin(pairs) AS pair
        FROM spans
        LEFT JOIN alone ON alone.trace_id = spans.trace_id
        LEFT JOIN
        (
            SELECT trace_id, span_id, any(order_id) AS order_id
            FROM facts
            WHERE span_id != ''
            GROUP BY trace_id, span_id
            HAVING min(facts.order_id) = max(facts.order_id)
        ) AS named ON named.trace_id = spans.trace_id AND named.span_id = spans.span_id
        WHERE order_id != ''
    )
SELECT
    system,
    CAST(pair.1, 'String') AS key,
    CAST(pair.2, 'String') AS value,
    uniqExactIf(order_id, order_id IN {troubled:Array(String)}) AS troubled_orders,
    uniqExactIf(order_id, order_id IN {finished:Array(String)}) AS finished_orders,
    arraySort(groupUniqArrayIf(5)(order_id, order_id IN {troubled:Array(String)})) AS examples,
    count() OVER () AS tried
FROM said
WHERE pair.2 != '' AND lengthUTF8(pair.2) <= 200 AND NOT match(key, {passed_over:String}) AND key NOT IN {own_keys:Array(String)}
GROUP BY system, key, value
HAVING troubled_orders >= {support:UInt32}
ORDER BY troubled_orders / {troubled_all:UInt32} - finished_orders / {finished_all:UInt32} DESC, system, key, value
LIMIT {limit:UInt32}
