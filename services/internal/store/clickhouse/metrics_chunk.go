package clickhouse

import (
	"encoding/binary"
	"math"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/pack"
	"github.com/faultline-io/faultline/services/model"
)

// staleBits is Prometheus' staleness marker: a signalling NaN that no arithmetic produces.
const staleBits = 0x7ff0000000000002

// StaleMarker returns the value that stands for a staleness marker in decoded samples. It never reaches an aggregate: tables keep a flag.
func StaleMarker() float64 { return math.Float64frombits(staleBits) }

// IsStale reports whether v is the staleness marker.
func IsStale(v float64) bool { return math.Float64bits(v) == staleBits }

// Chunk is some float samples of one series, still encoded: decoding waits until the samples are used.
type Chunk struct {
	SeriesID uint64
	// Packed tells a packed block, with its samples in the order of time, from samples as they arrived.
	Packed  bool
	Samples uint32
	block   pack.Block
	// small is where the samples are when it is not nil; see Small.
	small *pack.Small
}

// Append appends the times, in Unix milliseconds, and the values of c; staleness markers have the value StaleMarker. Errors:
// errs.Internal for columns that contradict each other.
func (c *Chunk) Append(times []int64, values []float64) ([]int64, []float64, error) {
	b := &c.block
	if !c.Packed {
		if len(b.Deltas) != len(b.Floats) {
			return times, values, errs.New(errs.Internal, "series %d: %d times and %d values", c.SeriesID, len(b.Deltas), len(b.Floats))
		}
		return append(times, b.Deltas...), append(values, b.Floats...), nil
	}
	nt, nv := len(times), len(values)
	switch {
	case c.small != nil && c.small.Stale:
		times, values = c.small.AppendTimes(times), appendStale(values, c.small.Samples)
	case c.small != nil:
		times, values = c.small.AppendTimes(times), c.small.AppendValues(values)
	case b.Stale:
		times, values = b.AppendTimes(times), appendStale(values, b.Samples)
	default:
		times, values = b.AppendTimes(times), b.AppendValues(values)
	}
	if len(times)-nt != len(values)-nv {
		return times[:nt], values[:nv], errs.New(errs.Internal, "series %d: a block has %d times and %d values", c.SeriesID, len(times)-nt, len(values)-nv)
	}
	return times, values, nil
}

func appendStale(values []float64, n uint32) []float64 {
	for range n {
		values = append(values, StaleMarker())
	}
	return values
}

// decodeHistogram reads one row of selectHistograms.
func decodeHistogram(row string) (model.HistogramSample, error) {
	d := rowDecoder{s: row}
	h := model.HistogramSample{
		TimeMS:        d.int64(),
		Stale:         d.uint8() != 0,
		Schema:        int32(int8(d.uint8())),
		Float:         d.uint8() != 0,
		ResetHint:     d.uint8(),
		ZeroThreshold: d.float64(),
		ZeroCount:     d.float64(),
		Count:         d.float64(),
		Sum:           d.float64(),
	}
	h.PositiveSpans, h.PositiveBuckets = d.int32s(), d.float64s()
	h.NegativeSpans, h.NegativeBuckets = d.int32s(), d.float64s()
	h.CustomValues = d.float64s()
	return h, d.err
}

// rowDecoder reads ClickHouse's RowBinary format: little-endian numbers, lengths as varints. The first short read sets err, after
// which everything is zero.
type rowDecoder struct {
	s   string
	err error
}

func (d *rowDecoder) take(n int) string {
	if d.err == nil && n > len(d.s) {
		d.err = errs.New(errs.Internal, "the engine's row ends %d bytes early", n-len(d.s))
	}
	if d.err != nil {
		return ""
	}
	part := d.s[:n]
	d.s = d.s[n:]
	return part
}

func (d *rowDecoder) uvarint() uint64 {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		b := d.uint8()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			break
		}
	}
	return v
}

// length reads a count of elements of size bytes each, refusing more than the rest of the row can hold.
func (d *rowDecoder) length(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.s)/size) {
		d.take(len(d.s) + 1)
		return 0
	}
	return int(n)
}

func (d *rowDecoder) str() string { return d.take(d.length(1)) }

func (d *rowDecoder) uint8() uint8 {
	if p := d.take(1); p != "" {
		return p[0]
	}
	return 0
}

func (d *rowDecoder) int64() int64 {
	if p := d.take(8); p != "" {
		return int64(binary.LittleEndian.Uint64([]byte(p)))
	}
	return 0
}

func (d *rowDecoder) float64() float64 { return math.Float64frombits(uint64(d.int64())) }

func (d *rowDecoder) float64s() []float64 {
	out := make([]float64, d.length(8))
	for i := range out {
		out[i] = d.float64()
	}
	return out
}

func (d *rowDecoder) int32s() []int32 {
	out := make([]int32, d.length(4))
	for i := range out {
		if p := d.take(4); p != "" {
			out[i] = int32(binary.LittleEndian.Uint32([]byte(p)))
		}
	}
	return out
}
