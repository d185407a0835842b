package engine

import "slices"

// The user of people's own statements. What such a statement may do is decided here, by the engine, and not by reading its text: it is
// in readonly mode, where no setting can be changed from a statement; it has SELECT on the product's tables and nothing else; and its
// rows are those of one tenant.

// SQLTenantPrefix begins the query id of a statement for RoleSQL; the tenant's decimal number and a minus follow. The id is the one
// thing that travels with a query, that a row policy can see, and that the text of a statement cannot change: TenantSetting, which
// the readers use, could be given in a SETTINGS clause.
const SQLTenantPrefix = "sql-"

// sqlTenantFilter is the row policy of RoleSQL: without a tenant in the query's id there are no rows.
const sqlTenantFilter = "tenant_id = toUInt32OrZero(extract(initialQueryID(), '^" + SQLTenantPrefix + "([0-9]+)-'))"

// Limits of one statement, and of all of them together where the name says user.
const (
	sqlMaxSeconds     = 60             // As long as any other question may run.
	sqlMaxRowsToRead  = 2_000_000_000  // What two processors can read of narrow columns within that time.
	sqlMaxResultRows  = 10_000_000     // More is an export, which is better cut by time.
	sqlMaxResultBytes = int64(2 << 30) // The same in bytes, before the format.
	sqlMaxSpillBytes  = int64(2 << 30) // Sorting and grouping may use so much of the disk, and no more.
	sqlMaxQuerySize   = 256 << 10      // Written by a person or a tool.
	sqlMaxAtOnce      = 4              // So that dashboards keep most of the engine's threads.
	sqlBufferBytes    = 256 << 10      // An answer up to this size fails as a whole, with a status, and not in its middle.
	sqlMaxThreads     = 2
)

// sqlProfile are the settings of RoleSQL. A statement cannot change any of them.
func sqlProfile(memory int64) node {
	return el("sql",
		val("log_queries", 0),
		val("readonly", 1),
		val("max_execution_time", sqlMaxSeconds),
		val("max_memory_usage", memory/4),
		val("max_memory_usage_for_user", memory*3/8),
		val("max_bytes_before_external_group_by", memory/8),
		val("max_bytes_before_external_sort", memory/8),
		val("max_temporary_data_on_disk_size_for_query", sqlMaxSpillBytes/2),
		val("max_temporary_data_on_disk_size_for_user", sqlMaxSpillBytes),
		val("max_rows_to_read", sqlMaxRowsToRead),
		val("max_result_rows", sqlMaxResultRows),
		val("max_result_bytes", sqlMaxResultBytes),
		val("max_query_size", sqlMaxQuerySize),
		val("max_concurrent_queries_for_user", sqlMaxAtOnce),
		val("max_threads", sqlMaxThreads),
		val("allow_ddl", 0),
		val("allow_introspection_functions", 0),
		val("cancel_http_readonly_queries_on_client_close", 1), // The asker hung up: nobody needs the answer.
		val("http_response_buffer_size", sqlBufferBytes),
		val("output_format_json_quote_64bit_integers", 0),
		val("output_format_json_quote_denormals", 1), // JSON has no NaN.
		val("output_format_json_validate_utf8", 1),   // Ids are raw bytes.
		val("allow_experimental_time_series_aggregate_functions", 1),
	)
}

// readGrants are the rights of those who are confined to a tenant: SELECT on the tables with row policies, and on views over them. Not on the
// whole database, since a materialized view's own name reads past the policy of the table behind it. In a cluster they read the tables that
// span the shards too.
func (e *Engine) readGrants() []string {
	var grants []string
	for _, t := range slices.Concat(e.cfg.TenantTables, e.cfg.TenantViews) {
		grants = append(grants, "GRANT SELECT ON "+Database+"."+t)
		if e.cfg.Cluster != nil {
			grants = append(grants, "GRANT SELECT ON "+DistributedDatabase+"."+t)
		}
	}
	if e.cfg.Cluster != nil {
		grants = append(grants, "GRANT REMOTE ON *.*")
	}
	return grants
}

// sqlUser is the user with its row policies.
func (e *Engine) sqlUser(networks []string) node {
	u := user(RoleSQL, e.users.SQL, "sql", networks, e.readGrants()...)
	if len(e.cfg.TenantTables) > 0 {
		tables := el(Database)
		for _, t := range e.cfg.TenantTables {
			tables.kids = append(tables.kids, el(t, val("filter", sqlTenantFilter)))
		}
		u.kids = append(u.kids, el("databases", tables))
	}
	return u
}
