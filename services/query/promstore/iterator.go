package promstore

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
)

// iterator walks the samples of one series in the order of time: floats and histograms, each time once.
type iterator struct {
	times  []int64
	values []float64
	hists  []model.HistogramSample
	merge  []point
	// p and h are the next positions; at says where the current value is.
	p, h int
	at   chunkenc.ValueType
	err  error
}

var _ chunkenc.Iterator = (*iterator)(nil)

type point struct {
	t int64
	v float64
}

// reset decodes the samples of s into the iterator's memory.
func (it *iterator) reset(s *series) {
	it.times, it.values, it.hists = it.times[:0], it.values[:0], append(it.hists[:0], s.histograms...)
	it.p, it.h, it.at, it.err = 0, 0, chunkenc.ValNone, nil
	// Packed blocks are older than what was not packed yet, so this order is nearly that of time.
	for _, packed := range [...]bool{true, false} {
		for i := range s.chunks {
			if s.chunks[i].Packed == packed && it.err == nil {
				it.times, it.values, it.err = s.chunks[i].Append(it.times, it.values)
			}
		}
	}
	if it.err != nil {
		it.times, it.values, it.hists = it.times[:0], it.values[:0], it.hists[:0]
		return
	}
	it.order()
	it.clip(s.minMS, s.maxMS)
}

// order sorts the samples by time and drops repeated ones: a sample that was being moved was read twice.
func (it *iterator) order() {
	if !strictlyRising(it.times) {
		it.sortPoints()
	}
	if len(it.hists) > 1 {
		slices.SortStableFunc(it.hists, func(a, b model.HistogramSample) int { return cmp.Compare(a.TimeMS, b.TimeMS) })
		it.hists = slices.CompactFunc(it.hists, func(a, b model.HistogramSample) bool { return a.TimeMS == b.TimeMS })
	}
}

func strictlyRising(ts []int64) bool {
	for i := 1; i < len(ts); i++ {
		if ts[i] <= ts[i-1] {
			return false
		}
	}
	return true
}

func (it *iterator) sortPoints() {
	it.merge = it.merge[:0]
	for i, t := range it.times {
		it.merge = append(it.merge, point{t, it.values[i]})
	}
	slices.SortStableFunc(it.merge, func(a, b point) int { return cmp.Compare(a.t, b.t) })
	it.times, it.values = it.times[:0], it.values[:0]
	for _, p := range it.merge {
		last := len(it.times) - 1
		if last >= 0 && it.times[last] == p.t {
			// A value says more than the marker that somebody else wrote for the same moment.
			if clickhouse.IsStale(it.values[last]) {
				it.values[last] = p.v
			}
			continue
		}
		it.times, it.values = append(it.times, p.t), append(it.values, p.v)
	}
}

// clip leaves the samples from minMS to maxMS: packed blocks reach beyond, and histograms before it tell whether the first one began anew.
func (it *iterator) clip(minMS, maxMS int64) {
	ts := it.times
	it.p = sort.Search(len(ts), func(i int) bool { return ts[i] >= minMS })
	to := sort.Search(len(ts), func(i int) bool { return ts[i] > maxMS })
	it.times, it.values = ts[:to], it.values[:to]
	hs := it.hists
	it.h = sort.Search(len(hs), func(i int) bool { return hs[i].TimeMS >= minMS })
	it.hists = hs[:sort.Search(len(hs), func(i int) bool { return hs[i].TimeMS > maxMS })]
}

// Next moves to the next sample.
func (it *iterator) Next() chunkenc.ValueType {
	switch it.at {
	case chunkenc.ValFloat:
		it.p++
	case chunkenc.ValFloatHistogram:
		it.h++
	default:
	}
	return it.settle()
}

// settle makes the earliest of the two next samples the current one. At the same time, the float wins.
func (it *iterator) settle() chunkenc.ValueType {
	p, h := it.p < len(it.times), it.h < len(it.hists)
	switch {
	case p && (!h || it.times[it.p] <= it.hists[it.h].TimeMS):
		if h && it.times[it.p] == it.hists[it.h].TimeMS {
			it.h++
		}
		it.at = chunkenc.ValFloat
	case h:
		it.at = chunkenc.ValFloatHistogram
	default:
		it.at = chunkenc.ValNone
	}
	return it.at
}

// Seek moves to the first sample at or after t, never back.
func (it *iterator) Seek(t int64) chunkenc.ValueType {
	if it.at != chunkenc.ValNone && it.AtT() >= t {
		return it.at
	}
	it.p += sort.Search(len(it.times)-it.p, func(i int) bool { return it.times[it.p+i] >= t })
	it.h += sort.Search(len(it.hists)-it.h, func(i int) bool { return it.hists[it.h+i].TimeMS >= t })
	return it.settle()
}

// At returns the current float sample.
func (it *iterator) At() (int64, float64) { return it.times[it.p], it.values[it.p] }

// AtT returns the time of the current sample.
func (it *iterator) AtT() int64 {
	if it.at == chunkenc.ValFloatHistogram {
		return it.hists[it.h].TimeMS
	}
	return it.times[it.p]
}

// AtST returns 0: start times are not stored.
func (it *iterator) AtST() int64 { return 0 }

// AtHistogram must not be called: every histogram is handed out with float counts.
func (it *iterator) AtHistogram(*histogram.Histogram) (int64, *histogram.Histogram) {
	panic("BUG: AtHistogram on a series of float histograms")
}

// AtFloatHistogram returns the current histogram sample.
func (it *iterator) AtFloatHistogram(fh *histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	if fh == nil {
		fh = &histogram.FloatHistogram{}
	}
	h := &it.hists[it.h]
	if h.Stale {
		*fh = histogram.FloatHistogram{Sum: math.Float64frombits(value.StaleNaN)}
		return h.TimeMS, fh
	}
	*fh = floatHistogram(h)
	fh.CounterResetHint = it.resetHint(fh)
	return h.TimeMS, fh
}

// resetHint says whether the current histogram began anew since the sample before it. What the sender said of gauges and of resets
// stands; else it is found out here, as Prometheus does when it appends: the first sample that is read says nothing.
func (it *iterator) resetHint(current *histogram.FloatHistogram) histogram.CounterResetHint {
	said := histogram.CounterResetHint(it.hists[it.h].ResetHint)
	if said == histogram.GaugeType || said == histogram.CounterReset {
		return said
	}
	if it.h == 0 || it.hists[it.h-1].Stale {
		return histogram.UnknownCounterReset
	}
	current.CounterResetHint = histogram.UnknownCounterReset
	before := floatHistogram(&it.hists[it.h-1])
	if current.DetectReset(&before) {
		return histogram.UnknownCounterReset // the engine looks itself, as it does over Prometheus' own storage
	}
	return histogram.NotCounterReset
}

// floatHistogram returns a sample in Prometheus' form, without a hint. Custom bounds are shared, the rest is copied, since the engine
// works in place.
func floatHistogram(h *model.HistogramSample) histogram.FloatHistogram {
	return histogram.FloatHistogram{
		Schema:          h.Schema,
		ZeroThreshold:   h.ZeroThreshold,
		ZeroCount:       h.ZeroCount,
		Count:           h.Count,
		Sum:             h.Sum,
		PositiveSpans:   spans(h.PositiveSpans),
		PositiveBuckets: slices.Clone(h.PositiveBuckets),
		NegativeSpans:   spans(h.NegativeSpans),
		NegativeBuckets: slices.Clone(h.NegativeBuckets),
		CustomValues:    h.CustomValues,
	}
}

// spans turns pairs of offset and length into Prometheus' form.
func spans(flat []int32) []histogram.Span {
	if len(flat) == 0 {
		return nil
	}
	out := make([]histogram.Span, len(flat)/2)
	for i := range out {
		out[i] = histogram.Span{Offset: flat[2*i], Length: uint32(flat[2*i+1])}
	}
	return out
}

// Err returns the error that decoding ended with.
func (it *iterator) Err() error { return it.err }
