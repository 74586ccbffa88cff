-- Names spans that say no order by the id of the message that they sent or received, where either was seen just now.
-- stamp: of the ids, and of the names
INSERT INTO span_orders (trace_id, span_id, order_id, joined_by, inserted_at)
WITH
    held AS
    (
        SELECT id, key, trace_id, span_id, order_id FROM message_ids
        WHERE role = 'own' AND id IN (SELECT id FROM message_ids WHERE inserted_at = {stamp:DateTime64(3)} AND role = 'own')
    ),
    messages AS
    (
        SELECT id, min(held.order_id) AS order_id
        FROM held
        WHERE key != '' AND held.order_id != ''
        GROUP BY id
        HAVING min(held.order_id) = max(held.order_id)
    )
SELECT DISTINCT held.trace_id, held.span_id, messages.order_id, 'message', {stamp:DateTime64(3)}
FROM held INNER JOIN messages ON messages.id = held.id
WHERE held.key = '' AND held.order_id = ''
