-- How many orders started since each of some moments, when the first one did, when anything was seen of one last,
-- and how many there are.
-- moments: ns since 1970
SELECT
    sumForEach(arrayMap(moment -> toUInt64(started_ns >= moment), {moments:Array(Int64)})) AS counts,
    min(started_ns), max(seen_ns), count()
FROM (SELECT toUnixTimestamp64Nano(min(started_at)) AS started_ns, toUnixTimestamp64Nano(max(last_seen_at)) AS seen_ns FROM orders GROUP BY order_id)
