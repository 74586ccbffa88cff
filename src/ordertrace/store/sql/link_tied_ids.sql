-- Ids that messages refer to, and of which, or of whose holders, something new is known.
-- groups: times of insertion of groups of spans and log records, and of names and ids; limit
WITH
    fresh AS
    (
        SELECT id FROM message_ids WHERE inserted_at IN ({groups:Array(DateTime64(3))})
        UNION DISTINCT
        SELECT id FROM message_id_holders
        WHERE holder IN (SELECT trace_id FROM trace_orders WHERE inserted_at IN ({groups:Array(DateTime64(3))}))
    ),
    beside AS
    (
        SELECT id FROM message_id_holders
        WHERE holder IN (SELECT arrayJoin([key, trace_id]) FROM message_ids WHERE id IN (SELECT id FROM fresh)) AND holder != ''
    )
SELECT DISTINCT id FROM message_ids
WHERE role = 'correlation' AND (id IN (SELECT id FROM fresh) OR id IN (SELECT id FROM beside))
LIMIT {limit:UInt32}
