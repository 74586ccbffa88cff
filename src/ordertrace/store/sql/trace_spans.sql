-- The spans of a trace as they are kept, each once, in the columns of group_spans.sql, earliest first.
-- trace: trace id; limit, offset: which of them
SELECT
    ResourceAttributes, SourceDetails, ScopeName, ScopeVersion, TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind,
    toUnixTimestamp64Nano(Timestamp), Duration, SpanAttributes, SpanAttributeTypes, Flags, DroppedAttributesCount,
    DroppedEventsCount, DroppedLinksCount, StatusCode, StatusMessage, arrayMap(at -> toUnixTimestamp64Nano(at), Events.Timestamp),
    Events.Name, Events.Attributes, Events.Details, Links.TraceId, Links.SpanId, Links.TraceState, Links.Attributes, Links.Details
FROM otel_traces
WHERE (inserted_at, TraceId) IN (SELECT inserted_at, trace_id FROM trace_groups WHERE trace_id = {trace:String})
ORDER BY Timestamp, SpanId, SpanKind
LIMIT 1 BY SpanId, SpanKind
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
