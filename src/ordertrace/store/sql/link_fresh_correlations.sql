-- Whether any message or span that was seen just now refers to another message.
-- stamp: of the ids
SELECT count() FROM (SELECT 1 FROM message_ids WHERE inserted_at = {stamp:DateTime64(3)} AND role = 'correlation' LIMIT 1)
