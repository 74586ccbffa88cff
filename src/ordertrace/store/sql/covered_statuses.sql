-- Since when published messages are seen, and the statuses that they have carried in the last 30 days. No parameters.
SELECT min(at), groupUniqArrayIf(1000)(CAST(status, 'String'), status != '')
FROM message_events
WHERE kind = 'published' AND at >= now64(6) - toIntervalDay(30)
