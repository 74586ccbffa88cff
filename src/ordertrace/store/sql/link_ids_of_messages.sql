-- Remembers the ids that just watched messages bear and refer to. A message without an id bears its key.
-- messages: times of insertion of batches of messages; stamp: of these rows
INSERT INTO message_ids (id, role, broker, key, trace_id, span_id, order_id, inserted_at)
SELECT DISTINCT entry.1 AS found, entry.2, broker, key, trace_id, span_id, order_id, {stamp:DateTime64(3)}
FROM
(
    SELECT
        arrayJoin([(if(message_id != '', message_id, key), 'own'), (correlation_id, 'correlation')]) AS entry,
        broker, key, trace_id, span_id, order_id
    FROM message_events
    WHERE inserted_at IN ({messages:Array(DateTime64(3))}) AND kind IN ('published', 'delivered', 'redelivered', 'dead_lettered')
)
WHERE found != ''
