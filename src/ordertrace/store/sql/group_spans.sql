-- Spans of one group as they are kept, for passing them on; the order is the same whenever it is asked.
-- group: the group's time of insertion; limit, offset: which of them
SELECT
    ResourceAttributes, ScopeName, ScopeVersion, TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind,
    toUnixTimestamp64Nano(Timestamp), Duration, SpanAttributes, SpanAttributeTypes, StatusCode, StatusMessage,
    arrayMap(at -> toUnixTimestamp64Nano(at), Events.Timestamp), Events.Name, Events.Attributes, Links.TraceId, Links.SpanId,
    Links.TraceState, Links.Attributes
FROM otel_traces
WHERE inserted_at = {group:DateTime64(3)}
ORDER BY toStartOfFiveMinutes(Timestamp), TraceId, Timestamp, SpanId, SpanKind
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
