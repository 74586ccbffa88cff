-- The database that we work in.
SELECT currentDatabase()
