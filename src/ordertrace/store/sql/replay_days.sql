-- The days on which evidence came until a moment, and when the first came on each.
-- from: the first day; until: time of insertion
SELECT day, min(first) FROM
(
    SELECT toDate(inserted_at) AS day, min(inserted_at) AS first FROM otel_traces
    WHERE toDate(inserted_at) >= {from:Date} AND inserted_at <= {until:DateTime64(3)} GROUP BY day
    UNION ALL
    SELECT toDate(inserted_at) AS day, min(inserted_at) AS first FROM otel_logs
    WHERE toDate(inserted_at) >= {from:Date} AND inserted_at <= {until:DateTime64(3)} GROUP BY day
    UNION ALL
    SELECT toDate(inserted_at) AS day, min(inserted_at) AS first FROM message_events
    WHERE toDate(inserted_at) >= {from:Date} AND inserted_at <= {until:DateTime64(3)} GROUP BY day
)
GROUP BY day
ORDER BY day
