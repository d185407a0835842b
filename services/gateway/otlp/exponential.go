package otlp

import (
	"slices"

	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/model"
)

// Prometheus' native histograms have these schemas; OTLP's scale is the same number. Finer ones are merged down to maxSchema,
// coarser ones do not fit.
const (
	minSchema = -4
	maxSchema = 8
	// defaultZeroThreshold is the width that Prometheus assumes when the sender gives none.
	defaultZeroThreshold = 1e-128
)

// expState is the accumulated exponential histogram of one delta series.
type expState struct {
	scale     int32
	pos, neg  dense
	zero      uint64
	count     uint64
	sum       float64
	zeroWidth float64
	lastMS    int64
	seen      uint32
}

// addExponential adds an exponential histogram as a native one.
func (w *metricWalk) addExponential() string {
	p := &w.point
	if p.scale < minSchema || len(p.pos.counts) > maxBuckets || len(p.neg.counts) > maxBuckets {
		return limits.InvalidData
	}
	if p.scale > maxSchema {
		p.pos = p.pos.merge(uint(p.scale - maxSchema))
		p.neg = p.neg.merge(uint(p.scale - maxSchema))
		p.scale = maxSchema
	}
	if reason := w.begin(w.metric.family, "", ""); reason != "" {
		return reason
	}
	s := &expState{
		scale: p.scale, pos: p.pos, neg: p.neg, zero: p.zero, count: p.count, sum: p.sum, zeroWidth: p.zeroWidth, lastMS: p.ms,
	}
	if w.metric.delta && !p.stale {
		var reason string
		if s, reason = w.delta.addHistogram(w.b.ID(), s); reason != "" {
			return reason
		}
	}
	h := model.HistogramSample{
		TimeMS: p.ms, Stale: p.stale, Schema: s.scale, ZeroThreshold: s.zeroWidth, ZeroCount: float64(s.zero),
		Count: float64(s.count), Sum: s.sum,
	}
	if h.ZeroThreshold == 0 {
		h.ZeroThreshold = defaultZeroThreshold
	}
	h.PositiveSpans, h.PositiveBuckets = s.pos.spans()
	h.NegativeSpans, h.NegativeBuckets = s.neg.spans()
	w.b.Histogram(h)
	for _, data := range p.exemplars {
		if e, err := readExemplar(data); err == nil {
			if e.TimeMS == 0 {
				e.TimeMS = p.ms
			}
			w.b.Exemplar(e)
		}
	}
	return ""
}

// merge returns d with 2^by neighbouring buckets made one.
func (d dense) merge(by uint) dense {
	if len(d.counts) == 0 || by == 0 {
		return d
	}
	by = min(by, 31)
	first := d.offset >> by
	last := (int64(d.offset) + int64(len(d.counts)) - 1) >> by
	out := dense{offset: first, counts: make([]uint64, last-int64(first)+1)}
	for i, c := range d.counts {
		out.counts[(int64(d.offset)+int64(i))>>by-int64(first)] += c
	}
	return out
}

// plus returns the sum of two sides of the same scale, or false when they lie too far apart to be held densely.
func (d dense) plus(o dense) (dense, bool) {
	if len(o.counts) == 0 {
		return dense{d.offset, slices.Clone(d.counts)}, true
	}
	if len(d.counts) == 0 {
		return dense{o.offset, slices.Clone(o.counts)}, true
	}
	first := min(int64(d.offset), int64(o.offset))
	end := max(int64(d.offset)+int64(len(d.counts)), int64(o.offset)+int64(len(o.counts)))
	if end-first > maxBuckets {
		return dense{}, false
	}
	out := dense{offset: int32(first), counts: make([]uint64, end-first)}
	for i, c := range d.counts {
		out.counts[int64(d.offset)+int64(i)-first] += c
	}
	for i, c := range o.counts {
		out.counts[int64(o.offset)+int64(i)-first] += c
	}
	return out, true
}

// spans returns the buckets in Prometheus' form: pairs of offset and length, and the counts in them. Runs of more than two empty
// buckets part two spans. OTLP's bucket i ends at base^(i+1), Prometheus' at base^i: hence the one.
func (d dense) spans() ([]int32, []float64) {
	var spans []int32
	var counts []float64
	next := int64(0) // index after the last bucket written
	for i := 0; i < len(d.counts); i++ {
		if d.counts[i] == 0 {
			continue
		}
		index := int64(d.offset) + int64(i) + 1
		gap := index - next
		switch {
		case len(spans) == 0:
			spans = append(spans, int32(index), 0)
		case gap > 2:
			spans = append(spans, int32(gap), 0)
		default:
			for ; gap > 0; gap-- {
				spans[len(spans)-1]++
				counts = append(counts, 0)
			}
		}
		spans[len(spans)-1]++
		counts = append(counts, float64(d.counts[i]))
		next = index + 1
	}
	return spans, counts
}

// addHistogram returns the running total of a series after s, or why s is refused.
func (t *deltaTx) addHistogram(id uint64, s *expState) (*expState, string) {
	t.lock()
	k := deltaKey{t.tenant, id}
	old := t.hists[k]
	if old == nil {
		old = t.all.hists[k]
	}
	if old == nil {
		if len(t.all.hists)+len(t.hists) >= maxDeltaHistograms && !t.all.sweep(t.nowSec) {
			return nil, limits.StateLimit
		}
		old = &expState{scale: s.scale}
	}
	if s.lastMS <= old.lastMS {
		return nil, limits.OutOfOrderDelta
	}
	sum, ok := old.plus(s)
	if !ok {
		return nil, limits.InvalidData
	}
	sum.lastMS, sum.seen = s.lastMS, t.nowSec
	t.hists[k] = sum
	return sum, ""
}

// plus returns the sum of two histograms at the coarser of their scales; it shares nothing with them. It is coarsened further
// while a side is too wide, and false when even the coarsest does not do.
func (s *expState) plus(o *expState) (*expState, bool) {
	for scale := min(s.scale, o.scale); scale >= minSchema; scale-- {
		pos, okPos := s.pos.merge(uint(s.scale - scale)).plus(o.pos.merge(uint(o.scale - scale)))
		neg, okNeg := s.neg.merge(uint(s.scale - scale)).plus(o.neg.merge(uint(o.scale - scale)))
		if okPos && okNeg {
			return &expState{
				scale: scale, pos: pos, neg: neg, zero: s.zero + o.zero, count: s.count + o.count, sum: s.sum + o.sum,
				zeroWidth: max(s.zeroWidth, o.zeroWidth),
			}, true
		}
	}
	return nil, false
}
