-- Lives of messages, newest first: one a message and queue, with its state and the verdict in force.
-- broker, queue, state, verdict: '' does not restrict; keys, orders: only these (empty: any); since: published or judged
-- since then; judged: only those with a verdict; cleared: also those whose verdict was cleared; limit, offset; each: so
-- many of one order where orders are asked for; telling: of those, rather the ones that say a status or have a verdict
WITH
    (
        SELECT groupArray((broker, start, if(until = toDateTime64(0, 6), toDateTime64('2200-01-01', 6), until)))
        FROM watch_gaps FINAL
    ) AS gaps,
    asked AS
    (
        SELECT key FROM message_findings WHERE {judged:Bool} AND ({verdict:String} = '' OR verdict = {verdict:String}) AND since >= {since:DateTime64(6)}
        UNION ALL
        SELECT arrayJoin({keys:Array(String)})
        UNION ALL
        SELECT key FROM message_events WHERE order_id IN ({orders:Array(String)})
        UNION ALL
        SELECT key FROM message_orders WHERE order_id IN ({orders:Array(String)})
        UNION ALL
        SELECT key FROM message_events
        WHERE NOT {judged:Bool} AND empty({keys:Array(String)}) AND empty({orders:Array(String)})
            AND at >= {since:DateTime64(6)} AND kind IN ('published', 'delivered') AND ({queue:String} = '' OR queue = {queue:String})
    )
SELECT
    life.broker, life.key, message_id, exchange, routing_key, life.queue,
    multiIf(said_order != '', said_order, joined.order_id != '', joined.order_id, finding.order_id) AS order_id,
    status, published_at, delivered_at, settled_at, publisher, consumer, redeliveries,
    multiIf(
        verdict IN ('unacked', 'redelivery_loop'), 'delivered',
        verdict = 'stuck_in_queue', 'queued',
        verdict != '', 'lost',
        settled_at > 0 OR dead > 0, 'settled',
        delivered_at > 0, 'delivered',
        unseen > 0 OR arrayExists(gap -> gap.1 = life.broker AND gap.3 > fromUnixTimestamp64Micro(published_at), gaps), 'unseen',
        life.queue != '', 'queued',
        'published') AS state,
    if(finding.cleared = 0, finding.said, '') AS verdict,
    finding.confidence, toUnixTimestamp64Micro(finding.since), toUnixTimestamp64Micro(finding.detected_at),
    finding.cleared, finding.evidence, trace_id, span_id, finding.said AS said
FROM
(
    SELECT
        broker, key, queue,
        anyIf(message_events.message_id, message_events.message_id != '') AS message_id,
        argMinIf(message_events.exchange, at, kind IN ('published', 'dead_lettered')) AS exchange_sent,
        if(exchange_sent != '' OR published_at > 0, exchange_sent, any(message_events.exchange)) AS exchange,
        argMin(message_events.routing_key, (kind NOT IN ('published', 'dead_lettered'), at)) AS routing_key,
        anyIf(message_events.order_id, message_events.order_id != '') AS said_order,
        anyIf(message_events.status, message_events.status != '') AS status,
        toUnixTimestamp64Micro(minIf(at, kind = 'published')) AS published_at,
        toUnixTimestamp64Micro(minIf(at, kind IN ('delivered', 'redelivered'))) AS delivered_at,
        toUnixTimestamp64Micro(minIf(at, kind = 'settled')) AS settled_at,
        anyIf(system, kind = 'published') AS publisher,
        argMaxIf(system, at, kind IN ('delivered', 'redelivered')) AS consumer,
        countIf(kind = 'redelivered') AS redeliveries,
        countIf(kind = 'dead_lettered') AS dead,
        countIf(kind = 'unseen') AS unseen,
        anyIf(message_events.trace_id, message_events.trace_id != '') AS trace_id,
        anyIf(message_events.span_id, message_events.span_id != '') AS span_id,
        max(at) AS last_at
    FROM message_events FINAL
    WHERE key IN (SELECT key FROM asked)
    AND ({broker:String} = '' OR broker = {broker:String}) AND ({queue:String} = '' OR queue = {queue:String})
    GROUP BY broker, key, queue
) AS life
LEFT JOIN
(
    SELECT
        broker, key, queue, order_id, verdict AS said, confidence, evidence, since, detected_at,
        toUnixTimestamp64Micro(cleared_at) AS cleared
    FROM message_findings FINAL
) AS finding ON finding.broker = life.broker AND finding.key = life.key AND finding.queue = life.queue
LEFT JOIN (SELECT broker, key, any(message_orders.order_id) AS order_id FROM message_orders WHERE key IN (SELECT key FROM asked) GROUP BY broker, key) AS joined
    ON joined.broker = life.broker AND joined.key = life.key
WHERE ({state:String} = '' OR state = {state:String})
    AND ({verdict:String} = '' OR verdict = {verdict:String} OR ({cleared:Bool} AND said = {verdict:String}))
    AND (NOT {judged:Bool} OR verdict != '' OR {cleared:Bool})
ORDER BY {telling:Bool} AND (status != '' OR verdict != '') DESC, if(published_at > 0, published_at, toUnixTimestamp64Micro(last_at)) DESC, life.broker, life.key, life.queue
LIMIT {each:UInt32} BY if(empty({orders:Array(String)}), concat(life.broker, '/', life.key, '/', life.queue), order_id)
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
