package clickhouse

import (
	"context"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
)

// MetricParts is a moment of the tables of metrics: what has changed since another moment can be told from it without reading a row.
type MetricParts struct {
	// Recent and Packing say whether samples_recent and samples_packing hold anything.
	Recent, Packing bool
	// RecentRows is the number of rows of samples_recent.
	RecentRows uint64
	// Histograms says whether the table of native histograms holds anything.
	Histograms bool
	// Packed is the state of samples_packed by day (days since 1970, UTC). A day without rows is not in it.
	Packed map[int32]PartitionState
	// Series are the names of the parts of the table series, and their number of rows.
	Series     []string
	SeriesRows uint64
	// Zone is the server's time zone, by which days are cut.
	Zone string
}

// PartitionState changes whenever rows come to a partition or leave it, and not when its parts are merged.
type PartitionState struct {
	// LastBlock is the number of the last insert, Rows the number of rows.
	LastBlock int64
	Rows      uint64
}

// selectParts groups by partition: there may be thousands of parts. Numbers of inserts grow within a partition, and a merged part has
// the highest of those that it is made of.
const selectParts = `
SELECT
    CAST(table, 'String') AS of_table,
    CAST(partition_id, 'String') AS of_partition,
    max(max_block_number) AS last_block,
    sum(rows) AS all_rows,
    if(of_table = 'series', groupArray(CAST(name, 'String')), []) AS names,
    timezone() AS zone
FROM system.parts
WHERE database = currentDatabase()
  AND table IN ('series', 'samples_recent', 'samples_packing', 'samples_packed', 'histograms')
  AND active
GROUP BY of_table, of_partition
LIMIT 100000`

// MetricParts returns the current moment of the tables of metrics. It needs a user that may see system tables, and a single server:
// over a cluster it says something about one of them only.
func (d *DB) MetricParts(ctx context.Context) (*MetricParts, error) {
	var tables, partitions, zone proto.ColStr
	var blocks proto.ColInt64
	var counts proto.ColUInt64
	names := new(proto.ColStr).Array()
	out := &MetricParts{Packed: map[int32]PartitionState{}}
	err := d.Bulk(ctx, chgo.Query{
		Body: selectParts,
		Result: proto.Results{
			{Name: "of_table", Data: &tables}, {Name: "of_partition", Data: &partitions}, {Name: "last_block", Data: &blocks},
			{Name: "all_rows", Data: &counts}, {Name: "names", Data: names}, {Name: "zone", Data: &zone},
		},
		OnResult: func(context.Context, proto.Block) error {
			for i := range tables.Rows() {
				out.Zone = zone.Row(i)
				out.add(tables.Row(i), partitions.Row(i), PartitionState{blocks[i], counts[i]}, names.Row(i))
			}
			return nil
		},
	})
	return out, err
}

func (m *MetricParts) add(table, partition string, s PartitionState, names []string) {
	if s.Rows == 0 {
		return
	}
	switch table {
	case "samples_recent":
		m.Recent, m.RecentRows = true, m.RecentRows+s.Rows
	case "samples_packing":
		m.Packing = true
	case "histograms":
		m.Histograms = true
	case "samples_packed":
		if day, ok := dayOf(partition); ok {
			m.Packed[day] = s
		}
	case "series":
		m.Series, m.SeriesRows = append(m.Series, names...), m.SeriesRows+s.Rows
	}
}
