-- Runs of jobs that ask for orders under keys of one kind: (system, name of the root, seconds, keys), of the hour before
-- the latest, and whether there were any before them. Only jobs that asked for several keys at once in some run.
-- prefix: KIND:; limit
WITH
    (SELECT (max(at), minIf(at, key != {prefix:String})) FROM span_keys WHERE startsWith(key, {prefix:String})) AS asked,
    asked.1 AS latest
SELECT system, root, began, keys, asked.2 < latest - toIntervalHour(1)
FROM
(
    SELECT
        held.system AS system, roots.root AS root, toUnixTimestamp64Nano(held.began) / 1000000000 AS began, held.keys AS keys,
        max(length(held.keys)) OVER (PARTITION BY held.system, roots.root) AS most
    FROM
    (
        SELECT trace_id, any(span_keys.system) AS system, min(at) AS began, groupUniqArray(key) AS keys
        FROM span_keys
        WHERE startsWith(key, {prefix:String}) AND key != {prefix:String} AND at >= latest - toIntervalHour(1)
        GROUP BY trace_id
        ORDER BY began DESC
        LIMIT {limit:UInt32}
    ) AS held
    INNER JOIN
    (
        SELECT TraceId AS trace_id, min(SpanName) AS root
        FROM otel_traces
        WHERE ParentSpanId = '' AND SpanKind NOT IN ('Server', 'Consumer')
            AND Timestamp >= latest - toIntervalHour(1) - toIntervalMinute(10)
            AND (inserted_at, TraceId) IN
            (
                SELECT inserted_at, trace_id FROM trace_groups
                WHERE trace_id IN (SELECT trace_id FROM span_keys WHERE startsWith(key, {prefix:String}) AND at >= latest - toIntervalHour(1))
            )
        GROUP BY TraceId
    ) AS roots ON roots.trace_id = held.trace_id
)
WHERE most > 1
ORDER BY began
