-- Keys that divide a place into parts of about the same size: some of its keys, sorted.
-- place, after: the keys behind this one; day; until: time of insertion
-- $table; $place, $key: the columns of its key as text
SELECT arraySort(groupArraySample(4000, 1)($key))
FROM $table
WHERE toDate(inserted_at) = {day:Date} AND inserted_at <= {until:DateTime64(3)} AND $place = {place:String} AND $key > {after:String}
