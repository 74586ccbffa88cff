-- The traces of an order at a glance: start, length, services, spans, errors, name of the first root.
-- keys: (start of five minutes, trace id) in which their spans lie, which is what spans are sorted by
SELECT
    TraceId,
    min(Timestamp) AS started_at,
    max(toUnixTimestamp64Nano(Timestamp) + Duration) - min(toUnixTimestamp64Nano(Timestamp)) AS duration_ns,
    groupUniqArray(ServiceName) AS services,
    uniqExact(SpanId, SpanKind) AS spans,
    uniqExactIf(SpanId, StatusCode = 'Error') AS errors,
    argMin(SpanName, (ParentSpanId != '', Timestamp)) AS name
FROM otel_traces
WHERE (toStartOfFiveMinutes(Timestamp), TraceId) IN (SELECT arrayJoin({keys:Array(Tuple(DateTime64(9), String))}))
GROUP BY TraceId
ORDER BY started_at, TraceId
