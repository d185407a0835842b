package pack

import (
	"math"
	"math/rand"
	"testing"
)

func roundTrip(t *testing.T, times []int64, values []float64) Block {
	t.Helper()
	var e Encoder
	b := e.Encode(times, values, false)
	gt, gv := b.AppendTimes(nil), b.AppendValues(nil)
	if len(gt) != len(times) || len(gv) != len(values) {
		t.Fatalf("got %d times and %d values, want %d", len(gt), len(gv), len(times))
	}
	for i := range times {
		if gt[i] != times[i] {
			t.Fatalf("time %d: got %d, want %d", i, gt[i], times[i])
		}
		if math.Float64bits(gv[i]) != math.Float64bits(values[i]) {
			t.Fatalf("value %d: got %v (%x), want %v (%x)", i, gv[i], math.Float64bits(gv[i]), values[i], math.Float64bits(values[i]))
		}
	}
	return b
}

func regular(n int, step int64) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = 1795132800000 + int64(i)*step
	}
	return out
}

func TestBlockIsLossless(t *testing.T) {
	f := func(name string, floats bool, values ...float64) {
		t.Run(name, func(t *testing.T) {
			b := roundTrip(t, regular(len(values), 15000), values)
			if (len(b.Floats) > 0) != floats {
				t.Errorf("plain floats: %v, want %v", len(b.Floats) > 0, floats)
			}
			if len(b.OffsetsMS) != 0 {
				t.Errorf("regular times need no offsets, got %v", b.OffsetsMS)
			}
		})
	}
	f("one", false, 42)
	f("constant", false, 0.25, 0.25, 0.25)
	f("zeros", false, 0, 0, 0)
	f("integers", false, 1, 5, -3, 4503599627370496)
	f("decimals", false, 0.1, 0.25, 1234.567, -9.5)
	f("scale_grows_late", false, 1, 2, 3, 0.001)
	f("nine_digits", false, 0.123456789, 0.000000001)
	f("negative_zero", true, 0, math.Copysign(0, -1))
	f("nan", true, 1, math.NaN())
	f("infinity", true, math.Inf(1), 1)
	f("third", true, 1.0/3, 2.0/3)
	f("huge", true, 1e300, 1)
	f("tiny", true, 5e-324)
	f("above_2_53", true, 9007199254740994, 1)
}

func TestTimesOfAnyShape(t *testing.T) {
	r := rand.New(rand.NewSource(7))
	for range 200 {
		n := 1 + r.Intn(300)
		times := []int64{1795132800000 + r.Int63n(dayMS/2)}
		for len(times) < n {
			times = append(times, times[len(times)-1]+r.Int63n(20000))
		}
		values := make([]float64, n)
		for i := range values {
			values[i] = math.Round(r.NormFloat64()*1e4) / math.Pow(10, float64(r.Intn(6)))
		}
		roundTrip(t, times, values)
	}
}

func TestCut(t *testing.T) {
	f := func(name string, times []int64, want int) {
		if got := Cut(times); got != want {
			t.Errorf("%s: got %d, want %d", name, got, want)
		}
	}
	f("one", []int64{5}, 1)
	f("all", []int64{0, 1000, 2000}, 3)
	f("span", []int64{0, 1000, MaxSpanMS - 1, MaxSpanMS, MaxSpanMS + 1}, 3)
	f("midnight", []int64{dayMS - 2, dayMS - 1, dayMS, dayMS + 1}, 2)
	f("before_1970", []int64{-dayMS - 1, -dayMS, -1}, 1)
	f("samples", regular(MaxSamples+10, 1), MaxSamples)
}

func TestRollups(t *testing.T) {
	times := []int64{0, 1000, 299999, 300000, 900000}
	got := AppendRollups(nil, times, []float64{3, 1, 2, math.NaN(), 7}, 300000)
	if len(got) != 3 {
		t.Fatalf("got %d buckets, want 3: %v", len(got), got)
	}
	if w := (Rollup{BucketMS: 0, Count: 3, Sum: 6, Min: 1, Max: 3, FirstMS: 0, First: 3, LastMS: 299999, Last: 2}); got[0] != w {
		t.Errorf("got %+v, want %+v", got[0], w)
	}
	if got[1].Count != 1 || !math.IsNaN(got[1].Sum) || got[2].Last != 7 {
		t.Errorf("got %+v", got[1:])
	}
}

func FuzzBlock(f *testing.F) {
	f.Add(int64(0), uint16(3), uint64(4607182418800017408), uint64(1))
	f.Add(int64(1795132800000), uint16(200), uint64(0x3fd5555555555555), uint64(12345))
	f.Fuzz(func(t *testing.T, first int64, n uint16, bits, seed uint64) {
		if first < 0 || first > 1<<45 || n == 0 || n > 2000 {
			return
		}
		r := rand.New(rand.NewSource(int64(seed)))
		times, values := make([]int64, n), make([]float64, n)
		at := first
		for i := range times {
			times[i] = at
			at += r.Int63n(100000)
			values[i] = math.Float64frombits(bits ^ uint64(r.Intn(3))<<uint(r.Intn(63)))
		}
		for len(times) > 0 {
			k := Cut(times)
			roundTrip(t, times[:k], values[:k])
			times, values = times[k:], values[k:]
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	r := rand.New(rand.NewSource(1))
	times := regular(40, 15000)
	values := make([]float64, 40)
	v := 0.0
	for i := range values {
		v += math.Round(r.Float64()*1500) / 100
		values[i] = v
	}
	var e Encoder
	b.ReportAllocs()
	for b.Loop() {
		e.Encode(times, values, false)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/40, "ns/sample")
}

func BenchmarkDecode(b *testing.B) {
	r := rand.New(rand.NewSource(1))
	values := make([]float64, 480)
	for i := range values {
		values[i] = math.Round(r.Float64()*1500) / 100
	}
	var e Encoder
	blk := e.Encode(regular(480, 15000), values, false)
	var ts []int64
	var vs []float64
	for b.Loop() {
		ts, vs = blk.AppendTimes(ts[:0]), blk.AppendValues(vs[:0])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/480, "ns/sample")
}
