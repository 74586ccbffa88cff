-- What came on a day, by the first column of its key: (place, rows), from a place on.
-- day; until: time of insertion; place: the first one; limit
-- $table; $place: the first column of its key as text
SELECT $place AS place, count()
FROM $table
WHERE toDate(inserted_at) = {day:Date} AND inserted_at <= {until:DateTime64(3)} AND place >= {place:String}
GROUP BY place
ORDER BY place
LIMIT {limit:UInt32}
