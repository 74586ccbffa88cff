-- How many log records each service sent since a moment.
-- since: time of insertion
SELECT ServiceName, count() FROM otel_logs WHERE inserted_at >= {since:DateTime64(3)} GROUP BY ServiceName
