package clickhouse

import (
	"context"
	"slices"
	"strings"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/internal/store/pack"
	"github.com/faultline-io/faultline/services/model"
)

// maxInlineIDs is up to how many series ids travel in the text of the statement: a table beside it costs the engine a few milliseconds.
const maxInlineIDs = 1000

// maxIDs is up to how many series ids select rows; above it, a metric is read as a whole and the caller drops the rest.
const maxIDs = 50_000

// Times that DateTime64(3) holds, in Unix milliseconds: the years 1900 to 2299.
const (
	minTimeMS = -2208988800000
	maxTimeMS = 10413791999999
)

// SampleQuery says which samples to read. Times are Unix milliseconds, both included.
type SampleQuery struct {
	Tenant  model.TenantID
	Metrics []uint32
	// IDs are the series; rows of other series of the same metrics may come too when there are many, or when All is set.
	IDs []uint64
	// All says that every series of the metrics is wanted.
	All   bool
	MinMS int64
	MaxMS int64
}

// selectSamples gives the rows of the three tables one shape: for samples that are not packed, deltas are the times and floats the
// values. The number in there is the staleness marker (StaleMarker).
const selectSamples = `
SELECT
    series_id,
    toUInt8(0) AS packed,
    toUInt32(count()) AS samples,
    toInt64(0) AS first_ms,
    toUInt8(0) AS is_stale,
    toUInt32(0) AS step,
    toUInt8(0) AS digits,
    toInt64(0) AS mantissa,
    CAST([], 'Array(Int32)') AS offsets,
    groupArray(toUnixTimestamp64Milli(ts)) AS ints,
    groupArray(if(stale, reinterpretAsFloat64(toUInt64(9218868437227405314)), value)) AS reals
FROM samples_recent
WHERE tenant_id = {tenant:UInt32}
  AND metric_id IN {metrics:Array(UInt32)}
  /*ids*/
  AND ts BETWEEN fromUnixTimestamp64Milli({min:Int64}) AND fromUnixTimestamp64Milli({max:Int64})
GROUP BY series_id
UNION ALL
SELECT
    series_id,
    toUInt8(0),
    toUInt32(count()),
    toInt64(0),
    toUInt8(0),
    toUInt32(0),
    toUInt8(0),
    toInt64(0),
    CAST([], 'Array(Int32)'),
    groupArray(toUnixTimestamp64Milli(ts)),
    groupArray(if(stale, reinterpretAsFloat64(toUInt64(9218868437227405314)), value))
FROM samples_packing
WHERE tenant_id = {tenant:UInt32}
  AND metric_id IN {metrics:Array(UInt32)}
  /*ids*/
  AND ts BETWEEN fromUnixTimestamp64Milli({min:Int64}) AND fromUnixTimestamp64Milli({max:Int64})
GROUP BY series_id
UNION ALL
SELECT
    series_id,
    toUInt8(1),
    samples,
    toUnixTimestamp64Milli(first_ts),
    toUInt8(stale),
    step_ms,
    scale,
    mantissa0,
    offsets_ms,
    deltas,
    floats
FROM samples_packed
WHERE tenant_id = {tenant:UInt32}
  AND metric_id IN {metrics:Array(UInt32)}
  /*ids*/
  AND first_ts BETWEEN fromUnixTimestamp64Milli({block_min:Int64}) AND fromUnixTimestamp64Milli({max:Int64})
  AND last_ts >= fromUnixTimestamp64Milli({min:Int64})`

// Samples calls f with chunks of samples; a series may have any number of them, in any order, and a sample that is being moved between
// tables may come twice. f may keep c.
//
// The three tables are read in the order in which samples travel, in one statement: a row on its way is read twice, never missed.
func (r *MetricReader) Samples(ctx context.Context, q SampleQuery, f func(c Chunk) error) error {
	var cols chunkColumns
	query := q.statement(selectSamples)
	query.Result = cols.results()
	return r.db.read(ctx, q.Tenant, query, func(rows int) error { return cols.each(rows, f) })
}

// statement completes one of the statements over samples.
func (q *SampleQuery) statement(text string) chgo.Query {
	minMS, maxMS := min(max(q.MinMS, minTimeMS+pack.MaxSpanMS), maxTimeMS), min(max(q.MaxMS, minTimeMS), maxTimeMS)
	var p params
	p.uint("tenant", uint64(q.Tenant))
	p.uint32s("metrics", q.Metrics)
	p.int("min", minMS)
	p.int("max", maxMS)
	p.int("block_min", minMS-pack.MaxSpanMS)
	out := chgo.Query{}
	ids := ""
	switch {
	case q.All || len(q.IDs) > maxIDs:
	case len(q.IDs) <= maxInlineIDs:
		ids = "AND series_id IN {ids:Array(UInt64)}"
		p.uint64s("ids", q.IDs)
	default:
		// As a table beside the query: as text, long lists would cost more than the reading.
		ids = "AND series_id IN (SELECT id FROM wanted)"
		out.ExternalTable = "wanted"
		out.ExternalData = []proto.InputColumn{{Name: "id", Data: proto.ColUInt64(q.IDs)}}
	}
	out.Body = strings.ReplaceAll(text, "/*ids*/", ids)
	out.Parameters = p
	return out
}

// chunkColumns receive a block of selectSamples.
type chunkColumns struct {
	ids              proto.ColUInt64
	packed           proto.ColUInt8
	samples, steps   proto.ColUInt32
	first, mantissas proto.ColInt64
	stale, digits    proto.ColUInt8
	offsets          *proto.ColArr[int32]
	ints             *proto.ColArr[int64]
	reals            *proto.ColArr[float64]
	offsetData       proto.ColInt32
	intData          proto.ColInt64
	realData         proto.ColFloat64
}

func (c *chunkColumns) results() proto.Results {
	c.offsets, c.ints, c.reals = proto.NewArray[int32](&c.offsetData), proto.NewArray[int64](&c.intData), proto.NewArray[float64](&c.realData)
	return proto.Results{
		{Name: "series_id", Data: &c.ids}, {Name: "packed", Data: &c.packed}, {Name: "samples", Data: &c.samples}, {Name: "first_ms", Data: &c.first},
		{Name: "is_stale", Data: &c.stale}, {Name: "step", Data: &c.steps}, {Name: "digits", Data: &c.digits}, {Name: "mantissa", Data: &c.mantissas},
		{Name: "offsets", Data: c.offsets}, {Name: "ints", Data: c.ints}, {Name: "reals", Data: c.reals},
	}
}

// each calls f with the chunks of a block. The arrays are copied once a block, so that chunks may be kept without the whole block's
// buffers being overwritten by the next.
func (c *chunkColumns) each(rows int, f func(Chunk) error) error {
	offsets, ints, reals := slices.Clone(c.offsetData), slices.Clone(c.intData), slices.Clone(c.realData)
	var o, n, r uint64
	for i := range rows {
		chunk := Chunk{SeriesID: c.ids[i], Packed: c.packed[i] != 0, Samples: c.samples[i]}
		chunk.block = pack.Block{
			FirstMS: c.first[i], Stale: c.stale[i] != 0, Samples: c.samples[i], StepMS: c.steps[i], Scale: c.digits[i], Mantissa0: c.mantissas[i],
			OffsetsMS: offsets[o:c.offsets.Offsets[i]:c.offsets.Offsets[i]],
			Deltas:    ints[n:c.ints.Offsets[i]:c.ints.Offsets[i]],
			Floats:    reals[r:c.reals.Offsets[i]:c.reals.Offsets[i]],
		}
		o, n, r = c.offsets.Offsets[i], c.ints.Offsets[i], c.reals.Offsets[i]
		if err := f(chunk); err != nil {
			return err
		}
	}
	return nil
}

const selectHistograms = `
SELECT
    series_id,
    formatRow('RowBinary', ts, stale, schema, is_float, reset_hint, zero_threshold, zero_count, count, sum,
              positive_spans, positive_buckets, negative_spans, negative_buckets, custom_values) AS data
FROM histograms
WHERE tenant_id = {tenant:UInt32}
  AND metric_id IN {metrics:Array(UInt32)}
  /*ids*/
  AND ts BETWEEN fromUnixTimestamp64Milli({min:Int64}) AND fromUnixTimestamp64Milli({max:Int64})`

// Histograms calls f with the samples of native histograms, in any order; f may keep them.
func (r *MetricReader) Histograms(ctx context.Context, q SampleQuery, f func(h model.HistogramSample) error) error {
	var ids proto.ColUInt64
	var data proto.ColStr
	query := q.statement(selectHistograms)
	query.Result = proto.Results{{Name: "series_id", Data: &ids}, {Name: "data", Data: &data}}
	return r.db.read(ctx, q.Tenant, query, func(rows int) error {
		for i := range rows {
			h, err := decodeHistogram(data.Row(i))
			if err != nil {
				return err
			}
			h.SeriesID = ids[i]
			if err := f(h); err != nil {
				return err
			}
		}
		return nil
	})
}

// HasHistograms reports whether the tenant has any native histogram: most have none, and are spared asking for them.
func (r *MetricReader) HasHistograms(ctx context.Context, tenant model.TenantID) (bool, error) {
	var p params
	p.uint("tenant", uint64(tenant))
	var one proto.ColUInt8
	found := false
	q := chgo.Query{
		Body:       "SELECT toUInt8(1) AS one FROM histograms WHERE tenant_id = {tenant:UInt32} LIMIT 1",
		Parameters: p,
		Result:     proto.Results{{Name: "one", Data: &one}},
	}
	err := r.db.read(ctx, tenant, q, func(rows int) error {
		found = rows > 0
		return nil
	})
	return found, err
}
