-- The newest lines of the histories of these incidents, oldest first. ids, limit (an incident)
SELECT incident_id, at, kind, by, text
FROM
(
    SELECT incident_id, at, kind, by, text
    FROM incident_entries
    WHERE incident_id IN {ids:Array(String)}
    ORDER BY incident_id, at DESC
    LIMIT {limit:UInt32} BY incident_id
)
ORDER BY incident_id, at
