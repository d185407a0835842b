-- The ledger: what arrived and what became of it.

-- +statement
-- One row a bus message, inserted under the message group's own token: the proof that stream sequence seq was dealt with.
CREATE TABLE IF NOT EXISTS ledger {{on_cluster}}
(
    tenant_id   UInt32 CODEC(ZSTD(1)),
    stream      LowCardinality(String) CODEC(ZSTD(1)),
    epoch       UInt64 CODEC(ZSTD(1)),
    seq         UInt64 CODEC(DoubleDelta, ZSTD(1)),
    received_at DateTime64(3) CODEC(Delta, ZSTD(1)),
    stored_at   DateTime64(3) CODEC(Delta, ZSTD(1)),
    signal      LowCardinality(String) CODEC(ZSTD(1)),
    source      LowCardinality(String) CODEC(ZSTD(1)),
    protocol    LowCardinality(String) CODEC(ZSTD(1)),
    accepted    UInt64 CODEC(T64, ZSTD(1)),
    stored      UInt64 CODEC(T64, ZSTD(1)),
    dead_letter UInt64 CODEC(T64, ZSTD(1)),
    agent_batch UInt64 CODEC(ZSTD(1)),
    agent_sent  UInt64 CODEC(ZSTD(1)),
    agent_dropped UInt64 CODEC(ZSTD(1))
)
ENGINE = {{engine "MergeTree"}}
PARTITION BY toYYYYMMDD(received_at)
ORDER BY (tenant_id, signal, source, stream, seq)
TTL toDateTime(received_at) + INTERVAL 30 DAY
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000, ttl_only_drop_parts = 1

-- +statement
-- What the gateway refused, by reason; added up over minutes.
CREATE TABLE IF NOT EXISTS ledger_rejected {{on_cluster}}
(
    tenant_id UInt32,
    minute    DateTime CODEC(Delta, ZSTD(1)),
    signal    LowCardinality(String),
    source    LowCardinality(String),
    protocol  LowCardinality(String),
    reason    LowCardinality(String),
    count     UInt64
)
ENGINE = {{engine "SummingMergeTree(count)"}}
PARTITION BY toYYYYMM(minute)
ORDER BY (tenant_id, signal, source, protocol, reason, minute)
TTL minute + INTERVAL 30 DAY
SETTINGS non_replicated_deduplication_window = 1000, replicated_deduplication_window = 1000
