-- To which exchanges the messages that are stored were published.
-- limit
SELECT DISTINCT broker, if(mapContains(found, 'exchange'), found['exchange'], CAST(exchange, 'String')) AS exchange
FROM message_events
WHERE kind IN ('published', 'delivered', 'redelivered', 'dead_lettered')
LIMIT {limit:UInt32}
