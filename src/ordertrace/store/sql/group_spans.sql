-- Spans of one group as they are kept, for passing them on; the order is the same whenever it is asked.
-- group: the group's time of insertion; limit, offset: which of them
SELECT
    ResourceAttributes, SourceDetails, ScopeName, ScopeVersion, TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind,
    toUnixTimestamp64Nano(Timestamp), Duration, SpanAttributes, SpanAttributeTypes, Flags, DroppedAttributesCount,
    DroppedEventsCount, DroppedLinksCount, StatusCode, StatusMessage, arrayMap(at -> toUnixTimestamp64Nano(at), Events.Timestamp),
    Events.Name, Events.Attributes, Events.Details, Links.TraceId, Links.SpanId, Links.TraceState, Links.Attributes, Links.Details
FROM otel_traces
WHERE inserted_at = {group:DateTime64(3)}
ORDER BY TraceId, Timestamp, SpanId, SpanKind
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
