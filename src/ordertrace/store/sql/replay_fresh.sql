-- What is being worked through, as one group that was just inserted. (An alias of REPLACE would stand for the column in WHERE;
-- hence the subquery.)
-- $shadow, $live: the databases; $table; $stamp: the group's time of insertion; $rows: which of them
CREATE OR REPLACE VIEW $shadow.fresh_$table AS
SELECT * REPLACE (toDateTime64('$stamp', 3, 'UTC') AS inserted_at) FROM (SELECT * FROM $live.$table WHERE $rows)
