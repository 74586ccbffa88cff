-- Evidence as statements find it beside the tables in force: the same rows.
-- $shadow, $live: the databases; $table
CREATE TABLE IF NOT EXISTS $shadow.$table ENGINE = Merge('$live', '^$table$$')
