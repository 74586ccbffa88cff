-- Steps of messages' lives in the watched brokers, one row a message, queue and step; a message's life is one key range.
-- No bodies and no headers: only what settings map. Kinds: published, delivered, redelivered, dead_lettered, settled and
-- unseen (it left the queue without anybody seeing how, which is no loss). A row told twice is one row.
CREATE TABLE message_events
(
    broker LowCardinality(String) CODEC(ZSTD(1)),
    key String CODEC(ZSTD(1)),
    queue LowCardinality(String) CODEC(ZSTD(1)),
    at DateTime64(6) CODEC(Delta(8), ZSTD(1)),
    kind LowCardinality(String) CODEC(ZSTD(1)),
    message_id String CODEC(ZSTD(1)),
    exchange LowCardinality(String) CODEC(ZSTD(1)),
    routing_key LowCardinality(String) CODEC(ZSTD(1)),
    order_id String CODEC(ZSTD(1)),
    status LowCardinality(String) CODEC(ZSTD(1)),
    -- the system (or broker user) that published it, or that it was delivered to
    system LowCardinality(String) CODEC(ZSTD(1)),
    -- why it was dead-lettered or is held to be settled
    reason LowCardinality(String) CODEC(ZSTD(1)),
    trace_id String CODEC(ZSTD(1)),
    span_id String CODEC(ZSTD(1)),
    inserted_at DateTime64(3) CODEC(DoubleDelta, ZSTD(1)),
    INDEX order_id order_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX message_id message_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX at at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(inserted_at)
PARTITION BY toDate(inserted_at)
ORDER BY (broker, key, queue, at, kind)
TTL toDateTime(inserted_at) + toIntervalDay(180)
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1,
    non_replicated_deduplication_window = 10000;

-- What is held against messages; the newest row of a message in a queue is in force. cleared_at 1970 means not cleared.
CREATE TABLE message_findings
(
    broker LowCardinality(String),
    key String,
    queue LowCardinality(String),
    order_id String,
    verdict LowCardinality(String),
    confidence Float32,
    -- kinds of evidence and their named values, in the order in which they speak
    evidence Array(Tuple(kind String, facts Map(String, String))),
    since DateTime64(6),
    detected_at DateTime64(6),
    cleared_at DateTime64(6),
    inserted_at DateTime64(6),
    INDEX order_id order_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (broker, key, queue)
TTL toDateTime(inserted_at) + toIntervalDay(180)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- Spans of time in which a broker was not, or not completely, watched. until 1970 means still.
CREATE TABLE watch_gaps
(
    broker LowCardinality(String),
    start DateTime64(6),
    until DateTime64(6),
    reason LowCardinality(String),
    inserted_at DateTime64(6)
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (broker, start)
TTL toDateTime(inserted_at) + toIntervalDay(180)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Queues as they stood every few seconds. unacked and consumers -1: not known; oldest_at 1970: nothing waits, or not known.
CREATE TABLE queue_samples
(
    broker LowCardinality(String) CODEC(ZSTD(1)),
    queue LowCardinality(String) CODEC(ZSTD(1)),
    at DateTime64(3) CODEC(DoubleDelta, ZSTD(1)),
    ready UInt32 CODEC(T64, ZSTD(1)),
    unacked Int32 CODEC(T64, ZSTD(1)),
    consumers Int32 CODEC(T64, ZSTD(1)),
    oldest_at DateTime64(3) CODEC(Delta(8), ZSTD(1)),
    published_rate Float32 CODEC(ZSTD(1)),
    delivered_rate Float32 CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(at)
ORDER BY (broker, queue, at)
TTL toDateTime(at) + toIntervalDay(30)
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1;
