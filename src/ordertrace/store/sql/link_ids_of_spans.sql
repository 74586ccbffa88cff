-- Remembers the ids of messages that spans of just inserted groups sent or received, and of their conversations.
-- groups: times of insertion of groups of spans; stamp: of these rows
INSERT INTO message_ids (id, role, broker, key, trace_id, span_id, order_id, inserted_at)
SELECT DISTINCT entry.1 AS found, entry.2, '', '', TraceId, SpanId, OrderId, {stamp:DateTime64(3)}
FROM
(
    SELECT
        arrayJoin([(MessageId, 'own'), (SpanAttributes['messaging.message.conversation_id'], 'correlation')]) AS entry,
        TraceId, SpanId, OrderId
    FROM otel_traces
    WHERE inserted_at IN ({groups:Array(DateTime64(3))})
        AND (MessageId != '' OR (SpanKind IN ('Producer', 'Consumer') AND has(SpanAttributes.keys, 'messaging.message.conversation_id')))
)
WHERE found != ''
