-- How many rows of each kind of evidence came until a moment, and when the first of them: (table, rows, time).
-- until: time of insertion
SELECT 'otel_logs' AS source, count(), min(inserted_at) FROM otel_logs WHERE inserted_at <= {until:DateTime64(3)}
UNION ALL
SELECT 'otel_traces', count(), min(inserted_at) FROM otel_traces WHERE inserted_at <= {until:DateTime64(3)}
UNION ALL
SELECT 'message_events', count(), min(inserted_at) FROM message_events WHERE inserted_at <= {until:DateTime64(3)}
