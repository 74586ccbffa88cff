-- Every step of one message, in all its queues, earliest first.
-- key: the message's key
SELECT at, kind, queue, system, reason
FROM message_events FINAL
WHERE key = {key:String}
ORDER BY at, kind, queue
LIMIT 1000
