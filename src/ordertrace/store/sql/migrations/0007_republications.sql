-- Messages that people had sent again, step by step; nothing is ever changed or removed here. claimed: about to be sent;
-- seen: the firehose showed it; published, returned, refused, not_published, unknown: how it ended. No bodies, no headers.
CREATE TABLE republications
(
    attempt String,
    step LowCardinality(String),
    at DateTime64(6),
    broker LowCardinality(String),
    key String,
    queue LowCardinality(String),
    order_id String,
    verdict LowCardinality(String),
    -- where it is sent to
    exchange LowCardinality(String),
    routing_key LowCardinality(String),
    by String,
    reason String
)
ENGINE = MergeTree
ORDER BY (broker, key, queue, attempt, at)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1,
    non_replicated_deduplication_window = 1000;
