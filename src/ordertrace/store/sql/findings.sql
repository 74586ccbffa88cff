-- What the sweep has found and not cleared. No parameters.
SELECT order_id, state, kind, system, since, confidence, evidence, facts, detected_at
FROM findings FINAL
WHERE state != ''
