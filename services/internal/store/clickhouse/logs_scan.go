package clickhouse

import (
	"context"
	"slices"
	"strings"
	"unsafe"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
)

// LogColumns says which columns a scan reads beside time, stream and severity; the others come empty.
type LogColumns struct {
	Body, Attributes, IDs, RowID bool
}

const scanLogs = `
SELECT
    toUnixTimestamp64Nano(ts) AS time_ns,
    resource_id,
    severity,
    /*id*/ AS id,
    /*body*/ AS line,
    /*attributes*/ AS pairs,
    /*trace*/ AS trace,
    /*span*/ AS span
FROM logs
WHERE /*condition*/`

// Scan calls take with every record of f, in no order. The row and all it holds, strings too, is valid during the call only: a string
// that is kept must be cloned. It keeps one block in memory.
func (r *LogReader) Scan(ctx context.Context, f *LogFilter, cols LogColumns, stats *ReadStats, take func(*LogRow) error) error {
	where, p, err := r.condition(ctx, f)
	if err != nil {
		return err
	}
	pick := func(yes bool, column, none string) string {
		if yes {
			return column
		}
		return none
	}
	body := strings.NewReplacer(
		"/*condition*/", where,
		"/*id*/", pick(cols.RowID, rowID, "toUInt64(0)"),
		"/*body*/", pick(cols.Body, "body", "''"),
		"/*attributes*/", pick(cols.Attributes, "attributes", "CAST(map(), 'Map(LowCardinality(String), String)')"),
		"/*trace*/", pick(cols.IDs, "trace_id", "toFixedString('', 16)"),
		"/*span*/", pick(cols.IDs, "span_id", "toFixedString('', 8)"),
	).Replace(scanLogs)
	b := newLogBlock()
	var row LogRow
	var refused error // what take says is not an error of the query
	err = r.db.read(ctx, f.Tenant, chgo.Query{
		Body: body, Parameters: p, OnProgress: stats.progress,
		Result: proto.Results{
			{Name: "time_ns", Data: &b.times}, {Name: "resource_id", Data: &b.resources}, {Name: "severity", Data: &b.severities}, {Name: "id", Data: &b.ids},
			{Name: "line", Data: &b.bodies}, {Name: "pairs", Data: b.attributes}, {Name: "trace", Data: &b.traces}, {Name: "span", Data: &b.spans},
		},
	}, func(rows int) error {
		for i := range rows {
			row.TimeNS, row.ResourceID, row.Severity, row.ID = b.times[i], b.resources[i], b.severities[i], b.ids[i]
			row.Body = alias(b.bodies.RowBytes(i))
			row.Attributes = nil
			if from, to := mapBounds(b.attributes, i); from < to {
				row.Attributes = b.attributes.Row(i)
			}
			row.TraceID, row.SpanID = alias(b.traces.Row(i)), alias(b.spans.Row(i))
			if refused = take(&row); refused != nil {
				return refused
			}
		}
		return nil
	})
	if refused != nil {
		return refused
	}
	return err
}

// alias returns b as a string without a copy; it is valid as long as b is.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// mapBounds returns where the pairs of row i begin and end.
func mapBounds(m *proto.ColMap[string, string], i int) (from, to uint64) {
	if i > 0 {
		from = m.Offsets[i-1]
	}
	return from, m.Offsets[i]
}

const countByStream = `
SELECT
    resource_id,
    ` + severityGroup + ` AS level,
    toUInt32(intDiv(toUnixTimestamp64Nano(ts) - {first:Int64} - 1, {step:Int64})) AS bucket,
    count() AS n,
    sum(/*size*/) AS size
FROM logs
WHERE /*condition*/
GROUP BY resource_id, level, bucket
LIMIT {limit:UInt64}`

// CountByStream counts records, and with bytes the size of their bodies, by stream and interval: interval i has edges[i] < time <=
// edges[i+1]. The time of f is set by the edges.
func (r *LogReader) CountByStream(ctx context.Context, f LogFilter, edges []int64, bytes bool, limit int, stats *ReadStats, take func(LogStream) error) error {
	f.StartNS, f.EndNS = edges[0]+1, edges[len(edges)-1]
	where, p, err := r.condition(ctx, &f)
	if err != nil {
		return err
	}
	step, _ := CountStep(edges)
	p.int("step", step)
	p.int("first", edges[0])
	p.uint("limit", uint64(limit))
	size := "0"
	if bytes {
		size = "length(body)"
	}
	var id, n, sum proto.ColUInt64
	var level proto.ColUInt8
	var bucket proto.ColUInt32
	var refused error
	err = r.db.read(ctx, f.Tenant, chgo.Query{
		Body: strings.NewReplacer("/*condition*/", where, "/*size*/", size).Replace(countByStream), Parameters: p, OnProgress: stats.progress,
		Result: proto.Results{{Name: "resource_id", Data: &id}, {Name: "level", Data: &level}, {Name: "bucket", Data: &bucket}, {Name: "n", Data: &n}, {Name: "size", Data: &sum}},
	}, func(rows int) error {
		for i := range rows {
			at, _ := slices.BinarySearch(edges, edges[0]+(int64(bucket[i])+1)*step)
			if refused = take(LogStream{ResourceID: id[i], Level: level[i], Bucket: uint32(at - 1), Lines: n[i], Bytes: sum[i]}); refused != nil {
				return refused
			}
		}
		return nil
	})
	if refused != nil {
		return refused
	}
	return err
}

// maxCountBuckets bounds the buckets that the engine counts by, before they are put together to intervals.
const maxCountBuckets = 50_000

// CountStep returns the width of the buckets whose borders all edges are on; ok is false where there would be too many.
func CountStep(edges []int64) (step int64, ok bool) {
	for i := 1; i < len(edges); i++ {
		a, b := edges[i]-edges[i-1], step
		for b != 0 {
			a, b = b, a%b
		}
		step = a
	}
	return step, step > 0 && (edges[len(edges)-1]-edges[0])/step <= maxCountBuckets
}

const selectShapeVolumes = `
SELECT
    shape_hash,
    toUInt32(intDiv(toUnixTimestamp64Nano(ts) - {origin:Int64}, {step:Int64})) AS bucket,
    count() AS n,
    min(toUnixTimestamp64Nano(ts)) AS first_ns
FROM logs
WHERE /*condition*/
  AND shape_hash IN (SELECT shape_hash FROM logs WHERE /*condition*/ GROUP BY shape_hash ORDER BY count() DESC LIMIT {shapes:UInt64})
GROUP BY shape_hash, bucket
LIMIT 200000`

// ShapeVolume is how often one shape was seen, by bucket.
type ShapeVolume struct {
	Shape   uint64
	FirstNS int64
	Total   uint64
	Counts  map[uint32]uint64
	// Sample is one of its lines.
	Sample string
}

// ShapeVolumes returns the most frequent shapes of f with a line of each.
func (r *LogReader) ShapeVolumes(ctx context.Context, f LogFilter, originNS, stepNS int64, shapes int, stats *ReadStats) ([]*ShapeVolume, error) {
	where, p, err := r.condition(ctx, &f)
	if err != nil {
		return nil, err
	}
	p.int("origin", originNS)
	p.int("step", stepNS)
	p.uint("shapes", uint64(shapes))
	var shape, n proto.ColUInt64
	var bucket proto.ColUInt32
	var first proto.ColInt64
	index := map[uint64]*ShapeVolume{}
	var out []*ShapeVolume
	err = r.db.read(ctx, f.Tenant, chgo.Query{
		Body: strings.ReplaceAll(selectShapeVolumes, "/*condition*/", where), Parameters: p, OnProgress: stats.progress,
		Settings: []chgo.Setting{{Key: "distributed_product_mode", Value: "global", Important: true}},
		Result:   proto.Results{{Name: "shape_hash", Data: &shape}, {Name: "bucket", Data: &bucket}, {Name: "n", Data: &n}, {Name: "first_ns", Data: &first}},
	}, func(rows int) error {
		for i := range rows {
			x := index[shape[i]]
			if x == nil {
				x = &ShapeVolume{Shape: shape[i], FirstNS: first[i], Counts: map[uint32]uint64{}}
				index[shape[i]] = x
				out = append(out, x)
			}
			x.FirstNS = min(x.FirstNS, first[i])
			x.Counts[bucket[i]] += n[i]
			x.Total += n[i]
		}
		return nil
	})
	if err != nil || len(out) == 0 {
		return nil, err
	}
	return out, r.samples(ctx, f, out, index, stats)
}

const selectShapeLines = `
SELECT
    shape_hash,
    any(substring(body, 1, 4096)) AS line
FROM logs
WHERE /*condition*/
  AND shape_hash IN {shapes:Array(UInt64)}
  AND ts IN (SELECT fromUnixTimestamp64Nano(arrayJoin({times:Array(Int64)})))
  AND toStartOfTenMinutes(ts) IN (SELECT toStartOfTenMinutes(fromUnixTimestamp64Nano(arrayJoin({times:Array(Int64)}))))
GROUP BY shape_hash
LIMIT 10000`

// samples reads one line of each shape, at the time of its first: a few granules.
func (r *LogReader) samples(ctx context.Context, f LogFilter, all []*ShapeVolume, index map[uint64]*ShapeVolume, stats *ReadStats) error {
	where, p, err := r.condition(ctx, &f)
	if err != nil {
		return err
	}
	var shapes []uint64
	var times []int64
	for _, x := range all {
		shapes, times = append(shapes, x.Shape), append(times, x.FirstNS)
	}
	p.uint64s("shapes", shapes)
	p.int64s("times", times)
	var shape proto.ColUInt64
	var line proto.ColStr
	return r.db.read(ctx, f.Tenant, chgo.Query{
		Body: strings.Replace(selectShapeLines, "/*condition*/", where, 1), Parameters: p, OnProgress: stats.progress,
		Result: proto.Results{{Name: "shape_hash", Data: &shape}, {Name: "line", Data: &line}},
	}, func(rows int) error {
		for i := range rows {
			if x := index[shape[i]]; x != nil {
				x.Sample = line.Row(i)
			}
		}
		return nil
	})
}
