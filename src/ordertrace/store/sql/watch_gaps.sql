-- Spans in which brokers were not watched, newest first.
-- broker: '' for all; since: ended since then
SELECT broker, start, toUnixTimestamp64Micro(until), reason
FROM watch_gaps FINAL
WHERE ({broker:String} = '' OR broker = {broker:String}) AND (until >= {since:DateTime64(6)} OR toUnixTimestamp64Micro(until) = 0)
ORDER BY start DESC
LIMIT 1000
