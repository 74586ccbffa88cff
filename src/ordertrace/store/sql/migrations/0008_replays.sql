-- How far history is worked through again after a change of rules or flow; the newest row of an id is in force, and the newest
-- id says by which rules the derived rows were made.
CREATE TABLE replays
(
    id DateTime64(3),
    -- 'columns', 'facts', 'switching' or 'done'
    phase LowCardinality(String),
    -- what determines the derived rows: the part of the settings and a digest of it
    prints Map(String, String),
    reasons Array(String),
    -- what came until then is worked through in the order of its keys, what came later in the order of its arrival
    until DateTime64(3),
    -- all up to here is done: day of arrival, table, first column of its key, second column
    day Date,
    source LowCardinality(String),
    place String,
    key String,
    -- time of insertion of the latest rows that were made
    stamp DateTime64(3),
    -- what came later is done up to here
    arrived DateTime64(3),
    -- rows done and to do, by table
    done Map(String, UInt64),
    total Map(String, UInt64),
    finished_at DateTime64(3),
    inserted_at DateTime64(6)
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
