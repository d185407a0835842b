package engine

import (
	"encoding/xml"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/internal/datadir"
)

// Bounds of the default memory limit: 40 % leaves room for the rest of a small machine, and 2 GiB is enough for the all-in-one's
// merges and queries; who wants more says so.
const (
	memoryShare      = 0.4
	maxDefaultMemory = 2 << 30
	minDefaultMemory = 512 << 20
)

// DefaultMemory returns the memory limit that the engine gets when none is configured.
func DefaultMemory() int64 {
	m := int64(memoryShare * float64(physicalMemory()))
	return min(max(m, minDefaultMemory), maxDefaultMemory)
}

// node is an XML element. The engine's configuration is a tree of these: names, text, children in order.
type node struct {
	name string
	text string
	kids []node
}

// el returns an element with children.
func el(name string, kids ...node) node { return node{name: name, kids: kids} }

// val returns an element with text.
func val[T string | int | int64](name string, v T) node { return node{name: name, text: fmt.Sprint(v)} }

// MarshalXML writes the element; text is escaped by the encoder.
func (n node) MarshalXML(enc *xml.Encoder, _ xml.StartElement) error {
	start := xml.StartElement{Name: xml.Name{Local: n.name}}
	if err := enc.EncodeToken(start); err != nil {
		return err
	}
	if n.text != "" {
		if err := enc.EncodeToken(xml.CharData(n.text)); err != nil {
			return err
		}
	}
	for _, k := range n.kids {
		if err := k.MarshalXML(enc, start); err != nil {
			return err
		}
	}
	return enc.EncodeToken(start.End())
}

// configPath is the main configuration file of the engine.
func (e *Engine) configPath() string { return filepath.Join(e.cfg.Dir, "config.xml") }

// writeConfig writes config.xml and users.xml, both 0600. They are made anew at each start: the product's own configuration is the
// only source.
func (e *Engine) writeConfig() error {
	for name, n := range map[string]node{"config.xml": e.serverConfig(), "users.xml": e.usersConfig()} {
		b, err := xml.MarshalIndent(n, "", "  ")
		if err != nil {
			return fmt.Errorf("encode %s: %w", name, err)
		}
		if err := datadir.WriteFile(filepath.Join(e.cfg.Dir, name), append(b, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// workFolders are what the engine writes to beside its data, below the engine's folder.
var workFolders = []string{"tmp", "user_files", "format_schemas"}

// serverConfig is tuned for a small machine: caches sum up to 64 MiB at most, pools fit the processors, and none of the system
// logs is on, because they would write all day with nobody to read them.
func (e *Engine) serverConfig() node {
	cpus := runtime.NumCPU()
	n := el("clickhouse",
		el("logger", val("level", "warning")),
		val("timezone", "UTC"),
		val("listen_reuse_port", 1), // The parent holds the ports while the child is restarted (see ports).
		val("tmp_path", filepath.Join(e.cfg.Dir, "tmp")+"/"),
		val("user_files_path", filepath.Join(e.cfg.Dir, "user_files")+"/"),
		val("format_schema_path", filepath.Join(e.cfg.Dir, "format_schemas")+"/"),
		el("user_directories", el("users_xml", val("path", filepath.Join(e.cfg.Dir, "users.xml")))),
		val("default_profile", "default"),

		val("max_server_memory_usage", e.cfg.MemoryBytes),
		val("merges_mutations_memory_usage_soft_limit", e.cfg.MemoryBytes/2),
		val("max_connections", 256),
		val("shutdown_wait_unfinished", 2), // Seconds for open connections; our own parts have closed theirs by then.
		val("max_concurrent_queries", 64),
		val("max_thread_pool_size", 1000),
		val("max_thread_pool_free_size", 16), // Idle threads cost stacks and arenas.

		val("mark_cache_size", 16<<20),
		val("primary_index_cache_size", 16<<20),
		val("index_mark_cache_size", 4<<20),
		val("uncompressed_cache_size", 0),
		val("index_uncompressed_cache_size", 0),
		val("text_index_tokens_cache_size", 4<<20),
		val("text_index_header_cache_size", 4<<20),
		val("text_index_postings_cache_size", 8<<20),
		val("unique_key_index_cache_size_bytes", 1<<20),
		val("unique_key_bitmap_cache_size_bytes", 1<<20),
		val("compiled_expression_cache_size", 4<<20),
		val("query_condition_cache_size", 4<<20),
		val("mmap_cache_size", 0),
		val("vector_similarity_index_cache_size", 0),
		val("point_in_polygon_cache_size", 0),
		val("parquet_metadata_cache_size", 0),
		val("iceberg_metadata_files_cache_size", 0),
		val("paimon_metadata_files_cache_size", 0),

		val("background_pool_size", max(2, cpus)),
		val("background_merges_mutations_concurrency_ratio", 2),
		val("background_schedule_pool_size", 4),
		val("background_common_pool_size", 2),
		val("background_move_pool_size", 1),
		val("background_fetches_pool_size", 1),
		val("background_buffer_flush_schedule_pool_size", 1),
		val("background_message_broker_schedule_pool_size", 1),
		val("background_distributed_schedule_pool_size", 1),

		e.mergeTree(),
	)
	if c := e.cfg.Cluster; c != nil {
		n.kids = append(n.kids, c.config())
	}
	return n
}

// mergeTree are the defaults of all tables.
func (e *Engine) mergeTree() node {
	n := el("merge_tree",
		val("max_bytes_to_merge_at_max_space_in_pool", 20<<30), // A 150 GB merge (the default) needs as much free disk again.
		val("old_parts_lifetime", 60),                          // Merged parts are kept for 8 minutes by default: that is ingest twice on a small disk.
		val("number_of_free_entries_in_pool_to_execute_mutation", 1),
		val("number_of_free_entries_in_pool_to_lower_max_size_of_merge", 1),
		val("number_of_free_entries_in_pool_to_execute_optimize_entire_partition", 1),
	)
	if e.cfg.Fsync {
		n.kids = append(n.kids, val("fsync_after_insert", 1), val("fsync_part_directory", 1))
	}
	return n
}

// config is the engine's description of a cluster.
func (c *Cluster) config() node {
	cluster := el(c.Name)
	if c.Secret != "" {
		cluster.kids = append(cluster.kids, val("secret", c.Secret))
	}
	for _, s := range c.Shards {
		host, port, err := net.SplitHostPort(s)
		if err != nil {
			host, port = s, "9000"
		}
		cluster.kids = append(cluster.kids, el("shard",
			val("internal_replication", "true"),
			el("replica", val("host", host), val("port", port))))
	}
	return el("remote_servers", cluster)
}

// TenantSetting is the setting in which a reader's query names its tenant, as a decimal number. The embedded engine refuses custom
// settings, and this one is free text, goes with every query and has no effect of its own.
const TenantSetting = "log_comment"

// tenantFilter is the row policy of the reader: without a tenant in the setting there are no rows.
const tenantFilter = "tenant_id = toUInt32OrZero(getSetting('" + TenantSetting + "'))"

// usersConfig is the list of users. `default` exists because the session that opens the ports is always that user, without a
// password. The engine takes 127.0.0.1 and ::1 for the same, so any local user can sign in as it too: hence it has no right to any
// table or address, only to what script does. The function file() asks for no right at all; confineEngine bounds what it can read.
func (e *Engine) usersConfig() node {
	memory := e.cfg.MemoryBytes
	loopback := []string{"127.0.0.1", "::1"}
	if e.cfg.Cluster != nil || !isLoopback(e.cfg.ListenHost) {
		loopback = []string{"::/0"}
	}
	db := Database + ".*"
	writer := []string{"GRANT SELECT, INSERT ON " + db, "GRANT SELECT ON system.*", "GRANT REMOTE ON *.*"}
	migrator := []string{
		"GRANT ALL ON " + db, "GRANT SELECT ON system.*", "GRANT TABLE ENGINE ON *", "GRANT CLUSTER ON *.*",
		"GRANT REMOTE ON *.*", "GRANT KILL QUERY ON *.*",
	}
	if e.cfg.Cluster != nil {
		writer = append(writer, "GRANT SELECT, INSERT ON "+DistributedDatabase+".*")
		migrator = append(migrator, "GRANT ALL ON "+DistributedDatabase+".*")
	}
	return el("clickhouse",
		el("profiles",
			el("default", val("log_queries", 0), val("max_memory_usage", 32<<20), val("max_threads", 1)),
			el("migrator", val("log_queries", 0), val("max_memory_usage", memory*3/4)),
			el("writer",
				val("log_queries", 0),
				val("async_insert", 0), // An acknowledgement means stored, not queued.
				val("insert_deduplicate", 1),
				val("deduplicate_blocks_in_dependent_materialized_views", 1),
				val("max_insert_threads", 1),
				val("max_memory_usage", memory/2)),
			sqlProfile(memory),
			el("reader",
				val("log_queries", 0),
				val("readonly", 2), // Settings may be given per query, nothing may be changed.
				val("max_execution_time", 60),
				val("max_memory_usage", memory/2),
				val("max_bytes_before_external_group_by", memory/4),
				val("max_bytes_before_external_sort", memory/4),
				val("allow_experimental_time_series_aggregate_functions", 1),
				el("constraints",
					el("max_memory_usage", val("max", memory/2)),
					el("max_execution_time", val("min", 1), val("max", 600)))),
		),
		el("quotas", el("default")),
		el("users",
			user("default", "", "default", []string{"::1"},
				"GRANT SYSTEM LISTEN ON *.*", "GRANT SELECT ON system.numbers"),
			user(RoleWriter, e.users.Writer, "writer", loopback, writer...),
			e.readerUser(loopback, db),
			e.sqlUser(loopback),
			user(RoleMigrator, e.users.Migrator, "migrator", loopback, migrator...),
		),
	)
}

// readerUser is the reader with its row policies.
func (e *Engine) readerUser(networks []string, db string) node {
	grants := e.readGrants()
	if len(e.cfg.TenantTables) == 0 { // No schema of ours, so nobody to be confined.
		grants = append(grants, "GRANT SELECT ON "+db)
		if e.cfg.Cluster != nil {
			grants = append(grants, "GRANT SELECT ON "+DistributedDatabase+".*")
		}
	}
	u := user(RoleReader, e.users.Reader, "reader", networks, grants...)
	if len(e.cfg.TenantTables) > 0 {
		tables := el(Database)
		for _, t := range e.cfg.TenantTables {
			tables.kids = append(tables.kids, el(t, val("filter", tenantFilter)))
		}
		u.kids = append(u.kids, el("databases", tables))
	}
	return u
}

// user is one user with its grants; an empty password is no password.
func user(name, password, profile string, networks []string, grants ...string) node {
	n := el(name)
	if password == "" {
		n.kids = append(n.kids, el("no_password"))
	} else {
		n.kids = append(n.kids, val("password_sha256_hex", hash(password)))
	}
	nets, gs := el("networks"), el("grants")
	for _, ip := range networks {
		nets.kids = append(nets.kids, val("ip", ip))
	}
	for _, g := range grants {
		gs.kids = append(gs.kids, val("query", g))
	}
	n.kids = append(n.kids, nets, val("profile", profile), val("quota", "default"), gs)
	return n
}

// isLoopback reports whether host is this machine only.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// physicalMemory returns the machine's memory in bytes, 4 GiB when it cannot be found out.
func physicalMemory() int64 {
	const fallback = 4 << 30
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return fallback
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) >= 2 && f[0] == "MemTotal:" {
			if kb, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				return kb << 10
			}
		}
	}
	return fallback
}
