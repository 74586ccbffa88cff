-- A database for tables beside those in force.
-- $shadow: its name
CREATE DATABASE IF NOT EXISTS $shadow
