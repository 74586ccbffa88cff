-- What the watch saw of each system's messages since a moment: (system, messages, with an order, with an id, with a status).
-- since: time of insertion
SELECT system, count(), countIf(order_id != ''), countIf(message_id != ''), countIf(status != '')
FROM message_events
WHERE kind = 'published' AND inserted_at >= {since:DateTime64(3)}
GROUP BY system
