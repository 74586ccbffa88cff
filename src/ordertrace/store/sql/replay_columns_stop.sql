-- Gives up what an earlier change of rules has not finished to do to columns.
-- tables: their names
KILL MUTATION WHERE database = currentDatabase() AND table IN ({tables:Array(String)}) AND NOT is_done SYNC
