-- Which migrations have run. No parameters.
CREATE TABLE IF NOT EXISTS migrations
(
    name String,
    applied_at DateTime DEFAULT now()
)
ENGINE = MergeTree
ORDER BY name
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
