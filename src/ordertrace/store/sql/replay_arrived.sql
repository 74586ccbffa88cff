-- Groups that came after a moment, the earliest first: (time of insertion, rows).
-- since; limit
-- $table
SELECT inserted_at, count()
FROM $table
WHERE inserted_at > {since:DateTime64(3)}
GROUP BY inserted_at
ORDER BY inserted_at
LIMIT {limit:UInt32}
