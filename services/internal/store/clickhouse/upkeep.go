package clickhouse

import (
	"context"
	"fmt"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store"
)

// retained are the tables whose rows expire, with the column that says when.
var retained = []struct {
	table, column string
	kind          string
}{
	{"samples_packed", "toDateTime(first_ts)", "metrics"},
	{"histograms", "toDateTime(ts)", "metrics"},
	{"exemplars", "toDateTime(ts)", "metrics"},
	{"samples_5m", "ts", "metrics_5m"},
	{"samples_1h", "ts", "metrics_1h"},
	{"logs", "toDateTime(ts)", "logs"},
	{"log_shape_counts", "minute", "metrics"},
	{"log_volume", "ts", "logs"},
	{"spans", "toDateTime(ts)", "spans"},
	{"changes", "toDateTime(ts)", "changes"},
	{"findings", "toDateTime(onset)", "findings"},
	{"incidents", "toDateTime(detected_at)", "incidents"},
	{"commands", "toDateTime(ts)", "incidents"},
	// What a replay needs beside the samples is of no use without them.
	{"marks", "toDateTime(at)", "metrics"},
	{"samples_aside", "toDateTime(ts)", "metrics"},
}

// Retention says how long rows are kept, by the kinds metrics, metrics_5m, metrics_1h, logs, spans,
// changes, findings and incidents; 0 keeps them for ever.
type Retention map[string]time.Duration

// ApplyRetention sets the tables' TTL. Only whole parts are dropped, and partitions are days (months for the few rows of changes, findings and incidents), so expiring costs nothing. It changes a
// table only when its TTL differs.
func (d *DB) ApplyRetention(ctx context.Context, r Retention) error {
	for _, t := range retained {
		days := int(r[t.kind].Hours() / 24)
		var create string
		if err := d.conn.QueryRow(ctx, "SHOW CREATE TABLE "+t.table).Scan(&create); err != nil {
			return errs.New(errs.Unavailable, "read table %s: %w", t.table, err)
		}
		want := fmt.Sprintf("TTL %s + toIntervalDay(%d)", t.column, days)
		have := containsTTL(create)
		switch {
		case days == 0 && have == "", have == want:
			continue
		case days == 0:
			if err := d.conn.Exec(ctx, "ALTER TABLE "+t.table+" REMOVE TTL"); err != nil {
				return errs.New(errs.Unavailable, "keep %s for ever: %w", t.table, err)
			}
			continue
		}
		alter := fmt.Sprintf("ALTER TABLE %s MODIFY SETTING ttl_only_drop_parts = 1", t.table)
		if err := d.conn.Exec(ctx, alter); err != nil {
			return errs.New(errs.Unavailable, "set how %s expires: %w", t.table, err)
		}
		alter = fmt.Sprintf("ALTER TABLE %s MODIFY %s SETTINGS materialize_ttl_after_modify = 0", t.table, want)
		if err := d.conn.Exec(ctx, alter); err != nil {
			return errs.New(errs.Unavailable, "set the retention of %s: %w", t.table, err)
		}
	}
	return nil
}

// containsTTL returns the TTL line of a CREATE statement, or "".
func containsTTL(create string) string {
	start := -1
	for i := 0; i+4 <= len(create); i++ {
		if create[i:i+4] == "TTL " && (i == 0 || create[i-1] == '\n') {
			start = i
			break
		}
	}
	if start < 0 {
		return ""
	}
	end := start
	for end < len(create) && create[end] != '\n' {
		end++
	}
	return create[start:end]
}

// DiskSpace returns the size and the free space of the server's own disk, in bytes.
func (d *DB) DiskSpace(ctx context.Context) (path string, total, free uint64, err error) {
	const q = "SELECT path, total_space, free_space FROM system.disks ORDER BY name = 'default' DESC LIMIT 1"
	if err := d.conn.QueryRow(ctx, q).Scan(&path, &total, &free); err != nil {
		return "", 0, 0, queryError(err)
	}
	return path, total, free, nil
}

// droppable are the tables whose oldest days may go when the disk fills, raw history only: rollups and the ledger are small.
const listPartitions = `
SELECT table, partition_id, toUInt32(toYYYYMMDD(max(if(max_time > toDateTime(0), max_time, toDateTime(max_date))))) AS day, sum(bytes_on_disk) AS bytes
FROM system.parts
WHERE database = currentDatabase() AND active AND table IN ('samples_packed', 'histograms', 'exemplars', 'logs', 'spans')
GROUP BY table, partition_id
ORDER BY toUInt32OrZero(partition_id), table
LIMIT 100000`

// Partitions lists what can be dropped, oldest day first.
func (d *DB) Partitions(ctx context.Context) ([]store.Partition, error) {
	rows, err := d.conn.Query(ctx, listPartitions)
	if err != nil {
		return nil, queryError(err)
	}
	defer rows.Close()
	var out []store.Partition
	for rows.Next() {
		var p store.Partition
		if err := rows.Scan(&p.Table, &p.ID, &p.Day, &p.Bytes); err != nil {
			return nil, queryError(err)
		}
		if n, err := parseDay(p.ID); err == nil {
			p.Day = n
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

func parseDay(id string) (uint32, error) {
	var n uint32
	_, err := fmt.Sscanf(id, "%8d", &n)
	return n, err
}

// DropPartition removes a partition that Partitions listed.
func (d *DB) DropPartition(ctx context.Context, p store.Partition) error {
	known := false
	for _, t := range retained {
		known = known || t.table == p.Table
	}
	if !known {
		return errs.New(errs.Invalid, "table %q has no partitions to drop", p.Table)
	}
	for _, c := range p.ID {
		if c < '0' || c > '9' {
			return errs.New(errs.Invalid, "partition %q is not a day", p.ID)
		}
	}
	if err := d.conn.Exec(ctx, fmt.Sprintf("ALTER TABLE %s DROP PARTITION ID '%s'", p.Table, p.ID)); err != nil {
		return queryError(err)
	}
	return nil
}
