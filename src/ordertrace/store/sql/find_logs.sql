-- Log records of an order: those that name it, and those of its traces that name none. A record that came in two requests is
-- one. Where they lie is known from the order's facts and from order_log_places, so that only ranges of the key are read.
-- order: order id; severity: at least this; last: 1 for the latest first; limit, offset: which of them
SELECT
    Timestamp, ServiceName, SeverityNumber, SeverityText, Body, ScopeName, EventName, TraceId, SpanId, OrderIdBy, LogAttributes,
    LogAttributeTypes
FROM otel_logs
WHERE (toStartOfFiveMinutes(Timestamp), TraceId) IN
    (
        SELECT five_minutes, trace_id FROM order_log_places WHERE order_id = {order:String}
        UNION DISTINCT
        SELECT toStartOfFiveMinutes(at) + arrayJoin([-300, 0, 300]), trace_id
        FROM order_events
        WHERE order_id = {order:String} AND trace_id != ''
    )
    AND (OrderId = {order:String} OR OrderId = '' AND TraceId != '')
    AND SeverityNumber >= {severity:UInt8}
ORDER BY if({last:UInt8} = 1, -toUnixTimestamp64Nano(Timestamp), toUnixTimestamp64Nano(Timestamp)), SpanId, Body
LIMIT 1 BY Timestamp, TraceId, SpanId, ServiceName, Body
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
