-- Series and samples. Placeholders: {{on_cluster}} and {{engine "Family"}}; see docs/formats/tables.md.

-- +statement
-- One row a series (after merges). Serves: label matchers to series ids. The metric comes first, since nearly every selector names it.
CREATE TABLE IF NOT EXISTS series {{on_cluster}}
(
    tenant_id  UInt32,
    metric_id  UInt32,
    series_id  UInt64 CODEC(ZSTD(1)),
    name       LowCardinality(String) CODEC(ZSTD(1)),
    labels     Map(LowCardinality(String), String) CODEC(ZSTD(3)),
    shard_hash UInt64 CODEC(ZSTD(1)),
    first_seen SimpleAggregateFunction(min, DateTime) CODEC(Delta, ZSTD(1)),
    last_seen  SimpleAggregateFunction(max, DateTime) CODEC(Delta, ZSTD(1))
)
ENGINE = {{engine "AggregatingMergeTree"}}
ORDER BY (tenant_id, metric_id, series_id)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000, replicated_deduplication_window = 1000,
         allow_dimensions_outside_sorting_key = 1 -- name, labels and shard_hash follow from series_id

-- +statement
-- What metric families mean. Serves: /api/v1/metadata, units on charts.
CREATE TABLE IF NOT EXISTS metric_metadata {{on_cluster}}
(
    tenant_id UInt32,
    family    String,
    original  String,
    type      LowCardinality(String),
    unit      String,
    help      String,
    seen_at   DateTime
)
ENGINE = {{engine "ReplacingMergeTree(seen_at)"}}
ORDER BY (tenant_id, family)
SETTINGS non_replicated_deduplication_window = 1000, replicated_deduplication_window = 1000

-- +statement
-- Samples as they arrive, one row each. bucket is the ten minutes of reception: a closed bucket is packed and dropped as a partition.
CREATE TABLE IF NOT EXISTS samples_recent {{on_cluster}}
(
    tenant_id UInt32 CODEC(ZSTD(1)),
    metric_id UInt32 CODEC(Delta, ZSTD(1)),
    series_id UInt64 CODEC(Delta, ZSTD(1)),
    ts        DateTime64(3) CODEC(DoubleDelta, LZ4),
    value     Float64 CODEC(ZSTD(1)),
    stale     Bool CODEC(ZSTD(1)),
    bucket    DateTime CODEC(ZSTD(1))
)
ENGINE = {{engine "MergeTree"}}
PARTITION BY bucket
ORDER BY (tenant_id, metric_id, series_id, ts)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000

-- +statement
-- A closed bucket while it is being packed. Moving the partition here makes the packer's input immutable whoever still writes.
CREATE TABLE IF NOT EXISTS samples_packing {{on_cluster}} AS samples_recent
ENGINE = {{engine "MergeTree"}}
PARTITION BY bucket
ORDER BY (tenant_id, metric_id, series_id, ts)

-- +statement
-- Packed samples: one row a series and block of at most two hours within one UTC day.
-- Time i (0 ≤ i < samples) is first_ts + i·step_ms + offsets_ms[i] milliseconds (offsets empty: all 0).
-- Value i is (mantissa0 + the sum of the first i deltas) / 10^scale (deltas empty: constant), unless floats is not empty: then floats[i].
-- A row with stale = true holds staleness markers and no values.
CREATE TABLE IF NOT EXISTS samples_packed {{on_cluster}}
(
    tenant_id  UInt32 CODEC(ZSTD(1)),
    metric_id  UInt32 CODEC(Delta, ZSTD(1)),
    series_id  UInt64 CODEC(Delta, ZSTD(1)),
    first_ts   DateTime64(3) CODEC(Delta, ZSTD(1)),
    last_ts    DateTime64(3) CODEC(Delta, ZSTD(1)),
    stale      Bool CODEC(ZSTD(1)),
    samples    UInt32 CODEC(ZSTD(1)),
    step_ms    UInt32 CODEC(ZSTD(1)),
    offsets_ms Array(Int32) CODEC(T64, ZSTD(1)),
    scale      UInt8 CODEC(ZSTD(1)),
    mantissa0  Int64 CODEC(ZSTD(1)),
    deltas     Array(Int64) CODEC(T64, ZSTD(1)),
    floats     Array(Float64) CODEC(ZSTD(1))
)
ENGINE = {{engine "MergeTree"}}
PARTITION BY toYYYYMMDD(first_ts)
ORDER BY (tenant_id, metric_id, series_id, first_ts)
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000

-- +statement
-- Where the packer puts five-minute sums of a block; the table keeps nothing, its view feeds samples_5m.
CREATE TABLE IF NOT EXISTS samples_5m_in {{on_cluster}}
(
    tenant_id UInt32,
    metric_id UInt32,
    series_id UInt64,
    ts        DateTime,
    count     UInt64,
    sum       Float64,
    min       Float64,
    max       Float64,
    first_ts  DateTime64(3),
    first     Float64,
    last_ts   DateTime64(3),
    last      Float64
)
ENGINE = Null

-- +statement
-- Five-minute rollups. Serves: ranges of days and more. Partial rows of one bucket merge.
CREATE TABLE IF NOT EXISTS samples_5m {{on_cluster}}
(
    tenant_id UInt32 CODEC(ZSTD(1)),
    metric_id UInt32 CODEC(Delta, ZSTD(1)),
    series_id UInt64 CODEC(Delta, ZSTD(1)),
    ts        DateTime CODEC(Delta, ZSTD(1)),
    count     SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    sum       SimpleAggregateFunction(sum, Float64) CODEC(ZSTD(1)),
    min       SimpleAggregateFunction(min, Float64) CODEC(ZSTD(1)),
    max       SimpleAggregateFunction(max, Float64) CODEC(ZSTD(1)),
    first     AggregateFunction(argMin, Float64, DateTime64(3)) CODEC(ZSTD(1)),
    last      AggregateFunction(argMax, Float64, DateTime64(3)) CODEC(ZSTD(1))
)
ENGINE = {{engine "AggregatingMergeTree"}}
PARTITION BY toYYYYMM(ts)
ORDER BY (tenant_id, metric_id, series_id, ts)
SETTINGS index_granularity = 2048, non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000

-- +statement
CREATE TABLE IF NOT EXISTS samples_1h {{on_cluster}} AS samples_5m
ENGINE = {{engine "AggregatingMergeTree"}}
PARTITION BY toYYYYMM(ts)
ORDER BY (tenant_id, metric_id, series_id, ts)
SETTINGS index_granularity = 2048, non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000

-- +statement
CREATE MATERIALIZED VIEW IF NOT EXISTS samples_5m_mv {{on_cluster}} TO samples_5m AS
SELECT
    tenant_id,
    metric_id,
    series_id,
    ts,
    sum(i.count) AS count,
    sum(i.sum) AS sum,
    min(i.min) AS min,
    max(i.max) AS max,
    argMinState(i.first, i.first_ts) AS first,
    argMaxState(i.last, i.last_ts) AS last
FROM samples_5m_in AS i
GROUP BY tenant_id, metric_id, series_id, ts

-- +statement
CREATE MATERIALIZED VIEW IF NOT EXISTS samples_1h_mv {{on_cluster}} TO samples_1h AS
SELECT
    tenant_id,
    metric_id,
    series_id,
    toStartOfHour(s.ts) AS ts,
    sum(s.count) AS count,
    sum(s.sum) AS sum,
    min(s.min) AS min,
    max(s.max) AS max,
    argMinMergeState(s.first) AS first,
    argMaxMergeState(s.last) AS last
FROM samples_5m AS s
GROUP BY tenant_id, metric_id, series_id, ts

-- +statement
-- Native histograms (exponential and custom buckets), one row a sample, lossless.
CREATE TABLE IF NOT EXISTS histograms {{on_cluster}}
(
    tenant_id        UInt32 CODEC(ZSTD(1)),
    metric_id        UInt32 CODEC(Delta, ZSTD(1)),
    series_id        UInt64 CODEC(Delta, ZSTD(1)),
    ts               DateTime64(3) CODEC(DoubleDelta, ZSTD(1)),
    stale            Bool CODEC(ZSTD(1)),
    schema           Int8 CODEC(ZSTD(1)),
    zero_threshold   Float64 CODEC(ZSTD(1)),
    zero_count       Float64 CODEC(ZSTD(1)),
    count            Float64 CODEC(ZSTD(1)),
    sum              Float64 CODEC(ZSTD(1)),
    positive_spans   Array(Int32) CODEC(T64, ZSTD(1)),
    positive_buckets Array(Float64) CODEC(ZSTD(1)),
    negative_spans   Array(Int32) CODEC(T64, ZSTD(1)),
    negative_buckets Array(Float64) CODEC(ZSTD(1)),
    custom_values    Array(Float64) CODEC(ZSTD(1)),
    is_float         Bool CODEC(ZSTD(1)),
    reset_hint       UInt8 CODEC(ZSTD(1))
)
ENGINE = {{engine "MergeTree"}}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (tenant_id, metric_id, series_id, ts)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000

-- +statement
CREATE TABLE IF NOT EXISTS exemplars {{on_cluster}}
(
    tenant_id UInt32 CODEC(ZSTD(1)),
    metric_id UInt32 CODEC(Delta, ZSTD(1)),
    series_id UInt64 CODEC(Delta, ZSTD(1)),
    ts        DateTime64(3) CODEC(DoubleDelta, ZSTD(1)),
    value     Float64 CODEC(ZSTD(1)),
    labels    Map(LowCardinality(String), String) CODEC(ZSTD(1))
)
ENGINE = {{engine "MergeTree"}}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (tenant_id, metric_id, series_id, ts)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000

-- +statement
-- Every sample as time and value, for people and SQL: recent, being packed, packed. Stale markers are left out.
CREATE VIEW IF NOT EXISTS samples {{on_cluster}} AS
SELECT tenant_id, metric_id, series_id, ts, value FROM samples_recent WHERE NOT stale
UNION ALL
SELECT tenant_id, metric_id, series_id, ts, value FROM samples_packing WHERE NOT stale
UNION ALL
SELECT
    tenant_id,
    metric_id,
    series_id,
    time AS ts,
    number AS value
FROM
(
    -- Whole arrays are made first and joined once: an expression of a joined row would copy the block's arrays for every sample of it.
    SELECT
        tenant_id,
        metric_id,
        series_id,
        arrayMap((i, offset) -> first_ts + toIntervalMillisecond(i * step_ms + offset),
                 range(samples), if(empty(offsets_ms), arrayResize(offsets_ms, samples), offsets_ms)) AS times,
        if(notEmpty(floats), floats,
           arrayMap(c -> (mantissa0 + c) / [1., 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15][scale + 1],
                    arrayPushFront(arrayCumSum(arrayResize(deltas, samples - 1)), 0))) AS numbers
    FROM samples_packed
    WHERE NOT stale
)
ARRAY JOIN times AS time, numbers AS number
