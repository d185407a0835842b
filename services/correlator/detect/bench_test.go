package detect_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"

	"github.com/faultline-io/faultline/services/correlator/detect"
	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/model"
)

// flock is many quiet gauges and counters of hosts with a hundred series each, fed without an order.
type flock struct {
	d      *detect.Detector
	series []model.Series
	sums   []float64
	noise  []float64
	t      int
}

func newFlock(n int) *flock {
	f := &flock{d: detect.New(detect.Default()), sums: make([]float64, n), noise: make([]float64, 1<<14)}
	r := rand.New(rand.NewPCG(1, 1))
	for i := range f.noise {
		f.noise[i] = r.NormFloat64()
	}
	for i := range n {
		h := host(i / 100)
		name := fmt.Sprint("some_gauge_", i%50)
		if i%2 == 0 {
			name = fmt.Sprint("some_events_", i%50, "_total")
		}
		s := model.Series{ID: model.Hash64(fmt.Sprint(i)), Name: name, Labels: []model.Label{h, label("part", fmt.Sprint(i%100/50))}, ShardHash: model.Hash64(h.Value)}
		f.series = append(f.series, s)
	}
	return f
}

// round gives each series a sample; a mark follows.
func (f *flock) round() {
	ms := begin + int64(f.t)*stepMS
	for i := range f.series {
		z := f.noise[(i*7919+f.t*104729)&(len(f.noise)-1)]
		v := 50 + 5*z
		if i%2 == 0 {
			f.sums[i] += float64(int(100 + 10*z))
			v = f.sums[i]
		}
		f.d.Sample(&f.series[i], eventtime.Point{TimeMS: ms, Value: v})
	}
	f.t++
	f.d.Advance(eventtime.Mark{Seq: uint64(f.t), AtMS: ms, WatermarkMS: ms})
	f.d.Findings()
}

// BenchmarkDetector is the cost of a sample of 100,000 series at 15 s with a mark each, the bytes of a series after two hours (with its share of
// everything but the labels), and those of a snapshot.
func BenchmarkDetector(b *testing.B) {
	const n = 100_000
	f := newFlock(n)
	before := heap()
	for range 480 + 20 {
		f.round()
	}
	resident := float64(heap()-before) / n
	used := processorTime()
	for b.Loop() {
		f.round()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/sample")
	b.ReportMetric(float64(processorTime()-used)/float64(b.N)/n, "cpu-ns/sample")
	b.ReportMetric(resident, "B/series")
	b.ReportMetric(float64(len(f.d.Snapshot()))/n, "snapshot-B/series")
	runtime.KeepAlive(f)
}

// BenchmarkSnapshot writes and reads 10,000 series.
func BenchmarkSnapshot(b *testing.B) {
	f := newFlock(10_000)
	for range 300 {
		f.round()
	}
	for b.Loop() {
		if _, err := detect.Restore(f.d.Snapshot(), detect.Default()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/series")
}

// BenchmarkWindows reads the last half hour of 10,000 series.
func BenchmarkWindows(b *testing.B) {
	f := newFlock(10_000)
	for range 300 {
		f.round()
	}
	for b.Loop() {
		f.d.Windows(func(model.Entity) bool { return true }, begin+int64(f.t-120)*stepMS)
	}
}

// processorTime is what this process used so far, in ns: on a busy machine it says more than the clock.
func processorTime() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func heap() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}
