-- What the brain said, what it was told, and what it judged on. Placeholders: {{on_cluster}} and {{engine "Family"}}; see docs/formats/incidents.md.

-- +statement
-- One row an update of a finding (after merges): opened, changed, ended. All rows of one id have its onset. Serves: findings by time and
-- entity, the latest state of one.
CREATE TABLE IF NOT EXISTS findings {{on_cluster}}
(
    tenant_id   UInt32 CODEC(ZSTD(1)),
    id          UInt64 CODEC(ZSTD(1)),
    onset       DateTime64(3) CODEC(Delta, ZSTD(1)),
    seen_at     DateTime64(3) CODEC(Delta, ZSTD(1)),
    end_at      DateTime64(3) CODEC(Delta, ZSTD(1)),
    entity_kind LowCardinality(String) CODEC(ZSTD(1)),
    entity      String CODEC(ZSTD(1)),
    signal      LowCardinality(String) CODEC(ZSTD(1)),
    series_id   UInt64 CODEC(ZSTD(1)),
    labels      Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    role        LowCardinality(String) CODEC(ZSTD(1)),
    unit        LowCardinality(String) CODEC(ZSTD(1)),
    kind        LowCardinality(String) CODEC(ZSTD(1)),
    direction   Int8 CODEC(ZSTD(1)),
    value       Float64 CODEC(ZSTD(1)),
    expected    Float64 CODEC(ZSTD(1)),
    low         Float64 CODEC(ZSTD(1)),
    high        Float64 CODEC(ZSTD(1)),
    score       Float64 CODEC(ZSTD(1)),
    p_value     Float64 CODEC(ZSTD(1)),
    confidence  Float64 CODEC(ZSTD(1)),
    history_ms  Int64 CODEC(ZSTD(1)),
    detector    LowCardinality(String) CODEC(ZSTD(1)),
    text        String CODEC(ZSTD(1)),
    INDEX id_bloom id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree"}}
PARTITION BY toYYYYMM(onset)
ORDER BY (tenant_id, onset, id, seen_at)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000

-- +statement
-- One row a revision of an incident (after merges); of two with one time the one recorded later stands. detected_at never changes, so that
-- all revisions of one lie together. Serves: the list of incidents by time, state and who is concerned, one incident whole, what was known when.
CREATE TABLE IF NOT EXISTS incidents {{on_cluster}}
(
    tenant_id     UInt32 CODEC(ZSTD(1)),
    id            String CODEC(ZSTD(1)),
    detected_at   DateTime64(3) CODEC(Delta, ZSTD(1)),
    updated_at    DateTime64(3) CODEC(Delta, ZSTD(1)),
    recorded_at   DateTime64(6) CODEC(Delta, ZSTD(1)),
    start_at      DateTime64(3) CODEC(Delta, ZSTD(1)),
    quiet_at      DateTime64(3) CODEC(Delta, ZSTD(1)),
    end_at        DateTime64(3) CODEC(Delta, ZSTD(1)),
    paged_at      DateTime64(3) CODEC(Delta, ZSTD(1)),
    state         LowCardinality(String) CODEC(ZSTD(1)),
    severity      LowCardinality(String) CODEC(ZSTD(1)),
    title         String CODEC(ZSTD(1)),
    sentence      String CODEC(ZSTD(1)),
    entities      Array(String) CODEC(ZSTD(1)),
    members       UInt32 CODEC(ZSTD(1)),
    open_members  UInt32 CODEC(ZSTD(1)),
    cause_kind    LowCardinality(String) CODEC(ZSTD(1)),
    cause_entity  String CODEC(ZSTD(1)),
    confidence    Float64 CODEC(ZSTD(1)),
    assignee      String CODEC(ZSTD(1)),
    acknowledged  Bool CODEC(ZSTD(1)),
    merged_into   String CODEC(ZSTD(1)),
    confirmed     UInt32 CODEC(ZSTD(1)),
    rejected      UInt32 CODEC(ZSTD(1)),
    summary       String CODEC(ZSTD(3)),
    body          String CODEC(ZSTD(3)),
    INDEX id_bloom id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree(recorded_at)"}}
PARTITION BY toYYYYMM(detected_at)
ORDER BY (tenant_id, detected_at, id, updated_at)
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000

-- +statement
-- One row a command of a person, with what became of it. Serves: the history of an incident, replays, which need what people said.
CREATE TABLE IF NOT EXISTS commands {{on_cluster}}
(
    tenant_id  UInt32 CODEC(ZSTD(1)),
    ts         DateTime64(3) CODEC(Delta, ZSTD(1)),
    id         String CODEC(ZSTD(1)),
    applied_at DateTime64(3) CODEC(Delta, ZSTD(1)),
    mark       UInt64 CODEC(ZSTD(1)),
    who        LowCardinality(String) CODEC(ZSTD(1)),
    action     LowCardinality(String) CODEC(ZSTD(1)),
    incident   String CODEC(ZSTD(1)),
    other      String CODEC(ZSTD(1)),
    text       String CODEC(ZSTD(1)),
    outcome    LowCardinality(String) CODEC(ZSTD(1)),
    detail     String CODEC(ZSTD(1)),
    body       String CODEC(ZSTD(1))
)
ENGINE = {{engine "ReplacingMergeTree(applied_at)"}}
PARTITION BY toYYYYMM(ts)
ORDER BY (tenant_id, ts, id)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000

-- +statement
-- One row a mark. Serves: replays, which take marks as input. 17,280 a day.
CREATE TABLE IF NOT EXISTS marks {{on_cluster}}
(
    tenant_id UInt32 CODEC(ZSTD(1)),
    seq       UInt64 CODEC(Delta, ZSTD(1)),
    at        DateTime64(3) CODEC(DoubleDelta, ZSTD(1)),
    watermark DateTime64(3) CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = {{engine "ReplacingMergeTree"}}
PARTITION BY toYYYYMM(at)
ORDER BY (tenant_id, at, seq)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000

-- +statement
-- One row a sample that was set aside: it was late, or repeated, when it was judged, which the tables of samples do not say. bits are those of the
-- value, so that of two values of one time the right one is known. Serves: replays.
CREATE TABLE IF NOT EXISTS samples_aside {{on_cluster}}
(
    tenant_id UInt32 CODEC(ZSTD(1)),
    series_id UInt64 CODEC(ZSTD(1)),
    ts        DateTime64(3) CODEC(Delta, ZSTD(1)),
    bits      UInt64 CODEC(ZSTD(1)),
    stale     Bool CODEC(ZSTD(1)),
    reason    UInt8 CODEC(ZSTD(1)),
    mark      UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = {{engine "ReplacingMergeTree"}}
PARTITION BY toYYYYMM(ts)
ORDER BY (tenant_id, series_id, ts, bits, mark)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000

-- +statement
-- The latest revision of each incident, for people.
CREATE VIEW IF NOT EXISTS sql_incidents {{on_cluster}} AS
SELECT
    tenant_id,
    id,
    argMax(i.state, (updated_at, recorded_at)) AS state,
    argMax(i.severity, (updated_at, recorded_at)) AS severity,
    argMax(i.title, (updated_at, recorded_at)) AS title,
    argMax(i.sentence, (updated_at, recorded_at)) AS sentence,
    min(i.start_at) AS start_at,
    detected_at,
    argMax(i.end_at, (updated_at, recorded_at)) AS end_at,
    argMax(i.entities, (updated_at, recorded_at)) AS entities,
    argMax(i.members, (updated_at, recorded_at)) AS members,
    argMax(i.cause_kind, (updated_at, recorded_at)) AS cause_kind,
    argMax(i.cause_entity, (updated_at, recorded_at)) AS cause_entity,
    argMax(i.confidence, (updated_at, recorded_at)) AS confidence,
    argMax(i.assignee, (updated_at, recorded_at)) AS assignee,
    argMax(i.acknowledged, (updated_at, recorded_at)) AS acknowledged
FROM incidents AS i
GROUP BY tenant_id, id, detected_at
