-- Lets a table beside the one in force keep all rows: what is made now tells of the past.
-- $shadow: the database; $table
ALTER TABLE $shadow.$table REMOVE TTL
