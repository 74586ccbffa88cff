-- Traces in which other rules would find an order, looked for as long as the limit allows.
-- order; start, until: when their spans and log records began; limit
-- $span_ids, $log_ids: arrays of what each rule finds in a span, in a log record
SELECT DISTINCT trace FROM
(
    SELECT TraceId AS trace FROM otel_traces
    WHERE Timestamp BETWEEN {start:DateTime64(6)} AND {until:DateTime64(6)} AND arrayFirst(id -> id != '', $span_ids) = {order:String}
    UNION ALL
    SELECT TraceId FROM otel_logs
    WHERE Timestamp BETWEEN {start:DateTime64(6)} AND {until:DateTime64(6)} AND TraceId != '' AND arrayFirst(id -> id != '', $log_ids) = {order:String}
)
LIMIT {limit:UInt32}
SETTINGS max_execution_time = 8, timeout_overflow_mode = 'break'
