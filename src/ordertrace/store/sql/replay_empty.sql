-- Takes all rows from a table of which nothing was made beside.
-- $table
TRUNCATE TABLE $table
