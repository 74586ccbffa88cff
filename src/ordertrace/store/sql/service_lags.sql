-- How late the spans of just inserted groups came, by service, in ms. Spans later than a bound are a replay of the past,
-- not a slow sender.
-- groups: the groups' times of insertion; late_max: bound in ms
SELECT ServiceName, maxIf(lag, lag <= {late_max:Int64}) AS lag_ms
FROM
(
    SELECT
        ServiceName,
        toUnixTimestamp64Milli(inserted_at) - intDiv(toUnixTimestamp64Nano(Timestamp) + toInt64(Duration), 1000000) AS lag
    FROM otel_traces
    WHERE inserted_at IN ({groups:Array(DateTime64(3))})
)
GROUP BY ServiceName
