package clickhouse

import (
	"context"
	"strings"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
)

// insertSettings make one INSERT one block under one token: a retry of the same token stores nothing, in the table and in what
// materialized views made of it.
func insertSettings(token string) []chgo.Setting {
	return []chgo.Setting{
		chgo.SettingInt("insert_deduplicate", 1),
		chgo.SettingInt("deduplicate_blocks_in_dependent_materialized_views", 1),
		{Key: "insert_deduplication_token", Value: token, Important: true},
		chgo.SettingInt("max_partitions_per_insert_block", 0),
		chgo.SettingInt("async_insert", 0),
		chgo.SettingInt("max_insert_threads", 1),
		// A view that groups must hand on one block: in two levels it makes 256 small ones, and each would become a part.
		chgo.SettingInt("group_by_two_level_threshold", 0),
		chgo.SettingInt("group_by_two_level_threshold_bytes", 0),
		chgo.SettingInt("max_threads", 1),
	}
}

// insert writes one block of columns into table under token and further settings; no rows is no insert.
func (d *DB) insert(ctx context.Context, table, token string, in proto.Input, more ...chgo.Setting) error {
	if len(in) == 0 || in[0].Data.Rows() == 0 {
		return nil
	}
	names := make([]string, len(in))
	for i := range in {
		names[i] = in[i].Name
	}
	return d.Bulk(ctx, chgo.Query{
		Body:     "INSERT INTO " + table + " (" + strings.Join(names, ", ") + ") VALUES",
		Input:    in,
		Settings: append(insertSettings(token+":"+table), more...),
	})
}
