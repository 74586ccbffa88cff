-- Remembers keys of orders in spans of just inserted groups.
-- groups: times of insertion of groups of spans; stamp: of these rows
-- $keys: an array of what each rule finds in a span's attributes, made from the settings
INSERT INTO span_keys (trace_id, span_id, key, at, inserted_at)
SELECT TraceId, SpanId, arrayFirst(key -> key != '', $keys) AS found, Timestamp, {stamp:DateTime64(3)}
FROM otel_traces
WHERE inserted_at IN ({groups:Array(DateTime64(3))}) AND found != ''
