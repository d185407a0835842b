-- How much each stream of logs sent, minute by minute. Placeholders: {{on_cluster}} and {{engine "Family"}}; see docs/formats/logs.md.

-- +statement
-- One row a resource, minute and severity group (after merges). Serves: label names and values, series, statistics and volume of the
-- Loki API, without reading the lines: a thousandth of their rows.
CREATE TABLE IF NOT EXISTS log_volume {{on_cluster}}
(
    tenant_id   UInt32 CODEC(ZSTD(1)),
    ts          DateTime CODEC(Delta, ZSTD(1)),
    resource_id UInt64 CODEC(ZSTD(1)),
    service     LowCardinality(String) CODEC(ZSTD(1)),
    host        LowCardinality(String) CODEC(ZSTD(1)),
    level       UInt8 CODEC(ZSTD(1)),
    lines       SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    size_bytes  SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1))
)
ENGINE = {{engine "AggregatingMergeTree"}}
PARTITION BY toYYYYMM(ts)
ORDER BY (tenant_id, ts, resource_id, service, host, level)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000

-- +statement
CREATE MATERIALIZED VIEW IF NOT EXISTS log_volume_mv {{on_cluster}} TO log_volume AS
SELECT
    tenant_id,
    toStartOfMinute(toDateTime(logs.ts)) AS ts,
    resource_id,
    service,
    host,
    toUInt8(least(intDiv(toUInt16(severity) + 3, 4), 6)) AS level,
    count() AS lines,
    sum(length(body)) AS size_bytes
FROM logs
GROUP BY tenant_id, ts, resource_id, service, host, level
