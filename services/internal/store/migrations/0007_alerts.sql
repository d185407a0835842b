-- What became of alerts, whoever raised them. Placeholders: {{on_cluster}} and {{engine "Family"}}.

-- +statement
-- One row an event (after merges): an alert began to fire, or was over. A leader that takes over writes rows again, so of equal keys the
-- latest stays. Serves: the history of alerts newest first, and what the correlator takes as findings.
CREATE TABLE IF NOT EXISTS alerts {{on_cluster}}
(
    tenant_id     UInt32,
    ts            DateTime64(3) CODEC(Delta, ZSTD(1)),
    fingerprint   UInt64,
    status        LowCardinality(String),
    name          LowCardinality(String),
    starts_at     DateTime64(3) CODEC(Delta, ZSTD(1)),
    ends_at       DateTime64(3) CODEC(Delta, ZSTD(1)),
    labels        Map(LowCardinality(String), String) CODEC(ZSTD(3)),
    annotations   Map(LowCardinality(String), String) CODEC(ZSTD(3)),
    source        LowCardinality(String),
    generator_url String CODEC(ZSTD(3)),
    recorded_at   DateTime64(3) CODEC(Delta, ZSTD(1))
)
ENGINE = {{engine "ReplacingMergeTree(recorded_at)"}}
PARTITION BY toYYYYMM(ts)
ORDER BY (tenant_id, ts, fingerprint, status)
TTL toDateTime(ts) + INTERVAL 400 DAY
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000, replicated_deduplication_window = 1000
