-- Keys of messages with this key or message id.
-- id: key or message id
SELECT DISTINCT key FROM message_events WHERE key = {id:String} OR message_id = {id:String} LIMIT 100
