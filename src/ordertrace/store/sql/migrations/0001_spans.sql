-- Spans, readable by everything that reads the OpenTelemetry Collector's ClickHouse exporter: same names, same types.
-- Own: the columns from SpanAttributeTypes on, the details of events and links, and the sort order and partitions by arrival: one
-- insert is one part and one range of the key, merges put such ranges one after another instead of mixing their rows, which costs
-- a third, and retention drops whole parts. Traces are found by trace_groups.
CREATE TABLE otel_traces
(
    Timestamp DateTime64(9) CODEC(Delta(8), Default),
    TraceId String,
    SpanId String,
    ParentSpanId String,
    TraceState String,
    SpanName LowCardinality(String),
    SpanKind LowCardinality(String),
    ServiceName LowCardinality(String),
    ResourceAttributes Map(LowCardinality(String), String),
    ScopeName LowCardinality(String),
    ScopeVersion LowCardinality(String),
    SpanAttributes Map(LowCardinality(String), String),
    Duration UInt64,
    StatusCode LowCardinality(String),
    StatusMessage String,
    Events Nested
    (
        Timestamp DateTime64(9),
        Name LowCardinality(String),
        Attributes Map(LowCardinality(String), String),
        Details String
    ),
    Links Nested
    (
        TraceId String,
        SpanId String,
        TraceState String,
        Attributes Map(LowCardinality(String), String),
        Details String
    ),
    -- types of the attribute values that are not strings, by key: int, bool, double, bytes, array, map; none: there is no value
    SpanAttributeTypes Map(LowCardinality(String), Enum8('none' = 0, 'bool' = 16, 'int' = 24, 'double' = 33, 'array' = 42, 'map' = 50, 'bytes' = 58)),
    -- what else a request says, so that all of it comes back. Counts are of what senders dropped. Details are JSON: of the
    -- resource and the scope always, of an event or link (types, dropped, flags) where there is anything unusual to say.
    Flags UInt32,
    DroppedAttributesCount UInt32,
    DroppedEventsCount UInt32,
    DroppedLinksCount UInt32,
    SourceDetails LowCardinality(String),
    OrderId String,
    -- the rule that found the order id: 'attribute' or 'pattern'; empty where there is none
    OrderIdBy LowCardinality(String),
    OrderStatus LowCardinality(String),
    MessageId String,
    -- when its group was closed; the same for all spans of a group and different for any two groups
    inserted_at DateTime64(3) CODEC(DoubleDelta, Default),
    INDEX at Timestamp TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(inserted_at)
ORDER BY (inserted_at, TraceId, Timestamp)
TTL toDateTime(inserted_at) + toIntervalSecond(2592000)
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1,
    non_replicated_deduplication_window = 10000,
    -- a new part is one quickly written file; merged ones have a file a column, packed more tightly (engine.xml)
    min_bytes_for_wide_part = 150000000,
    -- many parts become one rather than five: rewriting spans under load costs more than looking into a few parts more
    merge_selector_base = 16;

-- In which groups the spans of a trace came: with it a trace is a read of a few ranges of the key above.
CREATE TABLE trace_groups
(
    trace_id String CODEC(ZSTD(1)),
    inserted_at DateTime64(3) CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (trace_id, inserted_at)
TTL toDateTime(inserted_at) + toIntervalSecond(2592000)
SETTINGS index_granularity = 128, fsync_after_insert = 1, fsync_part_directory = 1, merge_selector_base = 16,
    non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW trace_groups_from_spans TO trace_groups AS
SELECT DISTINCT TraceId AS trace_id, inserted_at FROM otel_traces;
