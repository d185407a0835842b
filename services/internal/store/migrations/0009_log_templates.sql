-- Shapes and templates of log lines: what kinds of lines there are, since when, and how many a minute. See docs/formats/logs.md.

-- +statement
-- One row a shape (after merges), kept for ever. Serves: the miner of templates, which looks at one line of each shape; first and last sight.
CREATE TABLE IF NOT EXISTS log_shapes {{on_cluster}}
(
    tenant_id  UInt32,
    service    LowCardinality(String),
    shape_hash UInt64,
    example    SimpleAggregateFunction(any, String) CODEC(ZSTD(3)),
    severity   SimpleAggregateFunction(max, UInt8),
    lines      SimpleAggregateFunction(sum, UInt64),
    first_seen SimpleAggregateFunction(min, DateTime64(3)),
    last_seen  SimpleAggregateFunction(max, DateTime64(3)),
    stored_at  SimpleAggregateFunction(max, DateTime)
)
ENGINE = {{engine "AggregatingMergeTree"}}
ORDER BY (tenant_id, service, shape_hash)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000

-- +statement
CREATE MATERIALIZED VIEW IF NOT EXISTS log_shapes_mv {{on_cluster}} TO log_shapes AS
SELECT
    tenant_id,
    service,
    shape_hash,
    any(substringUTF8(body, 1, 1000)) AS example,
    max(l.severity) AS severity,
    count() AS lines,
    toDateTime64(min(ts), 3) AS first_seen,
    toDateTime64(max(ts), 3) AS last_seen,
    now() AS stored_at
FROM logs AS l
WHERE shape_hash != 0
GROUP BY tenant_id, service, shape_hash

-- +statement
-- Lines of a shape by minute: the series that a shape is. Serves: patterns with their counts and changes, rates of kinds of lines.
CREATE TABLE IF NOT EXISTS log_shape_counts {{on_cluster}}
(
    tenant_id  UInt32 CODEC(ZSTD(1)),
    minute     DateTime CODEC(Delta, ZSTD(1)),
    service    LowCardinality(String) CODEC(ZSTD(1)),
    shape_hash UInt64 CODEC(ZSTD(1)),
    lines      UInt64 CODEC(T64, ZSTD(1))
)
ENGINE = {{engine "SummingMergeTree(lines)"}}
PARTITION BY toYYYYMM(minute)
ORDER BY (tenant_id, service, shape_hash, minute)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000

-- +statement
CREATE MATERIALIZED VIEW IF NOT EXISTS log_shape_counts_mv {{on_cluster}} TO log_shape_counts AS
SELECT
    tenant_id,
    toStartOfMinute(toDateTime(ts)) AS minute,
    service,
    shape_hash,
    count() AS lines
FROM logs
WHERE shape_hash != 0
GROUP BY tenant_id, minute, service, shape_hash

-- +statement
-- Which template a shape belongs to, as the correlator found. The latest row of a shape counts: templates merge and never part again.
CREATE TABLE IF NOT EXISTS log_templates {{on_cluster}}
(
    tenant_id   UInt32,
    service     LowCardinality(String),
    shape_hash  UInt64,
    template_id UInt64,
    template    String CODEC(ZSTD(3)),
    updated_at  DateTime64(3)
)
ENGINE = {{engine "ReplacingMergeTree(updated_at)"}}
ORDER BY (tenant_id, service, shape_hash)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000, replicated_deduplication_window = 1000
