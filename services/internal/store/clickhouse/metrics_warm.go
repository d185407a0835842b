package clickhouse

import (
	"context"
	"math"
	"strconv"
	"strings"
	"time"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/internal/store/pack"
	"github.com/faultline-io/faultline/services/model"
)

// DayMS is the width of a partition of samples_packed in milliseconds. No block crosses its end.
const DayMS = 24 * 60 * 60 * 1000

// dayOf returns the day of a partition named 20261125, as days since 1970.
func dayOf(partition string) (int32, bool) {
	t, err := time.Parse("20060102", partition)
	if err != nil {
		return 0, false
	}
	return int32(t.Unix() / (24 * 60 * 60)), true
}

// selectRecent and selectPacking are the first two parts of selectSamples, alone; selectPacked is the third, with conditions that tell
// blocks apart which overlap a range from those that overlap another one already.
var (
	selectRecent  = strings.SplitN(selectSamples, "UNION ALL", 3)[0]
	selectPacking = strings.Replace(selectRecent, "samples_recent", "samples_packing", 1)
)

const selectPacked = `
SELECT
    series_id,
    toUInt8(1) AS packed,
    samples,
    toUnixTimestamp64Milli(first_ts) AS first_ms,
    toUInt8(stale) AS is_stale,
    step_ms AS step,
    scale AS digits,
    mantissa0 AS mantissa,
    offsets_ms AS offsets,
    deltas AS ints,
    floats AS reals
FROM samples_packed
WHERE tenant_id = {tenant:UInt32}
  AND metric_id IN {metrics:Array(UInt32)}
  /*ids*/
  AND first_ts BETWEEN fromUnixTimestamp64Milli({block_min:Int64}) AND fromUnixTimestamp64Milli({max:Int64})
  AND last_ts BETWEEN fromUnixTimestamp64Milli({min:Int64}) AND fromUnixTimestamp64Milli({last_max:Int64})`

// Database returns the name of the database that is read.
func (r *MetricReader) Database() string { return r.db.Database() }

// RecentSamples is Samples over what has not been taken for packing yet.
func (r *MetricReader) RecentSamples(ctx context.Context, q SampleQuery, f func(c Chunk) error) error {
	return r.samplesOf(ctx, q, q.statement(selectRecent), f)
}

const selectFirstRecent = `
SELECT toUnixTimestamp64Milli(min(ts)) AS first_ms, toUInt64(count()) AS n
FROM samples_recent
WHERE tenant_id = {tenant:UInt32}`

// FirstRecent returns the time of the earliest sample of a tenant that has not been taken for packing yet; math.MaxInt64 when there is
// none. It reads the times of all of them.
func (r *MetricReader) FirstRecent(ctx context.Context, tenant model.TenantID) (int64, error) {
	var p params
	p.uint("tenant", uint64(tenant))
	var first proto.ColInt64
	var n proto.ColUInt64
	out := int64(math.MaxInt64)
	q := chgo.Query{Body: selectFirstRecent, Parameters: p, Result: proto.Results{{Name: "first_ms", Data: &first}, {Name: "n", Data: &n}}}
	err := r.db.read(ctx, tenant, q, func(int) error {
		if n[0] > 0 {
			out = first[0]
		}
		return nil
	})
	return out, err
}

// PackingSamples is Samples over what is being packed.
func (r *MetricReader) PackingSamples(ctx context.Context, q SampleQuery, f func(c Chunk) error) error {
	return r.samplesOf(ctx, q, q.statement(selectPacking), f)
}

// PackedSamples calls f with the packed blocks whose first sample is in [FirstMinMS, q.MaxMS] and whose last one is in [q.MinMS, LastMaxMS].
func (r *MetricReader) PackedSamples(ctx context.Context, q SampleQuery, firstMinMS, lastMaxMS int64, f func(c Chunk) error) error {
	s := q.statement(selectPacked)
	p := params(s.Parameters)
	for i := range p {
		if p[i].Key == "block_min" {
			p[i].Value = quoted(strconv.FormatInt(max(firstMinMS, minTimeMS), 10))
		}
	}
	p.int("last_max", min(lastMaxMS, maxTimeMS))
	s.Parameters = p
	return r.samplesOf(ctx, q, s, f)
}

func (r *MetricReader) samplesOf(ctx context.Context, q SampleQuery, s chgo.Query, f func(c Chunk) error) error {
	var cols chunkColumns
	s.Result = cols.results()
	return r.db.read(ctx, q.Tenant, s, func(rows int) error { return cols.each(rows, f) })
}

// IndexRow is a series with the time of its last announcement.
type IndexRow struct {
	SeriesRow
	LastSeen uint32
}

const selectIndex = `
SELECT
    series_id,
    CAST(any(name), 'String') AS metric,
    formatRow('RowBinary', any(labels)) AS pairs,
    toUInt32(max(last_seen)) AS seen
FROM series
WHERE tenant_id = {tenant:UInt32}
  AND metric_id = {metric:UInt32}
  AND _part NOT IN {known:Array(String)}
GROUP BY series_id
LIMIT {limit:UInt64}`

// SeriesOf returns the series of a metric, whatever their name, that are in other parts of the table than the known ones, up to limit.
func (r *MetricReader) SeriesOf(ctx context.Context, tenant model.TenantID, metric uint32, known []string, limit int) ([]IndexRow, error) {
	var p params
	p.uint("tenant", uint64(tenant))
	p.uint("metric", uint64(metric))
	p.strs("known", known)
	p.uint("limit", uint64(limit))
	var ids proto.ColUInt64
	var seen proto.ColUInt32
	var names, pairs proto.ColStr
	var out []IndexRow
	q := chgo.Query{Body: selectIndex, Parameters: p, Result: proto.Results{
		{Name: "series_id", Data: &ids}, {Name: "metric", Data: &names}, {Name: "pairs", Data: &pairs}, {Name: "seen", Data: &seen},
	}}
	err := r.db.read(ctx, tenant, q, func(rows int) error {
		name := ""
		for i := range rows {
			if n := names.RowBytes(i); string(n) != name {
				name = string(n)
			}
			out = append(out, IndexRow{SeriesRow{ID: ids[i], MetricID: metric, Name: name, Labels: pairs.Row(i)}, seen[i]})
		}
		return nil
	})
	return out, err
}

// Small returns a packed chunk in a form that takes little memory and shares none with the row it was read from.
func (c *Chunk) Small() pack.Small {
	if c.small != nil {
		return *c.small
	}
	return c.block.Small()
}

// SmallChunk returns a block that was kept as a chunk. It does not copy it.
func SmallChunk(id uint64, s *pack.Small) Chunk {
	return Chunk{SeriesID: id, Packed: true, Samples: s.Samples, small: s}
}

// FirstMS returns the time of the first sample of a packed chunk; of others, 0.
func (c *Chunk) FirstMS() int64 {
	if c.small != nil {
		return c.small.FirstMS
	}
	return c.block.FirstMS
}
