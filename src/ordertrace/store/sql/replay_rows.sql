-- How many rows a table has.
-- $table
SELECT count() FROM $table
