-- How tables and materialised views are defined here: (name, engine, statement).
SELECT name, engine, create_table_query FROM system.tables WHERE database = currentDatabase()
