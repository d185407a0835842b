-- Attempts to see rows of another tenant, files, or other people's questions. One a line.
SELECT * FROM series
SELECT name, labels FROM series SETTINGS log_comment='2'
SELECT * FROM series SETTINGS readonly=0
SELECT * FROM series WHERE tenant_id = 2
SELECT * FROM series PREWHERE tenant_id = 2
SELECT * FROM series WHERE throwIf(labels['job'] = 'secret')
SELECT throwIf(labels['job'] = concat('sec', 'ret'), 'seen') FROM series
SELECT labels FROM series ORDER BY throwIf(tenant_id = 2, 'seen')
SELECT * FROM series FINAL
SELECT * FROM faultline.series
SELECT * FROM faultline_all.series
SELECT * FROM samples AS s INNER JOIN series AS r ON 1 = 1
SELECT * FROM sql_metric(metric = 'up')
SELECT * FROM sql_logs
SELECT * FROM sql_spans
SELECT * FROM entities_mv
SELECT * FROM edges_mv
SELECT * FROM span_calls_1m_mv
SELECT * FROM trace_index_mv
SELECT * FROM samples_5m_mv
SELECT * FROM schema_migrations WHERE name != 'secret'
SELECT * FROM merge('faultline', '.*')
SELECT * FROM merge('faultline', 'entities.*')
SELECT * FROM merge('system', 'tables')
SELECT * FROM merge(REGEXP('.*'), 'entities_mv')
SELECT * FROM mergeTreeIndex('faultline', 'entities', with_marks = true)
SELECT * FROM mergeTreeIndex('faultline', 'logs', with_marks = true)
SELECT * FROM mergeTreeProjection('faultline', 'logs', 'x')
SELECT * FROM mergeTreeTextIndex('faultline', 'logs', 'words')
SELECT * FROM mergeTreeAnalyzeIndexes('faultline', 'logs')
SELECT * FROM loop(entities) LIMIT 3
SELECT * FROM loop('faultline', 'entities') LIMIT 3
SELECT * FROM viewIfPermitted(SELECT * FROM entities ELSE null('x String'))
SELECT * FROM view(SELECT * FROM entities)
SELECT * FROM viewExplain('EXPLAIN', '', (SELECT * FROM entities))
SELECT * FROM eval('SELECT * FROM entities')
SELECT * FROM cluster('default', 'faultline', 'entities')
SELECT * FROM clusterAllReplicas('default', 'faultline', 'entities')
SELECT * FROM remote('127.0.0.1', 'faultline', 'entities')
SELECT * FROM remote('127.0.0.1', 'faultline', 'entities', 'default', '')
SELECT * FROM remoteSecure('127.0.0.1', 'faultline', 'entities')
SELECT * FROM file('/etc/passwd', 'LineAsString')
SELECT * FROM fileCluster('default', '/etc/passwd', 'LineAsString')
SELECT * FROM filesystem('/etc')
SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')
SELECT * FROM s3('http://127.0.0.1:1/bucket/x', 'LineAsString')
SELECT * FROM executable('cat', 'TSV', 'x String')
SELECT * FROM sqlite('/tmp/x', 'b')
SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')
SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')
SELECT * FROM dictionary('entities')
SELECT * FROM input('x String')
SELECT * FROM prometheusQuery('faultline', 'x', 'up', now())
SELECT * FROM timeSeriesSelector('faultline', 'x', 'up', 1, 2)
SELECT file('/etc/passwd')
SELECT `file`('/etc/passwd')
SELECT "fi\x6ce"('/etc/passwd')
SELECT arrayMap(file, ['/etc/passwd'])
SELECT * APPLY(file) FROM (SELECT '/etc/passwd' AS x)
SELECT COLUMNS('x') APPLY file FROM (SELECT '/etc/passwd' AS x)
SELECT '-- ', file('/etc/passwd')
SELECT 'a\\', file('/etc/passwd')
SELECT /* -- */ file('/etc/passwd')
SELECT joinGet('entities', 'name', 'secret')
SELECT dictGet('entities', 'name', 1)
SELECT catboostEvaluate('/etc/passwd', 1)
SELECT * FROM system.processes
SELECT * FROM system.query_log
SELECT * FROM system.parts
SELECT * FROM system.users
SELECT data_paths, total_rows FROM system.tables
SELECT * FROM system . tables
SELECT * FROM `system`.`columns`
SELECT * FROM information_schema.tables
SHOW PROCESSLIST
SHOW CREATE USER sql
SHOW ACCESS
SHOW TABLES FROM system
KILL QUERY WHERE user = 'sql'
SET log_comment = '2'
USE system
EXECUTE AS reader SELECT * FROM entities
EXPLAIN ESTIMATE SELECT * FROM entities
EXPLAIN SELECT * FROM entities SETTINGS log_comment = '2'
DESCRIBE TABLE url('http://127.0.0.1:1/x.csv')
SELECT 1 INTO OUTFILE '/tmp/faultline-outfile'
INSERT INTO FUNCTION file('/tmp/faultline-outfile') SELECT 1
INSERT INTO entities SELECT * FROM entities
CREATE TEMPORARY TABLE x AS SELECT * FROM entities
CREATE VIEW v AS SELECT * FROM entities
ALTER TABLE entities DELETE WHERE 1
BACKUP TABLE entities TO File('/tmp/faultline-backup')
GRANT SELECT ON *.* TO sql
WITH RECURSIVE r AS (SELECT * FROM entities UNION ALL SELECT * FROM r) SELECT * FROM r LIMIT 10
SELECT * FROM entities UNION ALL SELECT * FROM entities_mv
SELECT (SELECT groupArray(name) FROM entities_mv)
SELECT name IN (SELECT name FROM entities_mv) FROM entities
SELECT * FROM entities WHERE initialQueryID() = 'sql-2-x'
SELECT * FROM numbers(1) AS initialQueryID, entities
SELECT 1; SELECT * FROM entities
