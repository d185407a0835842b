-- What was done to systems. Placeholders: {{on_cluster}} and {{engine "Family"}}; see docs/formats/changes.md.

-- +statement
-- One row a change (after merges): of two rows with one id the one received later stands. Serves: the list of changes by time, kind,
-- service and host, and one change by its id. Changes are few: a busy installation has some thousands a day, so that the key is the id and
-- time is found by partition and minmax index.
CREATE TABLE IF NOT EXISTS changes {{on_cluster}}
(
    tenant_id        UInt32 CODEC(ZSTD(1)),
    id               String CODEC(ZSTD(1)),
    ts               DateTime64(9) CODEC(ZSTD(1)),
    end_ts           DateTime64(9) CODEC(ZSTD(1)),
    received_at      DateTime64(3) CODEC(ZSTD(1)),
    kind             LowCardinality(String) CODEC(ZSTD(1)),
    title            String CODEC(ZSTD(1)),
    text             String CODEC(ZSTD(1)),
    status           LowCardinality(String) CODEC(ZSTD(1)),
    service          LowCardinality(String) CODEC(ZSTD(1)),
    host             LowCardinality(String) CODEC(ZSTD(1)),
    environment      LowCardinality(String) CODEC(ZSTD(1)),
    version          String CODEC(ZSTD(1)),
    previous_version String CODEC(ZSTD(1)),
    actor            String CODEC(ZSTD(1)),
    url              String CODEC(ZSTD(1)),
    source           LowCardinality(String) CODEC(ZSTD(1)),
    attributes       Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    INDEX ts_minmax ts TYPE minmax GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree(received_at)"}}
PARTITION BY toYYYYMM(ts)
ORDER BY (tenant_id, id)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000
