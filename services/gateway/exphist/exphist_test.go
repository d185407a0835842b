package exphist

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
)

// toProm reads a sample as Prometheus' own type, which knows how to check it and where its buckets are.
func toProm(h *Histogram) *histogram.FloatHistogram {
	s := h.Sample(1)
	spans := func(pairs []int32) (out []histogram.Span) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, histogram.Span{Offset: pairs[i], Length: uint32(pairs[i+1])})
		}
		return out
	}
	return &histogram.FloatHistogram{
		Schema: s.Schema, ZeroThreshold: s.ZeroThreshold, ZeroCount: s.ZeroCount, Count: s.Count, Sum: s.Sum, PositiveSpans: spans(s.PositiveSpans), PositiveBuckets: s.PositiveBuckets,
		NegativeSpans: spans(s.NegativeSpans), NegativeBuckets: s.NegativeBuckets,
	}
}

func TestBuckets(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var h, twice Histogram
	n := 0.0
	for range 5000 {
		v := math.Exp(rng.NormFloat64()*4) * float64(rng.IntN(3)-1)
		var one Histogram
		one.Observe(v, 2)
		p := toProm(&one)
		found := v == 0 && p.ZeroCount == 2
		for it := p.AllBucketIterator(); it.Next(); {
			if b := it.At(); b.Count == 2 && b.Lower <= v && v <= b.Upper {
				found = true
			}
		}
		if !found {
			t.Fatalf("%v is in no bucket of %v", v, p)
		}
		h.Observe(v, 2)
		twice.Add(&one)
		n += 2
	}
	p := toProm(&h)
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if p.Count != n || !p.Equals(toProm(&twice)) && math.Abs(h.sum-twice.sum) > 1e-6*math.Abs(h.sum) {
		t.Errorf("adding histograms differs from adding values: %v, %v", p, toProm(&twice))
	}
	c := h.Clone()
	c.Observe(1, 1)
	if h.Count() != n {
		t.Error("a clone shares its origin's state")
	}
}

func TestBoundsAndNonsense(t *testing.T) {
	var h Histogram
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if h.Observe(v, 1) {
			t.Errorf("%v counted", v)
		}
	}
	if h.Observe(1, 0) || h.Observe(1, -1) || h.Observe(1, math.NaN()) {
		t.Error("a weight that is none counted")
	}
	for i := range 5000 {
		h.Observe(math.Pow(2, float64(i%400)-200)*(1+float64(i)/5000), 1)
	}
	if n := len(h.pos.at); n > MaxBuckets {
		t.Errorf("%d buckets", n)
	}
	if err := toProm(&h).Validate(); err != nil {
		t.Error(err)
	}
	for _, v := range []float64{math.SmallestNonzeroFloat64, math.MaxFloat64, -math.MaxFloat64, 1} {
		h.Observe(v, 1)
	}
}

func BenchmarkObserve(b *testing.B) {
	var h Histogram
	b.ReportAllocs()
	for i := range b.N {
		h.Observe(float64(1+i%1000), 1)
	}
}
