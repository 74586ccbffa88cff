-- The answer to a message carries the id of the message, or of its conversation, and often nothing else.
ALTER TABLE message_events ADD COLUMN correlation_id String CODEC(ZSTD(1)) AFTER message_id;

-- Ids of messages: who bears one as its own ('own'), and who refers to one ('correlation'). A row speaks of a message (broker and
-- key; trace and span are those of the context that it carries) or of a span (key ''). order_id is what it says itself.
CREATE TABLE message_ids
(
    id String CODEC(ZSTD(1)),
    role LowCardinality(String) CODEC(ZSTD(1)),
    broker LowCardinality(String) CODEC(ZSTD(1)),
    key String CODEC(ZSTD(1)),
    trace_id String CODEC(ZSTD(1)),
    span_id String CODEC(ZSTD(1)),
    order_id String CODEC(ZSTD(1)),
    inserted_at DateTime64(3) CODEC(DoubleDelta, ZSTD(1)),
    INDEX inserted inserted_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (id, role, trace_id, span_id, broker, key)
TTL toDateTime(inserted_at) + toIntervalDay(30)
SETTINGS index_granularity = 128, fsync_after_insert = 1, fsync_part_directory = 1;

-- The same by who holds them: a trace or a message's key.
CREATE TABLE message_id_holders
(
    holder String CODEC(ZSTD(1)),
    id String CODEC(ZSTD(1)),
    inserted_at DateTime64(3) CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (holder, id)
TTL toDateTime(inserted_at) + toIntervalDay(30)
SETTINGS index_granularity = 128, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW message_id_holders_from_message_ids TO message_id_holders AS
SELECT arrayJoin(arrayFilter(one -> one != '', [trace_id, key])) AS holder, id, inserted_at FROM message_ids;

-- Orders of messages that do not name one themselves.
CREATE TABLE message_orders
(
    key String CODEC(ZSTD(1)),
    broker LowCardinality(String) CODEC(ZSTD(1)),
    order_id String CODEC(ZSTD(1)),
    joined_by LowCardinality(String) CODEC(ZSTD(1)),
    inserted_at DateTime64(3) CODEC(DoubleDelta, ZSTD(1)),
    INDEX order_id order_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (key, broker, order_id, joined_by)
TTL toDateTime(inserted_at) + toIntervalDay(180)
SETTINGS index_granularity = 128, fsync_after_insert = 1, fsync_part_directory = 1;
