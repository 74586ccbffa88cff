-- Incidents: all that are not resolved, and of the resolved ones those that ended at `since` or later; newest first.
-- id ('' = any), since, limit
SELECT
    id, kind, system, facts, state, began_at, detected_at, last_at, acknowledged_at, acknowledged_by, resolved_at,
    resolved_by, orders, affected, messages, times
FROM incidents FINAL
WHERE ({id:String} = '' OR id = {id:String})
    AND (state != 'resolved' OR resolved_at >= {since:DateTime64(6)})
ORDER BY state = 'resolved', began_at DESC, id
LIMIT {limit:UInt32}
