-- A table beside the one in force, without its rows.
-- $shadow: the database; $table
CREATE TABLE IF NOT EXISTS $shadow.$table AS $table
