-- One incident a cause; the newest row of an id is in force.
CREATE TABLE incidents
(
    id String,
    kind LowCardinality(String),
    system LowCardinality(String),
    facts Map(String, String),
    state LowCardinality(String),
    began_at DateTime64(6),
    detected_at DateTime64(6),
    last_at DateTime64(6),
    acknowledged_at Nullable(DateTime64(6)),
    acknowledged_by String,
    resolved_at Nullable(DateTime64(6)),
    -- '' where it ended by itself
    resolved_by String,
    orders UInt32,
    affected UInt32,
    messages UInt32,
    times UInt32,
    inserted_at DateTime64(6)
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY id
TTL toDateTime(inserted_at) + toIntervalYear(3)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- Who suffers from an incident: orders, or queues where no order is known. Ended ones stay, for the count.
CREATE TABLE incident_subjects
(
    incident_id String,
    subject String,
    order_id String,
    since DateTime64(6),
    ended_at Nullable(DateTime64(6)),
    inserted_at DateTime64(6)
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (incident_id, subject)
TTL toDateTime(inserted_at) + toIntervalYear(3)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- What happened to an incident and who did it. Rows are only ever added.
CREATE TABLE incident_entries
(
    incident_id String,
    at DateTime64(6),
    kind LowCardinality(String),
    by String,
    text String
)
ENGINE = MergeTree
ORDER BY (incident_id, at)
TTL toDateTime(at) + toIntervalYear(3)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;
