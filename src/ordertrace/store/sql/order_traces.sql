-- The traces of an order at a glance: start, length, services, spans, errors, name of the first root.
-- traces: their ids
SELECT
    TraceId,
    min(Timestamp) AS started_at,
    max(toUnixTimestamp64Nano(Timestamp) + Duration) - min(toUnixTimestamp64Nano(Timestamp)) AS duration_ns,
    groupUniqArray(ServiceName) AS services,
    uniqExact(SpanId, SpanKind) AS spans,
    uniqExactIf(SpanId, StatusCode = 'Error') AS errors,
    argMin(SpanName, (ParentSpanId != '', Timestamp)) AS name
FROM otel_traces
WHERE (inserted_at, TraceId) IN (SELECT inserted_at, trace_id FROM trace_groups WHERE trace_id IN ({traces:Array(String)}))
GROUP BY TraceId
ORDER BY started_at, TraceId
