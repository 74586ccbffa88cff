-- Remembers where log records lie that name an order, as the view on otel_logs does for new ones.
-- groups: times of insertion
INSERT INTO order_log_places (order_id, five_minutes, trace_id, inserted_at)
SELECT OrderId AS order_id, toStartOfFiveMinutes(Timestamp) AS five_minutes, TraceId AS trace_id, max(inserted_at)
FROM otel_logs
WHERE inserted_at IN ({groups:Array(DateTime64(3))}) AND OrderId != ''
GROUP BY order_id, five_minutes, trace_id
