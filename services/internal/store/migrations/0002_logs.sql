-- Log records and their resources. Placeholders: {{on_cluster}} and {{engine "Family"}}; see docs/formats/logs.md.

-- +statement
-- One row a record. Serves: search by words, service, host, severity, trace and time, newest first; volume by time and severity.
-- Ten minutes come before service and shape, so that a search of recent time reads little, while lines of one kind lie together
-- and compress well. The word index is asked for whole words with a digit in them, the rare ones; it is made at the first merge
-- (the writer sets materialize_skip_indexes_on_insert = 0), since small parts are scanned faster than indexed.
CREATE TABLE IF NOT EXISTS logs {{on_cluster}}
(
    tenant_id   UInt32 CODEC(ZSTD(1)),
    ts          DateTime64(9) CODEC(Delta, ZSTD(1)),
    observed_ts DateTime64(9) CODEC(Delta, ZSTD(1)),
    resource_id UInt64 CODEC(ZSTD(1)),
    service     LowCardinality(String) CODEC(ZSTD(1)),
    host        LowCardinality(String) CODEC(ZSTD(1)),
    severity    UInt8 CODEC(ZSTD(1)),
    shape_hash  UInt64 CODEC(ZSTD(1)),
    body        String CODEC(ZSTD(1)),
    attributes  Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    trace_id    FixedString(16) CODEC(ZSTD(1)),
    span_id     FixedString(8) CODEC(ZSTD(1)),
    INDEX ts_minmax ts TYPE minmax GRANULARITY 1,
    INDEX words lower(body) TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 1,
    INDEX trace_bloom trace_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = {{engine "MergeTree"}}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (tenant_id, toStartOfTenMinutes(ts), service, shape_hash, host, ts)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000

-- +statement
-- Resource attributes by their identity, for logs and spans. Serves: the resource of a record or a span that is shown.
-- Stored again every quarter of an hour while it sends, so last_seen is at most that late.
CREATE TABLE IF NOT EXISTS resources {{on_cluster}}
(
    tenant_id   UInt32,
    resource_id UInt64,
    service     SimpleAggregateFunction(anyLast, String),
    host        SimpleAggregateFunction(anyLast, String),
    attributes  SimpleAggregateFunction(anyLast, Map(String, String)),
    first_seen  SimpleAggregateFunction(min, DateTime),
    last_seen   SimpleAggregateFunction(max, DateTime)
)
ENGINE = {{engine "AggregatingMergeTree"}}
ORDER BY (tenant_id, resource_id)
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 1000, replicated_deduplication_window = 1000
