-- Facts about orders, one row a span that says something: "everything about order 4711" is a read of one key range.
-- A fact told twice is one row: the sort key holds the event's own id.
CREATE TABLE order_events
(
    order_id String,
    at DateTime64(9) CODEC(Delta(8), Default),
    event_id String,
    system LowCardinality(String),
    kind LowCardinality(String),
    span_kind LowCardinality(String),
    name LowCardinality(String),
    status LowCardinality(String),
    -- the status's place in the flow; 0 where there is no status, or none that the flow knows
    rank UInt16,
    duration_ns UInt64,
    response_code LowCardinality(String),
    trace_id String,
    span_id String,
    parent_span_id String,
    message_id String,
    destination LowCardinality(String),
    queue LowCardinality(String),
    peer LowCardinality(String),
    error_type LowCardinality(String),
    error_message String,
    error_stack String,
    error_code LowCardinality(String),
    joined_by LowCardinality(String),
    confidence Float32,
    inserted_at DateTime64(3) CODEC(DoubleDelta, Default),
    -- when its evidence came, however late it was joined: what retention has dropped since cannot be joined anew
    told_at DateTime64(3) DEFAULT inserted_at CODEC(DoubleDelta, Default),
    INDEX inserted inserted_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (order_id, at, event_id)
TTL toDateTime(inserted_at) + toIntervalSecond(94608000)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1, merge_selector_base = 10,
    -- as of spans: a new part is one file, which takes a quarter less to write than a file for each of 28 columns
    min_bytes_for_wide_part = 60000000, non_replicated_deduplication_window = 10000;

-- Facts whose trace has not named its order yet; they become order_events when it does.
CREATE TABLE waiting_events AS order_events
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (trace_id, at, event_id)
TTL toDateTime(inserted_at) + toIntervalDay(2)
SETTINGS index_granularity = 128, fsync_after_insert = 1, fsync_part_directory = 1, merge_selector_base = 10;

-- Facts on their way: with an order they become order_events, without one they wait for their trace to name it.
CREATE TABLE told_events AS order_events ENGINE = Null;

CREATE MATERIALIZED VIEW told_to_order_events TO order_events AS SELECT * FROM told_events WHERE order_id != '';

CREATE MATERIALIZED VIEW told_to_waiting_events TO waiting_events AS SELECT * FROM told_events WHERE order_id = '';

-- Which order a trace works for, and what says so. A trace may serve several. Looked up by many single traces: small granules.
CREATE TABLE trace_orders
(
    trace_id String,
    order_id String,
    joined_by LowCardinality(String),
    inserted_at DateTime64(3) CODEC(DoubleDelta, Default)
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (trace_id, order_id, joined_by)
TTL toDateTime(inserted_at) + toIntervalDay(180)
SETTINGS index_granularity = 128, fsync_after_insert = 1, fsync_part_directory = 1, merge_selector_base = 10;

-- What is known of an order at a glance. Only aggregates that do not mind being told twice (min, max), since a group
-- of facts may be worked through again after a crash.
CREATE TABLE orders
(
    order_id String,
    started_at SimpleAggregateFunction(min, DateTime64(9)),
    last_seen_at SimpleAggregateFunction(max, DateTime64(9)),
    last_inserted_at SimpleAggregateFunction(max, DateTime64(3)),
    -- (rank, minus the time in ns, status): the largest is the furthest status at its earliest
    furthest SimpleAggregateFunction(max, Tuple(UInt16, Int64, String)),
    -- furthest rank by system
    views SimpleAggregateFunction(maxMap, Map(String, UInt16)),
    last_error_at SimpleAggregateFunction(max, DateTime64(9))
)
ENGINE = AggregatingMergeTree
ORDER BY order_id
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1, merge_selector_base = 10;

CREATE MATERIALIZED VIEW orders_from_events TO orders AS
SELECT
    order_id,
    min(at) AS started_at,
    max(at) AS last_seen_at,
    max(inserted_at) AS last_inserted_at,
    max((rank, -toUnixTimestamp64Nano(at), CAST(status AS String))) AS furthest,
    maxMap(CAST(if(rank = 0, [], [(CAST(system AS String), rank)]), 'Map(String, UInt16)')) AS views,
    max(if(kind = 'error', at, toDateTime64(0, 9))) AS last_error_at
FROM order_events
GROUP BY order_id;

-- What the sweep found out about orders that need a look; the newest row of an order is in force, kind '' clears it.
CREATE TABLE findings
(
    order_id String,
    state LowCardinality(String),
    kind LowCardinality(String),
    system LowCardinality(String),
    since DateTime64(6),
    confidence Float32,
    evidence Array(String),
    facts Map(String, String),
    detected_at DateTime64(6),
    inserted_at DateTime64(6)
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY order_id
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1, merge_selector_base = 10;
