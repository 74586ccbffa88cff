-- Removes the tables beside those in force.
-- $shadow: the database
DROP DATABASE IF EXISTS $shadow SYNC
