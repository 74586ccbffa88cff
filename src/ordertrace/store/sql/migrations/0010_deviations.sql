-- Orders that left their flow, by what kinds of deviation; the newest row of an order is in force, no kinds clear it.
CREATE TABLE deviations
(
    order_id String CODEC(ZSTD(1)),
    kinds Array(LowCardinality(String)) CODEC(ZSTD(1)),
    inserted_at DateTime64(6) CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY order_id
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;
