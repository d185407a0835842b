package pack

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSmallIsTheSame compares both forms over random blocks of every width.
func TestSmallIsTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	var e Encoder
	widths := map[[2]uint8]int{}
	for range 3000 {
		n := 1 + r.IntN(60)
		jitter, size := []int{0, 1, 100, 20_000, 1 << 21}[r.IntN(5)], []int64{0, 1, 100, 30_000, 1 << 30, 1 << 45}[r.IntN(6)]
		times, values := make([]int64, n), make([]float64, n)
		at := int64(r.IntN(1000))
		for i := range times {
			times[i] = at
			at += 15_000 + int64(r.IntN(jitter+1))
			values[i] = float64(r.Int64N(size+1)-size/2) / []float64{1, 100}[r.IntN(2)]
			if size == 1<<45 && r.IntN(20) == 0 {
				values[i] = math.Pi * float64(i)
			}
		}
		stale := r.IntN(10) == 0
		b := e.Encode(times, values, stale)
		s := b.Small()
		widths[[2]uint8{s.offsetBytes, s.deltaBytes}]++
		if got := s.AppendTimes([]int64{1}); !slices.Equal(got, b.AppendTimes([]int64{1})) {
			t.Fatalf("times %v, want %v", got, b.AppendTimes(nil))
		}
		if s.LastMS() != times[n-1] {
			t.Fatalf("last %d, want %d", s.LastMS(), times[n-1])
		}
		if got := s.AppendValues([]float64{1}); !stale && !slices.Equal(got, b.AppendValues([]float64{1})) {
			t.Fatalf("values %v, want %v", got, b.AppendValues(nil))
		}
	}
	if len(widths) < 16 {
		t.Errorf("only %v were tried", widths)
	}
}

// FuzzSmall takes blocks as a table could hold them, fitting together or not: both forms give as many of each, or nothing breaks.
func FuzzSmall(f *testing.F) {
	f.Add(uint32(3), uint32(15), uint8(2), int64(100), []byte{1, 2, 3}, []byte{4, 5}, []byte{})
	f.Add(uint32(9), uint32(0), uint8(200), int64(-1), []byte{1}, []byte{}, []byte{1, 2})
	f.Fuzz(func(t *testing.T, n, step uint32, scale uint8, m int64, offsets, deltas, floats []byte) {
		b := Block{Samples: n % MaxSamples, StepMS: step, Scale: scale, Mantissa0: m}
		for _, o := range offsets {
			b.OffsetsMS = append(b.OffsetsMS, int32(int8(o))<<(o%25))
		}
		for _, d := range deltas {
			b.Deltas = append(b.Deltas, int64(int8(d))<<(d%57))
		}
		for _, v := range floats {
			b.Floats = append(b.Floats, float64(v))
		}
		s := b.Small()
		if !slices.Equal(s.AppendTimes(nil), b.AppendTimes(nil)) {
			t.Errorf("times %v, want %v", s.AppendTimes(nil), b.AppendTimes(nil))
		}
		if got, want := s.AppendValues(nil), b.AppendValues(nil); !slices.Equal(got, want) {
			t.Errorf("values %v, want %v", got, want)
		}
	})
}

func BenchmarkSmallDecode(b *testing.B) {
	times, values := make([]int64, 480), make([]float64, 480)
	for i := range times {
		times[i], values[i] = int64(i)*15000, float64(i*i)*0.25
	}
	var e Encoder
	block := e.Encode(times, values, false)
	s := block.Small()
	for b.Loop() {
		times = s.AppendTimes(times[:0])
		values = s.AppendValues(values[:0])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/480, "ns/sample")
}
