-- How many spans each service sent since a moment, and when the last of them came.
-- since: time of insertion
SELECT ServiceName, count(), max(inserted_at)
FROM otel_traces
WHERE inserted_at >= {since:DateTime64(3)}
GROUP BY ServiceName
