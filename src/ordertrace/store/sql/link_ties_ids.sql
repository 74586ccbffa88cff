-- Who holds these ids, and the ids of these holders: (id, broker, key, trace, span, order that it says). Of an id that is held by
-- more than it can tell about, so many.
-- ids; holders: traces and keys of messages; most: holders of an id; limit
SELECT id, broker, key, trace_id, span_id, max(order_id) FROM message_ids
WHERE id IN ({ids:Array(String)}) OR id IN (SELECT id FROM message_id_holders WHERE holder IN ({holders:Array(String)}))
GROUP BY id, broker, key, trace_id, span_id
ORDER BY id, min(inserted_at), broker, key, trace_id, span_id
LIMIT {most:UInt32} BY id
LIMIT {limit:UInt32}
