-- What the engine still has to do to columns: (parts to do, why it could not go on).
-- tables: their names
SELECT sum(parts_to_do), anyLast(latest_fail_reason)
FROM system.mutations
WHERE database = currentDatabase() AND table IN ({tables:Array(String)}) AND NOT is_done
