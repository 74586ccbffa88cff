-- Names spans by the id of the message that they sent or received: spans of just inserted groups that say no order by
-- messages seen before, and spans that wait by just watched messages.
-- groups: times of insertion of groups of spans; messages: of batches of messages; stamp: of the names
INSERT INTO span_orders (trace_id, span_id, order_id, joined_by, inserted_at)
WITH
    fresh AS
    (
        SELECT DISTINCT message_id FROM message_events
        WHERE inserted_at IN ({messages:Array(DateTime64(3))}) AND message_id != '' AND order_id != ''
    ),
    spans AS
    (
        SELECT TraceId AS trace_id, SpanId AS span_id, MessageId AS message_id
        FROM otel_traces
        WHERE inserted_at IN ({groups:Array(DateTime64(3))}) AND MessageId != '' AND OrderId = ''
        UNION ALL
        SELECT trace_id, span_id, message_id FROM waiting_events WHERE message_id IN (SELECT message_id FROM fresh)
    ),
    messages AS
    (
        SELECT message_id, min(message_events.order_id) AS order_id
        FROM message_events
        WHERE message_id IN (SELECT message_id FROM spans) AND message_events.order_id != ''
        GROUP BY message_id
        HAVING min(message_events.order_id) = max(message_events.order_id)
    )
SELECT DISTINCT trace_id, span_id, messages.order_id, 'message', {stamp:DateTime64(3)}
FROM spans INNER JOIN messages USING (message_id)
