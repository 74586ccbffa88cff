-- Incidents that an order suffers from now. order_id
SELECT incident_id
FROM incident_subjects FINAL
WHERE subject = {order_id:String} AND ended_at IS NULL
