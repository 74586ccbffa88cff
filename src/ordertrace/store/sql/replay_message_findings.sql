-- What is held against messages speaks of the orders that their steps name now; what was found since is newer.
-- No parameters.
INSERT INTO message_findings
SELECT
    broker, key, queue, said.order_id, verdict, confidence, evidence, since, detected_at, cleared_at,
    finding.inserted_at + toIntervalMicrosecond(1)
FROM (SELECT * FROM message_findings FINAL) AS finding
INNER JOIN
(
    SELECT broker, key, max(message_events.order_id) AS order_id
    FROM message_events FINAL
    WHERE key IN (SELECT key FROM message_findings)
    GROUP BY broker, key
) AS said ON said.broker = finding.broker AND said.key = finding.key
WHERE finding.order_id != said.order_id
