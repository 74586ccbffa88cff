-- Log records of traces and what each rule finds in them: (trace, span, time, service, severity, text, order stored, how, status
-- stored, what each rule for ids finds, what each rule for statuses finds). Only those in which anything is found, or was.
-- traces: their ids; limit: records
-- $ids, $statuses: arrays of what each rule finds, in their order
SELECT
    TraceId, SpanId, Timestamp, ServiceName, SeverityNumber, substring(Body, 1, 200), OrderId, OrderIdBy, OrderStatus,
    $ids AS ids, $statuses AS statuses
FROM otel_logs
WHERE TraceId IN ({traces:Array(String)})
    AND (OrderId != '' OR OrderStatus != '' OR arrayExists(found -> found != '', ids) OR arrayExists(found -> found != '', statuses))
ORDER BY TraceId, Timestamp, SpanId
LIMIT 1 BY TraceId, SpanId, Timestamp, ServiceName, Body
LIMIT {limit:UInt32}
