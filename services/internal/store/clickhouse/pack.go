package clickhouse

import (
	"context"
	"fmt"
	"time"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/cespare/xxhash/v2"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/pack"
)

// RollupMS is the width of the finest rollup in milliseconds.
const RollupMS = 5 * 60 * 1000

// PackStats says what one run of Pack did.
type PackStats struct {
	Buckets int
	Samples uint64
	Blocks  uint64
	Elapsed time.Duration
}

// Pack turns every reception bucket that ended before the given time into packed blocks and rollups.
//
// A bucket is first moved to samples_packing as a partition, which is atomic, so the input of a run that is killed and repeated is the
// same; each chunk goes in under a token made of its content, so nothing is stored twice; then the partition is dropped. At any
// moment a sample is in at least one of samples_recent, samples_packing and samples_packed, and readers drop duplicates. Memory is
// bounded by one chunk and one series' samples of a bucket.
func (d *DB) Pack(ctx context.Context, before time.Time) (PackStats, error) {
	start := time.Now()
	var st PackStats
	waiting, err := d.buckets(ctx, "samples_packing")
	if err != nil {
		return st, err
	}
	busy := map[int64]bool{}
	for _, b := range waiting {
		if err := d.packBucket(ctx, b, &st); err != nil {
			return st, err
		}
		busy[b] = true
	}
	closed, err := d.buckets(ctx, "samples_recent")
	if err != nil {
		return st, err
	}
	for _, b := range closed {
		if b*1000+BucketMS > before.UnixMilli() {
			continue
		}
		if err := d.conn.Exec(ctx, fmt.Sprintf("ALTER TABLE samples_recent MOVE PARTITION %d TO TABLE samples_packing", b)); err != nil {
			return st, errs.New(errs.Unavailable, "take bucket %d for packing: %w", b, err)
		}
		if err := d.packBucket(ctx, b, &st); err != nil {
			return st, err
		}
	}
	st.Elapsed = time.Since(start)
	return st, nil
}

// buckets lists the partitions of a samples table, as Unix seconds, oldest first.
func (d *DB) buckets(ctx context.Context, table string) ([]int64, error) {
	const q = `
SELECT DISTINCT toUnixTimestamp(parseDateTimeBestEffort(partition))
FROM system.parts
WHERE database = currentDatabase() AND table = {table:String} AND active
ORDER BY 1
LIMIT 100000`
	rows, err := d.conn.Query(chParams(ctx, map[string]string{"table": table}), q)
	if err != nil {
		return nil, queryError(err)
	}
	defer rows.Close()
	var out []int64
	for rows.Next() {
		var v uint32
		if err := rows.Scan(&v); err != nil {
			return nil, queryError(err)
		}
		out = append(out, int64(v))
	}
	return out, rows.Err()
}

const packSelect = `
SELECT tenant_id, metric_id, series_id, toUnixTimestamp64Milli(ts) AS t, value, stale
FROM samples_packing
WHERE bucket = toDateTime({bucket:UInt32})
ORDER BY tenant_id, metric_id, series_id, ts
SETTINGS optimize_read_in_order = 1, max_threads = 1, max_block_size = 32768, max_read_buffer_size = 131072, read_in_order_two_level_merge_threshold = 1000`

// packBucket packs one partition of samples_packing and drops it.
func (d *DB) packBucket(ctx context.Context, bucket int64, st *PackStats) error {
	var tenants, metrics proto.ColUInt32
	var series proto.ColUInt64
	var times proto.ColInt64
	var values proto.ColFloat64
	var stale proto.ColBool
	p := &packer{db: d, out: newPackedColumns(), rollups: newRollupColumns()}
	err := d.Bulk(ctx, chgo.Query{
		Body:       packSelect,
		Parameters: chgo.Parameters(map[string]any{"bucket": bucket}),
		Result: proto.Results{
			{Name: "tenant_id", Data: &tenants}, {Name: "metric_id", Data: &metrics}, {Name: "series_id", Data: &series},
			{Name: "t", Data: &times}, {Name: "value", Data: &values}, {Name: "stale", Data: &stale},
		},
		OnResult: func(ctx context.Context, _ proto.Block) error {
			for i, id := range series {
				if k := (seriesKey{tenants[i], metrics[i], id}); k != p.key {
					if err := p.finishSeries(ctx); err != nil {
						return err
					}
					p.key = k
				}
				p.add(times[i], values[i], stale[i])
			}
			return nil
		},
	})
	if err == nil {
		err = p.finishSeries(ctx)
	}
	if err == nil {
		err = p.flush(ctx)
	}
	if err != nil {
		return fmt.Errorf("pack bucket %d: %w", bucket, err)
	}
	if err := d.conn.Exec(ctx, fmt.Sprintf("ALTER TABLE samples_packing DROP PARTITION %d", bucket)); err != nil {
		return errs.New(errs.Unavailable, "drop packed bucket %d: %w", bucket, err)
	}
	st.Buckets++
	st.Samples += p.samples
	st.Blocks += p.blocks
	return nil
}

type seriesKey struct {
	tenant, metric uint32
	series         uint64
}

// packer collects the samples of one series at a time and writes finished blocks in chunks.
type packer struct {
	db  *DB
	key seriesKey
	// times and values are the samples of the series so far; staleTimes its markers.
	times      []int64
	values     []float64
	staleTimes []int64

	enc     pack.Encoder
	rolled  []pack.Rollup
	out     *packedColumns
	rollups *rollupColumns
	inChunk int
	samples uint64
	blocks  uint64
}

// chunkSamples is how many samples one insert of packed blocks holds: enough that parts are large, little enough to hold in memory.
const chunkSamples = 4_000_000

func (p *packer) add(t int64, v float64, stale bool) {
	p.samples++
	if stale {
		if n := len(p.staleTimes); n == 0 || p.staleTimes[n-1] != t {
			p.staleTimes = append(p.staleTimes, t)
		}
		return
	}
	// The same series and time twice is one sample: a sender's retry. The first one stays.
	if n := len(p.times); n > 0 && p.times[n-1] == t {
		return
	}
	p.times, p.values = append(p.times, t), append(p.values, v)
}

// finishSeries writes out the blocks of the series in hand.
func (p *packer) finishSeries(ctx context.Context) error {
	times, values := p.times, p.values
	for len(times) > 0 {
		n := pack.Cut(times)
		p.out.append(p.key, p.enc.Encode(times[:n], values[:n], false))
		p.inChunk += n
		p.blocks++
		times, values = times[n:], values[n:]
	}
	p.rolled = pack.AppendRollups(p.rolled[:0], p.times, p.values, RollupMS)
	for i := range p.rolled {
		p.rollups.append(p.key, &p.rolled[i])
	}
	for stale := p.staleTimes; len(stale) > 0; {
		n := pack.Cut(stale)
		p.out.append(p.key, p.enc.Encode(stale[:n], nil, true))
		p.blocks++
		stale = stale[n:]
	}
	p.times, p.values, p.staleTimes = p.times[:0], p.values[:0], p.staleTimes[:0]
	if p.inChunk < chunkSamples {
		return nil
	}
	return p.flush(ctx)
}

// flush inserts the chunk: rollups first, since they are the ones whose repetition could not be seen when reading.
func (p *packer) flush(ctx context.Context) error {
	token := p.out.token()
	if err := p.db.insert(ctx, "samples_5m_in", "pack:"+token, p.rollups.input()); err != nil {
		return err
	}
	if err := p.db.insert(ctx, "samples_packed", "pack:"+token, p.out.input()); err != nil {
		return err
	}
	p.out, p.rollups, p.inChunk = newPackedColumns(), newRollupColumns(), 0
	return nil
}

// packedColumns are the columns of samples_packed, and a hash of the chunk's identity and values.
type packedColumns struct {
	tenants, metrics, samples, steps proto.ColUInt32
	series                           proto.ColUInt64
	first, last                      *proto.ColDateTime64
	stale                            proto.ColBool
	offsets                          *proto.ColArr[int32]
	scale                            proto.ColUInt8
	mantissas                        proto.ColInt64
	deltas                           *proto.ColArr[int64]
	floats                           *proto.ColArr[float64]
	hash                             *xxhash.Digest
	scratch                          []byte
}

func newPackedColumns() *packedColumns {
	return &packedColumns{
		first: millis(0), last: millis(0), offsets: new(proto.ColInt32).Array(), deltas: new(proto.ColInt64).Array(), floats: new(proto.ColFloat64).Array(), hash: xxhash.New(),
	}
}

func (c *packedColumns) append(k seriesKey, b pack.Block) {
	c.tenants, c.metrics, c.series = append(c.tenants, k.tenant), append(c.metrics, k.metric), append(c.series, k.series)
	c.first.AppendRaw(proto.DateTime64(b.FirstMS))
	c.last.AppendRaw(proto.DateTime64(b.LastMS))
	c.stale, c.samples, c.steps = append(c.stale, b.Stale), append(c.samples, b.Samples), append(c.steps, b.StepMS)
	c.offsets.Append(b.OffsetsMS)
	c.scale, c.mantissas = append(c.scale, b.Scale), append(c.mantissas, b.Mantissa0)
	c.deltas.Append(b.Deltas)
	c.floats.Append(b.Floats)
	c.scratch = fmt.Appendf(c.scratch[:0], "%d %d %d %d %d %d %d %d;", k.tenant, k.series, b.FirstMS, b.LastMS, b.Samples, b.Mantissa0, len(b.Deltas), len(b.Floats))
	_, _ = c.hash.Write(c.scratch)
}

func (c *packedColumns) token() string {
	return fmt.Sprintf("%016x-%d", c.hash.Sum64(), len(c.series))
}

func (c *packedColumns) input() proto.Input {
	return proto.Input{
		{Name: "tenant_id", Data: c.tenants}, {Name: "metric_id", Data: c.metrics}, {Name: "series_id", Data: c.series}, {Name: "first_ts", Data: c.first},
		{Name: "last_ts", Data: c.last}, {Name: "stale", Data: c.stale}, {Name: "samples", Data: c.samples}, {Name: "step_ms", Data: c.steps}, {Name: "offsets_ms", Data: c.offsets},
		{Name: "scale", Data: c.scale}, {Name: "mantissa0", Data: c.mantissas}, {Name: "deltas", Data: c.deltas}, {Name: "floats", Data: c.floats},
	}
}

// rollupColumns are the columns of samples_5m_in.
type rollupColumns struct {
	tenants, metrics proto.ColUInt32
	series, count    proto.ColUInt64
	ts               proto.ColDateTime
	sum, min, max    proto.ColFloat64
	first, last      proto.ColFloat64
	firstTS, lastTS  *proto.ColDateTime64
}

func newRollupColumns() *rollupColumns { return &rollupColumns{firstTS: millis(0), lastTS: millis(0)} }

func (c *rollupColumns) append(k seriesKey, r *pack.Rollup) {
	c.tenants, c.metrics, c.series = append(c.tenants, k.tenant), append(c.metrics, k.metric), append(c.series, k.series)
	c.ts.Data = append(c.ts.Data, proto.DateTime(r.BucketMS/1000))
	c.count, c.sum, c.min, c.max = append(c.count, r.Count), append(c.sum, r.Sum), append(c.min, r.Min), append(c.max, r.Max)
	c.first, c.last = append(c.first, r.First), append(c.last, r.Last)
	c.firstTS.AppendRaw(proto.DateTime64(r.FirstMS))
	c.lastTS.AppendRaw(proto.DateTime64(r.LastMS))
}

func (c *rollupColumns) input() proto.Input {
	return proto.Input{
		{Name: "tenant_id", Data: c.tenants}, {Name: "metric_id", Data: c.metrics}, {Name: "series_id", Data: c.series}, {Name: "ts", Data: c.ts}, {Name: "count", Data: c.count},
		{Name: "sum", Data: c.sum}, {Name: "min", Data: c.min}, {Name: "max", Data: c.max}, {Name: "first_ts", Data: c.firstTS}, {Name: "first", Data: c.first},
		{Name: "last_ts", Data: c.lastTS}, {Name: "last", Data: c.last},
	}
}
