-- Views for people who ask in SQL: readable ids, names instead of numbers. Placeholders: {{on_cluster}}; see docs/api/sql.md.

-- +statement
-- The samples of one metric with its labels: SELECT … FROM sql_metric(metric = 'up') WHERE ts > now() - INTERVAL 1 HOUR.
CREATE VIEW IF NOT EXISTS sql_metric {{on_cluster}} AS
SELECT
    p.tenant_id AS tenant_id,
    p.ts AS ts,
    l.labels AS labels,
    p.value AS value,
    p.series_id AS series_id
FROM samples AS p
INNER JOIN
(
    SELECT tenant_id, series_id, any(labels) AS labels
    FROM series
    WHERE name = {metric:String}
    GROUP BY tenant_id, series_id
) AS l ON l.tenant_id = p.tenant_id AND l.series_id = p.series_id
WHERE p.metric_id IN (SELECT metric_id FROM series WHERE name = {metric:String})

-- +statement
-- Spans with ids in hexadecimal digits (parent_span_id is empty for a root) and words for kind and status.
CREATE VIEW IF NOT EXISTS sql_spans {{on_cluster}} AS
SELECT
    tenant_id,
    ts,
    lower(hex(trace_id)) AS trace_id,
    lower(hex(span_id)) AS span_id,
    if(parent_span_id = toFixedString('', 8), '', lower(hex(parent_span_id))) AS parent_span_id,
    service,
    host,
    name,
    ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'][least(kind, 5) + 1] AS kind,
    ['unset', 'ok', 'error'][least(status, 2) + 1] AS status,
    status_message,
    duration_ns / 1e6 AS duration_ms,
    attributes,
    resource_id
FROM spans

-- +statement
-- Log records with a word for the severity and ids in hexadecimal digits (empty where there is no trace).
CREATE VIEW IF NOT EXISTS sql_logs {{on_cluster}} AS
SELECT
    tenant_id,
    ts,
    service,
    host,
    multiIf(severity = 0, '', severity < 5, 'trace', severity < 9, 'debug', severity < 13, 'info', severity < 17, 'warn', severity < 21, 'error', 'fatal') AS level,
    body,
    attributes,
    if(trace_id = toFixedString('', 16), '', lower(hex(trace_id))) AS trace_id,
    if(span_id = toFixedString('', 8), '', lower(hex(span_id))) AS span_id,
    resource_id
FROM logs
