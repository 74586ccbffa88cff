-- How tables are defined, their retention included.
-- tables: names
SELECT name, create_table_query
FROM system.tables
WHERE database = currentDatabase() AND name IN ({tables:Array(String)})
