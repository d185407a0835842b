-- Forecasts as they were made, and what came. Placeholders: {{on_cluster}} and {{engine "Family"}}; see docs/formats/tables.md.

-- +statement
-- One row a forecast, never changed afterwards: what is thought later is another row. Serves: the latest of each target, and the past of one
-- target beside what came.
CREATE TABLE IF NOT EXISTS forecasts {{on_cluster}}
(
    tenant_id     UInt32,
    target_id     UInt64,
    made_at       DateTime64(3) CODEC(Delta, ZSTD(1)),
    kind          LowCardinality(String),
    resource      LowCardinality(String),
    entity_kind   LowCardinality(String),
    entity        String CODEC(ZSTD(1)),
    metric        LowCardinality(String),
    labels        Map(LowCardinality(String), String) CODEC(ZSTD(3)),
    unit          LowCardinality(String),
    state         LowCardinality(String),
    limit_value   Float64 CODEC(ZSTD(1)),
    level         Float64 CODEC(ZSTD(1)),
    per_hour      Float64 CODEC(ZSTD(1)),
    per_hour_low  Float64 CODEC(ZSTD(1)),
    per_hour_high Float64 CODEC(ZSTD(1)),
    since_at      DateTime64(3) CODEC(ZSTD(1)),
    reach_at      DateTime64(3) CODEC(ZSTD(1)),
    earliest_at   DateTime64(3) CODEC(ZSTD(1)),
    latest_at     DateTime64(3) CODEC(ZSTD(1)),
    start_at      DateTime64(3) CODEC(ZSTD(1)),
    step_ms       UInt32,
    median        Array(Float32) CODEC(ZSTD(1)),
    low80         Array(Float32) CODEC(ZSTD(1)),
    high80        Array(Float32) CODEC(ZSTD(1)),
    low95         Array(Float32) CODEC(ZSTD(1)),
    high95        Array(Float32) CODEC(ZSTD(1)),
    method        LowCardinality(String),
    error         Float64 CODEC(ZSTD(1)),
    scale         Float64 CODEC(ZSTD(1)),
    confidence    Float32 CODEC(ZSTD(1)),
    advice        String CODEC(ZSTD(3))
)
ENGINE = {{engine "ReplacingMergeTree"}}
PARTITION BY toYYYYMM(made_at)
ORDER BY (tenant_id, target_id, made_at)
TTL toDateTime(made_at) + INTERVAL 60 DAY
SETTINGS index_granularity = 256, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000, replicated_deduplication_window = 1000

-- +statement
-- What came, by hour: the load of a target, or the worst level of a stock. Serves: every past forecast beside it.
CREATE TABLE IF NOT EXISTS forecast_actuals {{on_cluster}}
(
    tenant_id UInt32 CODEC(ZSTD(1)),
    target_id UInt64 CODEC(ZSTD(1)),
    ts        DateTime CODEC(Delta, ZSTD(1)),
    value     Float64 CODEC(ZSTD(1))
)
ENGINE = {{engine "ReplacingMergeTree"}}
PARTITION BY toYYYYMM(ts)
ORDER BY (tenant_id, target_id, ts)
TTL ts + INTERVAL 75 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000, replicated_deduplication_window = 1000
