// Package clickhouse is the only place that speaks to ClickHouse: it opens connections, applies the schema, writes batches by
// column under deduplication tokens, packs samples, and reads. The embedded engine and a cluster are the same to it.
package clickhouse
