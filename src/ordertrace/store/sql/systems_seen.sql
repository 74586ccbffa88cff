-- How well each service is seen, over the spans that arrived since a moment.
-- since: time of insertion
SELECT
    ServiceName,
    count() AS spans,
    countIf(OrderId != '') AS with_order,
    countIf(MessageId != '') AS with_message_id,
    countIf(StatusCode = 'Error') AS errors,
    countIf(StatusCode = 'Error' AND NOT arrayExists(attributes -> attributes['exception.stacktrace'] != '', Events.Attributes)) AS errors_without_stack
FROM otel_traces
WHERE inserted_at >= {since:DateTime64(3)}
GROUP BY ServiceName
