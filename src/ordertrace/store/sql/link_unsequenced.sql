-- Systems with consumer spans or deliveries that came lately, from when to when they happened, and how many they are.
-- since: inserted after then
SELECT system, min(at), max(at), count()
FROM
(
    SELECT system, toDateTime64(at, 6) AS at FROM consumer_spans WHERE inserted_at > {since:DateTime64(3)}
    UNION ALL
    SELECT system, at FROM channel_deliveries WHERE inserted_at > {since:DateTime64(3)}
)
WHERE system IN (SELECT system FROM consumer_spans)
GROUP BY system
