-- Remembers keys of orders in spans of just inserted groups, and spans that made one.
-- groups: times of insertion of groups of spans; stamp: of these rows; services, systems: service names and their systems
-- $keys: an array of what each rule finds in a span, as KIND:KEY; $made: the same for what makes keys, as KIND:
INSERT INTO span_keys (trace_id, span_id, key, at, system, inserted_at)
SELECT
    TraceId,
    SpanId,
    arrayFirst(key -> key != '', arrayConcat($keys, if(StatusCode = 'Error' OR toUInt16OrZero(firstNonDefault(SpanAttributes['http.response.status_code'], SpanAttributes['http.status_code'])) >= 400, [], $made), [''])) AS found,
    Timestamp,
    transform(ServiceName, {services:Array(String)}, {systems:Array(String)}, ServiceName),
    {stamp:DateTime64(3)}
FROM otel_traces
WHERE inserted_at IN ({groups:Array(DateTime64(3))}) AND found != ''
