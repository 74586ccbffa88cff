-- Systems with consumer spans and deliveries in a span of time, and from when to when: what sequences are asked for.
-- since: time of insertion of the spans; start, until: when they happened
SELECT system, toDateTime64(min(at), 6), toDateTime64(max(at), 6)
FROM consumer_spans
WHERE inserted_at >= {since:DateTime64(3)} AND at BETWEEN {start:DateTime64(6)} AND {until:DateTime64(6)}
    AND system IN (SELECT system FROM channel_deliveries WHERE at BETWEEN {start:DateTime64(6)} - toIntervalMinute(3) AND {until:DateTime64(6)} + toIntervalMinute(1))
GROUP BY system
