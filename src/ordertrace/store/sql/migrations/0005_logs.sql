-- Log records as the OpenTelemetry Collector's ClickHouse exporter names and types its columns, sorted to find the records
-- of a trace; the columns behind LogAttributes are our own.
CREATE TABLE otel_logs
(
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TimestampTime DateTime DEFAULT toDateTime(Timestamp),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    TraceFlags UInt8,
    SeverityText LowCardinality(String) CODEC(ZSTD(1)),
    SeverityNumber UInt8,
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    Body String CODEC(ZSTD(1)),
    ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
    ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    LogAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    EventName LowCardinality(String) CODEC(ZSTD(1)),
    -- types of the body and of attribute values where they are not strings: int, bool, double, bytes, array, map; none: there is no
    -- value
    BodyType LowCardinality(String) CODEC(ZSTD(1)),
    LogAttributeTypes Map(LowCardinality(String), Enum8('none' = 0, 'bool' = 16, 'int' = 24, 'double' = 33, 'array' = 42, 'map' = 50, 'bytes' = 58)) CODEC(ZSTD(1)),
    DroppedAttributesCount UInt32 CODEC(ZSTD(1)),
    -- what else its resource and its scope say, as JSON: types of their values, how many their sender dropped
    SourceDetails LowCardinality(String) CODEC(ZSTD(1)),
    ObservedTimestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    OrderId String CODEC(ZSTD(1)),
    -- the rule that found the order id: 'attribute', 'pattern' or 'log'; empty where there is none
    OrderIdBy LowCardinality(String) CODEC(ZSTD(1)),
    OrderStatus LowCardinality(String) CODEC(ZSTD(1)),
    -- when its group was closed; the same for all records of a group and different for any two groups
    inserted_at DateTime64(3) CODEC(DoubleDelta, ZSTD(1)),
    INDEX trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX order_id OrderId TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX inserted inserted_at TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(inserted_at)
ORDER BY (toStartOfFiveMinutes(Timestamp), TraceId, Timestamp)
TTL toDateTime(inserted_at) + toIntervalSecond(2592000)
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1,
    non_replicated_deduplication_window = 10000, merge_selector_base = 10;

-- Where in otel_logs the records lie that name an order themselves: (order, five minutes, trace) is a read of one key range
-- here and leads to ranges of the key there. A place told twice is one row.
CREATE TABLE order_log_places
(
    order_id String CODEC(ZSTD(1)),
    five_minutes DateTime CODEC(DoubleDelta, ZSTD(1)),
    trace_id String CODEC(ZSTD(1)),
    inserted_at DateTime64(3) CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (order_id, five_minutes, trace_id)
TTL toDateTime(inserted_at) + toIntervalDay(180)
SETTINGS index_granularity = 128, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW order_log_places_from_logs TO order_log_places AS
SELECT OrderId AS order_id, toStartOfFiveMinutes(Timestamp) AS five_minutes, TraceId AS trace_id, max(inserted_at) AS inserted_at
FROM otel_logs
WHERE OrderId != ''
GROUP BY order_id, five_minutes, trace_id;
