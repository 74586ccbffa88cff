-- Brokers that were not watched all of the time between two moments.
-- start, until
SELECT DISTINCT broker
FROM watch_gaps FINAL
WHERE start <= {until:DateTime64(6)} AND (until >= {start:DateTime64(6)} OR toUnixTimestamp64Micro(until) = 0)
