-- Who suffers from these incidents now, longest first. ids, limit (an incident)
SELECT incident_id, subject, order_id, since, ended_at
FROM incident_subjects FINAL
WHERE incident_id IN {ids:Array(String)} AND ended_at IS NULL
ORDER BY incident_id, since, subject
LIMIT {limit:UInt32} BY incident_id
