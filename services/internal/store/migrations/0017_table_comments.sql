-- What the tables and their less obvious columns are, for people who ask in SQL. Placeholders: {{on_cluster}}; see docs/api/sql.md.

-- +statement
ALTER TABLE logs {{on_cluster}}
    MODIFY COMMENT 'One row a log record; sql_logs has the same in readable form',
    COMMENT COLUMN ts 'When it happened',
    COMMENT COLUMN observed_ts 'When a collector saw it',
    COMMENT COLUMN severity 'OpenTelemetry number: 0 unknown, 1-4 trace, 5-8 debug, 9-12 info, 13-16 warn, 17-20 error, 21-24 fatal',
    COMMENT COLUMN shape_hash 'What lines of one kind have in common',
    COMMENT COLUMN resource_id 'Key of resources',
    COMMENT COLUMN trace_id 'Raw bytes: lower(hex(trace_id))'

-- +statement
ALTER TABLE spans {{on_cluster}}
    MODIFY COMMENT 'One row a span; sql_spans has the same in readable form',
    COMMENT COLUMN ts 'When it began',
    COMMENT COLUMN trace_id 'Raw bytes: lower(hex(trace_id))',
    COMMENT COLUMN parent_span_id 'Eight zero bytes for a root',
    COMMENT COLUMN kind '0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer',
    COMMENT COLUMN status '0 unset, 1 ok, 2 error',
    COMMENT COLUMN resource_id 'Key of resources'

-- +statement
ALTER TABLE resources {{on_cluster}} MODIFY COMMENT 'Attributes of what sent logs and spans; ask for any(attributes) by resource_id, rows repeat'

-- +statement
ALTER TABLE series {{on_cluster}}
    MODIFY COMMENT 'Names and labels of series; rows repeat until they are merged: GROUP BY series_id or FINAL',
    COMMENT COLUMN metric_id 'Hash of the name; samples have it too and are sorted by it',
    COMMENT COLUMN series_id 'Hash of name and labels'

-- +statement
ALTER TABLE span_calls_1m {{on_cluster}} MODIFY COMMENT 'Calls by service, operation and minute; sum(calls), sum(errors), quantilesTDigestMerge(0.5, 0.95, 0.99)(duration_ns)'

-- +statement
ALTER TABLE samples_5m {{on_cluster}} MODIFY COMMENT 'Five-minute rollups of samples that are older than ten minutes; sum(count), sum(sum), min(min), max(max)'

-- +statement
ALTER TABLE samples_1h {{on_cluster}} MODIFY COMMENT 'Hourly rollups, as samples_5m'

-- +statement
ALTER TABLE trace_index {{on_cluster}} MODIFY COMMENT 'When each trace was'

-- +statement
ALTER TABLE entities {{on_cluster}} MODIFY COMMENT 'Hosts, services and containers that have ever sent'

-- +statement
ALTER TABLE edges {{on_cluster}} MODIFY COMMENT 'What runs on what'

-- +statement
ALTER TABLE ledger {{on_cluster}} MODIFY COMMENT 'One row a message: who sent how much, and what became of it'
