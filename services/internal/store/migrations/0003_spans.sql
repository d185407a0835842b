-- Spans and what is looked up about them. Placeholders: {{on_cluster}} and {{engine "Family"}}; see docs/formats/tables.md.

-- +statement
-- One row a span. Serves: the search for traces by service, operation, status, duration and time, and, within the hours that
-- trace_index names, one trace. Times are nanoseconds; ids are raw bytes; parent_span_id is eight zero bytes for a root.
CREATE TABLE IF NOT EXISTS spans {{on_cluster}}
(
    tenant_id        UInt32 CODEC(ZSTD(1)),
    ts               DateTime64(9) CODEC(Delta, ZSTD(1)),
    trace_id         FixedString(16) CODEC(ZSTD(1)),
    span_id          FixedString(8) CODEC(ZSTD(1)),
    parent_span_id   FixedString(8) CODEC(ZSTD(1)),
    resource_id      UInt64 CODEC(ZSTD(1)),
    service          LowCardinality(String) CODEC(ZSTD(1)),
    host             LowCardinality(String) CODEC(ZSTD(1)),
    name             LowCardinality(String) CODEC(ZSTD(1)),
    kind             UInt8 CODEC(ZSTD(1)),
    duration_ns      UInt64 CODEC(T64, ZSTD(1)),
    status           UInt8 CODEC(ZSTD(1)),
    status_message   String CODEC(ZSTD(1)),
    trace_state      String CODEC(ZSTD(1)),
    scope_name       LowCardinality(String) CODEC(ZSTD(1)),
    scope_version    LowCardinality(String) CODEC(ZSTD(1)),
    attributes       Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    event_times      Array(DateTime64(9)) CODEC(ZSTD(1)),
    event_names      Array(String) CODEC(ZSTD(1)),
    event_attributes Array(Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
    link_trace_ids   Array(FixedString(16)) CODEC(ZSTD(1)),
    link_span_ids    Array(FixedString(8)) CODEC(ZSTD(1)),
    link_attributes  Array(Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
    INDEX ts_minmax ts TYPE minmax GRANULARITY 1,
    INDEX trace_bloom trace_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {{engine "MergeTree"}}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (tenant_id, toStartOfTenMinutes(ts), service, name, ts)
SETTINGS index_granularity = 4096, non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000

-- +statement
-- When a trace was: one row a trace and ten minutes (after merges). Serves: /traces/{id}, to read the few parts of spans that have it.
CREATE TABLE IF NOT EXISTS trace_index {{on_cluster}}
(
    tenant_id UInt32 CODEC(ZSTD(1)),
    trace_id  FixedString(16) CODEC(ZSTD(1)),
    day       Date CODEC(ZSTD(1)),
    min_ts    SimpleAggregateFunction(min, DateTime64(9)) CODEC(ZSTD(1)),
    max_ts    SimpleAggregateFunction(max, DateTime64(9)) CODEC(ZSTD(1)),
    spans     SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1))
)
ENGINE = {{engine "AggregatingMergeTree"}}
PARTITION BY toYYYYMMDD(day)
ORDER BY (tenant_id, trace_id, day)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000

-- +statement
CREATE MATERIALIZED VIEW IF NOT EXISTS trace_index_mv {{on_cluster}} TO trace_index AS
SELECT
    tenant_id,
    trace_id,
    toDate(ts) AS day,
    min(ts) AS min_ts,
    max(ts) AS max_ts,
    count() AS spans
FROM spans
GROUP BY tenant_id, trace_id, day

-- +statement
-- Calls by service and operation and minute. Serves: the list of services and operations with rates, errors and durations.
-- Only server and consumer spans and roots count as calls (kind 2, 5, or no parent).
CREATE TABLE IF NOT EXISTS span_calls_1m {{on_cluster}}
(
    tenant_id   UInt32 CODEC(ZSTD(1)),
    minute      DateTime CODEC(Delta, ZSTD(1)),
    service     LowCardinality(String) CODEC(ZSTD(1)),
    name        LowCardinality(String) CODEC(ZSTD(1)),
    calls       SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    errors      SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    duration_ns AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), UInt64) CODEC(ZSTD(1))
)
ENGINE = {{engine "AggregatingMergeTree"}}
PARTITION BY toYYYYMMDD(minute)
ORDER BY (tenant_id, service, name, minute)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000

-- +statement
CREATE MATERIALIZED VIEW IF NOT EXISTS span_calls_1m_mv {{on_cluster}} TO span_calls_1m AS
SELECT
    tenant_id,
    toStartOfMinute(toDateTime(ts)) AS minute,
    service,
    name,
    count() AS calls,
    countIf(status = 2) AS errors,
    quantilesTDigestState(0.5, 0.95, 0.99)(duration_ns) AS duration_ns
FROM spans
WHERE kind IN (2, 5) OR parent_span_id = toFixedString('', 8)
GROUP BY tenant_id, minute, service, name
