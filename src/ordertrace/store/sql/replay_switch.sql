-- Puts the rows made beside in force, all at once.
-- $shadow: the database; $table
ALTER TABLE $table REPLACE PARTITION tuple() FROM $shadow.$table
