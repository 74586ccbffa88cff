-- Log records of one group as they are kept, for passing them on; the order is the same whenever it is asked.
-- group: the group's time of insertion; limit, offset: which of them
SELECT
    ResourceAttributes, SourceDetails, ScopeName, ScopeVersion, ResourceSchemaUrl, ScopeSchemaUrl, ScopeAttributes,
    toUnixTimestamp64Nano(Timestamp), toUnixTimestamp64Nano(ObservedTimestamp), TraceId, SpanId, TraceFlags, SeverityText,
    SeverityNumber, Body, BodyType, EventName, LogAttributes, LogAttributeTypes, DroppedAttributesCount
FROM otel_logs
WHERE inserted_at = {group:DateTime64(3)}
ORDER BY toStartOfFiveMinutes(Timestamp), TraceId, Timestamp, SpanId, Body
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
