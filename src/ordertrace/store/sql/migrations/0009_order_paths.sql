-- The way of each order through the flow: the statuses that it really reached, in order of time, each as often as it did.
-- Made from order_events when somebody asks how orders go, for those about which something came in since the last question.
CREATE TABLE order_paths
(
    order_id String CODEC(ZSTD(1)),
    statuses Array(LowCardinality(String)) CODEC(ZSTD(1)),
    -- when each of them was reached, ns since 1970, clocks corrected
    times Array(Int64) CODEC(ZSTD(1)),
    -- flow and clock corrections that it was made with
    basis UInt64 CODEC(ZSTD(1)),
    -- up to which moment of insertion facts went into it
    made_until DateTime64(3) CODEC(DoubleDelta, ZSTD(1)),
    inserted_at DateTime64(6) CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY order_id
SETTINGS index_granularity = 1024;
