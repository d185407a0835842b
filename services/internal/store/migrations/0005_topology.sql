-- What there is and how it hangs together, as far as resources say it. Placeholders: {{on_cluster}} and {{engine "Family"}}.

-- +statement
-- One row an entity (after merges). Serves: the lists of hosts, services and containers that have ever sent, with when.
CREATE TABLE IF NOT EXISTS entities {{on_cluster}}
(
    tenant_id  UInt32,
    kind       LowCardinality(String),
    id         String,
    name       SimpleAggregateFunction(anyLast, String),
    first_seen SimpleAggregateFunction(min, DateTime),
    last_seen  SimpleAggregateFunction(max, DateTime)
)
ENGINE = {{engine "AggregatingMergeTree"}}
ORDER BY (tenant_id, kind, id)
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 1000, replicated_deduplication_window = 1000

-- +statement
-- One row an edge (after merges): from uses, or runs on, to. Serves: the neighbourhood of an entity. Calls between services are added by the correlator.
CREATE TABLE IF NOT EXISTS edges {{on_cluster}}
(
    tenant_id  UInt32,
    kind       LowCardinality(String),
    from_kind  LowCardinality(String),
    from_id    String,
    to_kind    LowCardinality(String),
    to_id      String,
    first_seen SimpleAggregateFunction(min, DateTime),
    last_seen  SimpleAggregateFunction(max, DateTime)
)
ENGINE = {{engine "AggregatingMergeTree"}}
ORDER BY (tenant_id, kind, from_kind, from_id, to_kind, to_id)
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 1000, replicated_deduplication_window = 1000

-- +statement
CREATE MATERIALIZED VIEW IF NOT EXISTS entities_mv {{on_cluster}} TO entities AS
SELECT
    r.tenant_id AS tenant_id,
    e.1 AS kind,
    e.2 AS id,
    anyLast(e.3) AS name,
    min(r.first_seen) AS first_seen,
    max(r.last_seen) AS last_seen
FROM resources AS r
ARRAY JOIN [
    ('service', r.service, r.service),
    ('host', r.host, if(r.attributes['host.name'] = '', r.host, r.attributes['host.name'])),
    ('container', r.attributes['container.id'], r.attributes['container.name'])
] AS e
WHERE e.2 != ''
GROUP BY tenant_id, kind, id

-- +statement
CREATE MATERIALIZED VIEW IF NOT EXISTS edges_mv {{on_cluster}} TO edges AS
SELECT
    r.tenant_id AS tenant_id,
    'runs_on' AS kind,
    e.1 AS from_kind,
    e.2 AS from_id,
    e.3 AS to_kind,
    e.4 AS to_id,
    min(r.first_seen) AS first_seen,
    max(r.last_seen) AS last_seen
FROM resources AS r
ARRAY JOIN [
    ('service', r.service, 'host', r.host),
    ('service', r.service, 'container', r.attributes['container.id']),
    ('container', r.attributes['container.id'], 'host', r.host)
] AS e
WHERE e.2 != '' AND e.4 != ''
GROUP BY tenant_id, kind, from_kind, from_id, to_kind, to_id
