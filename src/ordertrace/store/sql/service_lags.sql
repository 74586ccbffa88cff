-- When each service was last heard, and how late the spans of just inserted groups came, in ms. Spans later than a bound
-- are a replay of the past, not a slow sender.
-- since: time of insertion; late_max: bound in ms
SELECT
    ServiceName,
    toUnixTimestamp64Milli(max(inserted_at)) AS heard_ms,
    maxIf(lag, lag <= {late_max:Int64}) AS lag_ms
FROM
(
    SELECT
        ServiceName,
        inserted_at,
        toUnixTimestamp64Milli(inserted_at) - intDiv(toUnixTimestamp64Nano(Timestamp) + toInt64(Duration), 1000000) AS lag
    FROM otel_traces
    WHERE inserted_at >= {since:DateTime64(3)}
)
GROUP BY ServiceName
