// Package exphist adds up values and sketches into exponential histograms of one resolution, as Prometheus' native histograms have
// them. Buckets are kept sorted in slices: adding a value to a histogram of n buckets costs a binary search, and a move when its bucket is
// new; there is a bound on the number of buckets, beyond which the lowest are one.
package exphist

import (
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

const (
	// Schema is the resolution: buckets grow by the 32nd root of two, 2.2 %, which is close to what Datadog's sketches have (1.6 %).
	Schema        = 5
	bucketsPerTwo = 1 << Schema
	// MaxBuckets bounds one side of a histogram: ten orders of magnitude. Values below them count in the lowest bucket.
	MaxBuckets = 1024
	// zeroThreshold is the width that Prometheus assumes of a zero bucket.
	zeroThreshold = 1e-128
)

// Histogram is an exponential histogram. The zero value is empty.
type Histogram struct {
	pos, neg side
	zero     float64
	count    float64
	sum      float64
}

// side is the buckets of one sign by index; bucket i holds (2^((i-1)/32), 2^(i/32)].
type side struct {
	at     []int32
	counts []float64
}

// index returns the bucket of v > 0.
func index(v float64) int32 {
	frac, exp := math.Frexp(v) // v = frac·2^exp, frac in [0.5, 1)
	i := math.Ceil(math.Log2(frac) * bucketsPerTwo)
	return int32(i) + int32(exp)*bucketsPerTwo
}

// Observe adds weight times v. What is not a finite number is left out; Observe reports whether it counted.
func (h *Histogram) Observe(v, weight float64) bool {
	if math.IsNaN(v) || math.IsInf(v, 0) || !(weight > 0) || math.IsInf(weight, 0) {
		return false
	}
	h.Bucket(v, weight)
	h.sum += v * weight
	h.count += weight
	return true
}

// Bucket adds weight to the bucket of v alone, neither to count nor to sum: for sketches, which know both better than their buckets do.
func (h *Histogram) Bucket(v, weight float64) {
	switch {
	case v > zeroThreshold:
		h.pos.add(index(v), weight)
	case v < -zeroThreshold:
		h.neg.add(index(-v), weight)
	default:
		h.zero += weight
	}
}

// Totals adds to count and sum.
func (h *Histogram) Totals(count, sum float64) {
	h.count += count
	h.sum += sum
}

// Count returns the number of values.
func (h *Histogram) Count() float64 { return h.count }

// Add adds all of o.
func (h *Histogram) Add(o *Histogram) {
	h.zero, h.count, h.sum = h.zero+o.zero, h.count+o.count, h.sum+o.sum
	for i := range o.pos.at {
		h.pos.add(o.pos.at[i], o.pos.counts[i])
	}
	for i := range o.neg.at {
		h.neg.add(o.neg.at[i], o.neg.counts[i])
	}
}

// Clone returns a copy.
func (h *Histogram) Clone() *Histogram {
	c := *h
	c.pos, c.neg = h.pos.clone(), h.neg.clone()
	return &c
}

func (s side) clone() side { return side{slices.Clone(s.at), slices.Clone(s.counts)} }

func (s *side) add(i int32, weight float64) {
	k, found := slices.BinarySearch(s.at, i)
	if found {
		s.counts[k] += weight
		return
	}
	s.at, s.counts = slices.Insert(s.at, k, i), slices.Insert(s.counts, k, weight)
	if len(s.at) > MaxBuckets {
		s.counts[1] += s.counts[0]
		s.at, s.counts = s.at[1:], s.counts[1:]
	}
}

// Sample returns the histogram as it stands, as a sample at ms.
func (h *Histogram) Sample(ms int64) model.HistogramSample {
	s := model.HistogramSample{
		TimeMS: ms, Schema: Schema, ZeroThreshold: zeroThreshold, ZeroCount: h.zero, Count: h.count, Sum: h.sum, Float: true,
		PositiveBuckets: slices.Clone(h.pos.counts), NegativeBuckets: slices.Clone(h.neg.counts), PositiveSpans: h.pos.spans(), NegativeSpans: h.neg.spans(),
	}
	return s
}

// spans returns the buckets as pairs of offset and length; the first offset is an index, the others are gaps.
func (s *side) spans() []int32 {
	var out []int32
	next := int32(0)
	for _, i := range s.at {
		if n := len(out); n > 0 && i == next {
			out[n-1]++
		} else {
			out = append(out, i-next, 1)
		}
		next = i + 1
	}
	return out
}
