-- What the id of a message named spans for, although several orders have that id by now: (trace, span, order, how). The context
-- that another message carries is no reason to doubt.
-- stamp: of the ids
WITH
    contested AS
    (
        SELECT id FROM message_ids
        WHERE role = 'own' AND key != '' AND order_id != ''
            AND id IN (SELECT id FROM message_ids WHERE inserted_at = {stamp:DateTime64(3)} AND role = 'own')
        GROUP BY id
        HAVING min(order_id) != max(order_id)
    ),
    spans AS (SELECT trace_id, span_id FROM message_ids WHERE role = 'own' AND key = '' AND id IN (SELECT id FROM contested))
SELECT DISTINCT trace_id, span_id, order_id, joined_by
FROM span_orders
WHERE trace_id IN (SELECT trace_id FROM spans) AND (trace_id, span_id) IN (SELECT trace_id, span_id FROM spans) AND joined_by = 'message'
    AND (trace_id, span_id, order_id) NOT IN
    (
        SELECT trace_id, span_id, order_id FROM message_ids
        WHERE id IN (SELECT id FROM message_id_holders WHERE holder IN (SELECT trace_id FROM spans)) AND key != '' AND order_id != ''
    )
LIMIT {limit:UInt32}
