package migrations

import (
	"fmt"
	"regexp"
	"strings"
)

// DistributedSuffix is added to the name of the database for the one with the Distributed tables: every shard has its rows in
// faultline, and all shards' rows are read in faultline_all under the same table names. So a reader of a cluster has another
// database in its address and nothing else differs.
const DistributedSuffix = "_all"

// shardKeys says for each table of the schema which shard a row belongs to. Rows that are read together lie together: a series with
// all its samples, a trace with all its spans, the logs of one entity. Local tables are no business of readers: localOnly.
var shardKeys = map[string]string{
	"series":          "series_id",
	"metric_metadata": "cityHash64(family)",
	"samples_recent":  "series_id",
	"samples_packing": "series_id",
	"samples_packed":  "series_id",
	"samples_5m_in":   localOnly,
	"samples_5m":      "series_id",
	"samples_1h":      "series_id",
	"histograms":      "series_id",
	"exemplars":       "series_id",
	"logs":            "resource_id",
	// A shape's lines are spread as logs are; its rows on all shards add up.
	"log_shapes":       "cityHash64(service, shape_hash)",
	"log_shape_counts": "cityHash64(service, shape_hash)",
	"log_templates":    "cityHash64(service, shape_hash)",
	"log_volume":       "resource_id",
	"resources":        "resource_id",
	"spans":            "cityHash64(trace_id)",
	"trace_index":      "cityHash64(trace_id)",
	"span_calls_1m":    "cityHash64(service)",
	"entities":         "cityHash64(kind, id)",
	"edges":            "cityHash64(from_kind, from_id)",
	"alerts":           "fingerprint",
	"ledger":           "seq",
	"ledger_rejected":  "cityHash64(source)",
	"changes":          "cityHash64(id)",
	"findings":         "id",
	"incidents":        "cityHash64(id)",
	"commands":         "cityHash64(incident)",
	"marks":            "seq",
	"samples_aside":    "series_id",
	"forecasts":        "target_id",
	"forecast_actuals": "target_id",
}

// localOnly marks a table that exists on each shard for itself: it feeds a view and keeps no rows.
const localOnly = ""

var (
	createTable = regexp.MustCompile(`(?m)^CREATE TABLE IF NOT EXISTS ([a-z0-9_]+) `)
	createView  = regexp.MustCompile(`(?m)^CREATE VIEW IF NOT EXISTS ([a-z0-9_]+) `)
)

// Distributed returns the statements that make, beside the tables of database on every shard, a second database with a Distributed
// table for each, and the plain views over those. They hold no data, so they are made anew each time and always fit the tables.
// Errors: a table without a shard key, which is a mistake in this package.
func Distributed(all []Migration, database string, t Target) ([]string, error) {
	global, on := database+DistributedSuffix, ""
	if t.OnCluster {
		on = " ON CLUSTER " + t.Cluster
	}
	out := []string{fmt.Sprintf("CREATE DATABASE IF NOT EXISTS %s%s", global, on)}
	var views []string
	for _, m := range all {
		for _, s := range m.Statements {
			if name := createTable.FindStringSubmatch(s); name != nil {
				key, ok := shardKeys[name[1]]
				if !ok {
					return nil, fmt.Errorf("table %s has no shard key", name[1])
				}
				if key != localOnly {
					out = append(out, fmt.Sprintf("CREATE OR REPLACE TABLE %s.%s%s AS %s.%s ENGINE = Distributed('%s', '%s', '%s', %s)",
						global, name[1], on, database, name[1], t.Cluster, database, name[1], key))
				}
			}
			if name := createView.FindStringSubmatch(s); name != nil {
				views = append(views, distributedView(s, name[1], global, on))
			}
		}
	}
	return append(out, views...), nil
}

// fromTable finds the tables that a view reads; names of subqueries and functions do not follow FROM in our files.
var fromTable = regexp.MustCompile(`\bFROM ([a-z][a-z0-9_]*)`)

// distributedView is a view of the schema that reads the Distributed tables.
func distributedView(statement, name, global, on string) string {
	body := statement[strings.Index(statement, "CREATE VIEW"):]
	body = fromTable.ReplaceAllString(body, "FROM "+global+".$1")
	body = strings.Replace(body, "CREATE VIEW IF NOT EXISTS "+name+" {{on_cluster}}", "CREATE OR REPLACE VIEW "+global+"."+name+on, 1)
	return body
}
