-- What joins spans to orders besides what they say themselves. A name told twice is one row.
-- span_id '' speaks of the whole trace; joined_by and confidence as in order_events.
CREATE TABLE span_orders
(
    trace_id String CODEC(ZSTD(1)),
    span_id String CODEC(ZSTD(1)),
    order_id String CODEC(ZSTD(1)),
    joined_by LowCardinality(String) CODEC(ZSTD(1)),
    inserted_at DateTime64(3) CODEC(DoubleDelta, ZSTD(1)),
    INDEX inserted inserted_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (trace_id, span_id, order_id, joined_by)
TTL toDateTime(inserted_at) + toIntervalDay(180)
SETTINGS index_granularity = 128, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW span_orders_to_trace_orders TO trace_orders AS
SELECT trace_id, order_id, joined_by, max(inserted_at) AS inserted_at
FROM span_orders
GROUP BY trace_id, order_id, joined_by;

ALTER TABLE trace_orders ADD INDEX inserted inserted_at TYPE minmax GRANULARITY 1;

-- Traces of an order that no span of theirs names: of the others its facts tell.
CREATE TABLE order_traces
(
    order_id String CODEC(ZSTD(1)),
    trace_id String CODEC(ZSTD(1)),
    joined_by LowCardinality(String) CODEC(ZSTD(1)),
    inserted_at DateTime64(3) CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (order_id, trace_id, joined_by)
TTL toDateTime(inserted_at) + toIntervalDay(180)
SETTINGS index_granularity = 128, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW order_traces_from_trace_orders TO order_traces AS
SELECT order_id, trace_id, joined_by, inserted_at FROM trace_orders WHERE joined_by NOT IN ('attribute', 'pattern');

ALTER TABLE message_events ADD INDEX inserted inserted_at TYPE minmax GRANULARITY 1;

ALTER TABLE waiting_events ADD INDEX message_id message_id TYPE bloom_filter(0.01) GRANULARITY 1;

-- Keys of orders that are no order ids, such as the number under which a carrier knows a shipment: in which spans they stand.
-- A key is written as KIND:KEY; KIND: alone says that the span made one, which it does not tell.
CREATE TABLE span_keys
(
    trace_id String CODEC(ZSTD(1)),
    span_id String CODEC(ZSTD(1)),
    key String CODEC(ZSTD(1)),
    at DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    system LowCardinality(String) CODEC(ZSTD(1)),
    inserted_at DateTime64(3) CODEC(DoubleDelta, ZSTD(1)),
    INDEX key key TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX at at TYPE minmax GRANULARITY 1,
    INDEX inserted inserted_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (trace_id, span_id, key)
TTL toDateTime(inserted_at) + toIntervalDay(30)
SETTINGS index_granularity = 128, fsync_after_insert = 1, fsync_part_directory = 1;

-- Whose they are, by what: source is the trace that shows it, 'log' or 'presence'. holds 0 takes an earlier row back.
-- joined_by 'time' with several orders: the key is one of theirs, and all their keys stand in the same traces.
CREATE TABLE order_keys
(
    key String CODEC(ZSTD(1)),
    order_id String CODEC(ZSTD(1)),
    source String CODEC(ZSTD(1)),
    joined_by LowCardinality(String) CODEC(ZSTD(1)),
    holds UInt8 CODEC(ZSTD(1)),
    inserted_at DateTime64(3) CODEC(DoubleDelta, ZSTD(1)),
    INDEX order_id order_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX inserted inserted_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (key, order_id, source)
TTL toDateTime(inserted_at) + toIntervalDay(180)
SETTINGS index_granularity = 128, fsync_after_insert = 1, fsync_part_directory = 1;

-- Links between traces, as spans hold them, and the other way round.
CREATE TABLE trace_links
(
    trace_id String CODEC(ZSTD(1)),
    linked_trace_id String CODEC(ZSTD(1)),
    span_id String CODEC(ZSTD(1)),
    linked_span_id String CODEC(ZSTD(1)),
    inserted_at DateTime64(3) CODEC(DoubleDelta, ZSTD(1)),
    INDEX inserted inserted_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (trace_id, linked_trace_id, span_id, linked_span_id)
TTL toDateTime(inserted_at) + toIntervalDay(30)
SETTINGS index_granularity = 128, fsync_after_insert = 1, fsync_part_directory = 1;

-- What was delivered on each channel, in order: the consumer's spans of it come in the same order.
CREATE TABLE channel_deliveries
(
    broker LowCardinality(String) CODEC(ZSTD(1)),
    channel String CODEC(ZSTD(1)),
    at DateTime64(6) CODEC(Delta(8), ZSTD(1)),
    key String CODEC(ZSTD(1)),
    queue LowCardinality(String) CODEC(ZSTD(1)),
    routing_key LowCardinality(String) CODEC(ZSTD(1)),
    order_id String CODEC(ZSTD(1)),
    system LowCardinality(String) CODEC(ZSTD(1)),
    inserted_at DateTime64(3) CODEC(DoubleDelta, ZSTD(1)),
    INDEX inserted inserted_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (system, at, broker, channel, key, queue)
TTL toDateTime(inserted_at) + toIntervalDay(2)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- Consumer spans by the thread that ran them.
CREATE TABLE consumer_spans
(
    system LowCardinality(String) CODEC(ZSTD(1)),
    thread String CODEC(ZSTD(1)),
    at DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    trace_id String CODEC(ZSTD(1)),
    span_id String CODEC(ZSTD(1)),
    -- the parts of the destination, among them a routing key
    words Array(String) CODEC(ZSTD(1)),
    order_id String CODEC(ZSTD(1)),
    inserted_at DateTime64(3) CODEC(DoubleDelta, ZSTD(1)),
    INDEX inserted inserted_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (system, at, thread, trace_id, span_id)
TTL toDateTime(inserted_at) + toIntervalDay(2)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;
