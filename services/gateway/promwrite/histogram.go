package promwrite

import (
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/wire"
	"github.com/faultline-io/faultline/services/model"
)

// histogram is one native histogram being read; both versions of the protocol share the message.
type histogram struct {
	model.HistogramSample
	posDeltas, negDeltas []int64
	posCounts, negCounts []float64
	floatCount           bool
}

// customSchema marks custom buckets; the other schemas are powers of two between minSchema and maxSchema.
const (
	customSchema = -53
	minSchema    = -4
	maxSchema    = 8
	// maxBuckets bounds one histogram; Prometheus' clients stop at 160.
	maxBuckets = 10_000
)

func (h *histogram) reset() {
	*h = histogram{posDeltas: h.posDeltas[:0], negDeltas: h.negDeltas[:0], posCounts: h.posCounts[:0], negCounts: h.negCounts[:0]}
}

// read parses data into h; what it keeps does not alias data.
func (h *histogram) read(data []byte) error {
	h.reset()
	m := wire.Read(data)
	for m.Next() {
		if err := h.field(&m); err != nil {
			return err
		}
	}
	return m.Err()
}

func (h *histogram) field(m *wire.Reader) error {
	switch m.Field {
	case 1:
		h.Count = float64(m.Num)
	case 2:
		h.Count, h.floatCount = m.Float(), true
	case 3:
		h.Sum = m.Float()
	case 4:
		h.Schema = int32(m.Sint())
	case 5:
		h.ZeroThreshold = m.Float()
	case 6:
		h.ZeroCount = float64(m.Num)
	case 7:
		h.ZeroCount = m.Float()
	case 8:
		return appendSpan(&h.NegativeSpans, m)
	case 9:
		return m.Uvarints(func(v uint64) { h.negDeltas = append(h.negDeltas, wire.Zigzag(v)) })
	case 10:
		return m.Fixed64s(func(v uint64) { h.negCounts = append(h.negCounts, math.Float64frombits(v)) })
	case 11:
		return appendSpan(&h.PositiveSpans, m)
	case 12:
		return m.Uvarints(func(v uint64) { h.posDeltas = append(h.posDeltas, wire.Zigzag(v)) })
	case 13:
		return m.Fixed64s(func(v uint64) { h.posCounts = append(h.posCounts, math.Float64frombits(v)) })
	case 14:
		h.ResetHint = uint8(m.Num & 3)
	case 15:
		h.TimeMS = m.Int()
	case 16:
		return m.Fixed64s(func(v uint64) { h.CustomValues = append(h.CustomValues, math.Float64frombits(v)) })
	}
	return nil
}

func appendSpan(dst *[]int32, m *wire.Reader) error {
	if m.Type != wire.Bytes {
		return wire.ErrMalformed
	}
	var offset, length int32
	f := wire.Read(m.Data)
	for f.Next() {
		switch {
		case f.Is(1, wire.Varint):
			offset = int32(f.Sint())
		case f.Is(2, wire.Varint):
			length = int32(min(f.Num, math.MaxInt32))
		}
	}
	*dst = append(*dst, offset, length)
	return f.Err()
}

// finish fills the buckets and returns why the histogram is refused, or "".
func (h *histogram) finish() string {
	h.Float = h.floatCount
	if h.Schema != customSchema && (h.Schema < minSchema || h.Schema > maxSchema) {
		return limits.InvalidData
	}
	if intake.IsStale(h.Sum) {
		h.Stale = true
		h.Sum = 0
	}
	var ok bool
	if h.PositiveBuckets, ok = buckets(h.PositiveSpans, h.posDeltas, h.posCounts, h.Float); !ok {
		return limits.InvalidData
	}
	if h.NegativeBuckets, ok = buckets(h.NegativeSpans, h.negDeltas, h.negCounts, h.Float); !ok {
		return limits.InvalidData
	}
	return ""
}

// buckets returns absolute counts, or false when they do not fit their spans.
func buckets(spans []int32, deltas []int64, counts []float64, float bool) ([]float64, bool) {
	n := 0
	for i := 1; i < len(spans); i += 2 {
		if spans[i] < 0 || n+int(spans[i]) > maxBuckets || (i > 1 && spans[i-1] < 0) {
			return nil, false
		}
		n += int(spans[i])
	}
	if float {
		return slices.Clone(counts), len(counts) == n
	}
	if len(deltas) != n {
		return nil, false
	}
	if n == 0 {
		return nil, true
	}
	out := make([]float64, n)
	var abs int64
	for i, d := range deltas {
		abs += d
		if abs < 0 {
			return nil, false
		}
		out[i] = float64(abs)
	}
	return out, true
}

// histogram hands the histogram that was just read to the batch.
func (w *writer) histogram() {
	if reason := w.hist.finish(); reason != "" {
		w.req.Reject(model.SignalMetrics, reason, 1)
		return
	}
	if w.b.Histogram(w.hist.HistogramSample) {
		w.written.Histograms++
	}
}
