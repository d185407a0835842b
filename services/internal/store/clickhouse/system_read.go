package clickhouse

import (
	"context"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// TableSize is what one table takes on disk.
type TableSize struct {
	Table     string
	Rows      uint64
	DiskBytes uint64
	RawBytes  uint64
}

const selectSizes = `
SELECT table, sum(rows) AS all_rows, sum(bytes_on_disk) AS disk, sum(data_uncompressed_bytes) AS raw
FROM system.parts
WHERE database = currentDatabase()
  AND active
GROUP BY table
ORDER BY table
LIMIT 1000`

// TableSizes returns the sizes of the database's tables. It needs a user that may see system tables.
func (d *DB) TableSizes(ctx context.Context) ([]TableSize, error) {
	rows, err := d.conn.Query(ctx, selectSizes)
	if err != nil {
		return nil, queryError(err)
	}
	defer rows.Close()
	var out []TableSize
	for rows.Next() {
		var t TableSize
		if err := rows.Scan(&t.Table, &t.Rows, &t.DiskBytes, &t.RawBytes); err != nil {
			return nil, errs.New(errs.Internal, "scan table sizes: %w", err)
		}
		out = append(out, t)
	}
	return out, rowsError(rows.Err())
}

// ServerInfo describes the engine.
type ServerInfo struct {
	Version     string
	MemoryBytes uint64
}

// Server returns the engine's version and, for users that may see it, its memory.
func (d *DB) Server(ctx context.Context) (ServerInfo, error) {
	var info ServerInfo
	if err := d.conn.QueryRow(ctx, "SELECT version()").Scan(&info.Version); err != nil {
		return info, queryError(err)
	}
	const memory = "SELECT toUInt64(greatest(0, value)) FROM system.asynchronous_metrics WHERE metric = 'MemoryResident' LIMIT 1"
	// Without the right to look, or before the engine measured itself, the size is simply not known.
	_ = d.conn.QueryRow(ctx, memory).Scan(&info.MemoryBytes)
	return info, nil
}
