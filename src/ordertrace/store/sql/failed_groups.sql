-- Messages with a verdict in force, by broker, queue, verdict, routing key and the exception that their reader threw at them,
-- the newest first. since: struck since then
WITH
    struck AS
    (
        SELECT broker, key, queue, order_id, verdict, since
        FROM message_findings FINAL
        WHERE toUnixTimestamp64Micro(cleared_at) = 0 AND since >= {since:DateTime64(6)}
    ),
    errors AS
    (
        SELECT order_id, system, arrayJoin([message_id, trace_id]) AS reference, argMax(order_events.error_type, at) AS thrown
        FROM order_events
        WHERE order_events.error_type != '' AND order_id IN (SELECT order_id FROM struck WHERE order_id != '')
        GROUP BY order_id, system, reference
        HAVING reference != ''
    )
SELECT
    struck.broker, struck.queue, struck.verdict, count(), uniqExactIf(struck.order_id, struck.order_id != ''), min(since), max(since),
    arraySlice(groupUniqArrayIf(struck.order_id, struck.order_id != ''), 1, 20),
    message.routing_key AS key_sent,
    if(by_message.thrown != '', by_message.thrown, by_trace.thrown) AS error
FROM struck
LEFT JOIN
(
    SELECT
        broker, key, queue,
        argMin(message_events.routing_key, (kind NOT IN ('published', 'dead_lettered'), at)) AS routing_key,
        anyIf(message_events.message_id, message_events.message_id != '') AS message_id,
        anyIf(message_events.trace_id, message_events.trace_id != '') AS trace_id,
        argMaxIf(system, at, kind IN ('delivered', 'redelivered')) AS consumer
    FROM message_events
    WHERE key IN (SELECT key FROM struck)
    GROUP BY broker, key, queue
) AS message ON message.broker = struck.broker AND message.key = struck.key AND message.queue = struck.queue
LEFT JOIN errors AS by_message
    ON by_message.order_id = struck.order_id AND by_message.system = message.consumer AND by_message.reference = message.message_id
LEFT JOIN errors AS by_trace
    ON by_trace.order_id = struck.order_id AND by_trace.system = message.consumer AND by_trace.reference = message.trace_id
GROUP BY struck.broker, struck.queue, struck.verdict, key_sent, error
ORDER BY max(since) DESC
LIMIT 500
