-- Finds order ids and statuses in rows that are stored, by the rules in force now. Runs in the background of the engine.
-- $table; $ids, $statuses: arrays of what each rule finds; $sources: the rules' kinds
ALTER TABLE $table
UPDATE
    OrderId = arrayFirst(id -> id != '', $ids),
    OrderIdBy = $sources[arrayFirstIndex(id -> id != '', $ids)],
    OrderStatus = upper(arrayFirst(status -> status != '', $statuses))
WHERE OrderId != arrayFirst(id -> id != '', $ids)
    OR OrderIdBy != $sources[arrayFirstIndex(id -> id != '', $ids)]
    OR OrderStatus != upper(arrayFirst(status -> status != '', $statuses))
