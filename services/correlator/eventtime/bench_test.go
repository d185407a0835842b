package eventtime

import (
	"runtime"
	"testing"

	"github.com/faultline-io/faultline/services/model"
)

// null is a Sink that costs nothing.
type null struct{}

func (null) Sample(*model.Series, Point) {}
func (null) Aside(uint64, Point, Reason) {}
func (null) Gone(*model.Series)          {}
func (null) Advance(Mark)                {}

// fleet returns one batch for each host, with a sample of each of its series.
func fleet(hosts, perHost int) []*model.Metrics {
	var all []*model.Metrics
	for h := range hosts {
		m := &model.Metrics{}
		for i := range perHost {
			s := seriesOf(h, i)
			m.Announced = append(m.Announced, s)
			m.SeriesIDs, m.TimesMS, m.Values = append(m.SeriesIDs, s.ID), append(m.TimesMS, 0), append(m.Values, float64(i))
		}
		all = append(all, m)
	}
	return all
}

// send lets the fleet send once, and three ticks pass.
func send(b testing.TB, o *Order, all []*model.Metrics, round int64, seq *uint64) {
	for _, m := range all {
		for i := range m.TimesMS {
			m.TimesMS[i] = round * 15_000
		}
		o.Batch(m, null{})
		m.Announced = nil
	}
	for tick := int64(1); tick <= 3; tick++ {
		*seq++
		if err := o.Mark(Mark{Seq: *seq, WatermarkMS: round*15_000 + tick*5_000 - 25_000}, null{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOrder is the cost of a sample through an Order of 100,000 series at 15 s with a mark each 5 s, and the bytes of a series.
func BenchmarkOrder(b *testing.B) {
	const hosts, perHost = 1000, 100
	before := heap()
	all := fleet(hosts, perHost)
	o, seq := NewOrder(DefaultLimits()), uint64(0)
	round := int64(100)
	for range 5 {
		send(b, o, all, round, &seq)
		round++
	}
	columns := float64(hosts*perHost*24 + hosts*200) // Of the batches, which the Order does not keep.
	resident := (float64(heap()-before) - columns) / (hosts * perHost)
	for b.Loop() {
		send(b, o, all, round, &seq)
		round++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(hosts*perHost), "ns/sample")
	b.ReportMetric(resident, "B/series")
	b.ReportMetric(float64(len(o.Snapshot(0)))/(hosts*perHost), "snapshot-B/series")
	runtime.KeepAlive(all)
}

// BenchmarkSnapshot writes and reads 20,000 series.
func BenchmarkSnapshot(b *testing.B) {
	all := fleet(200, 100)
	o, seq := NewOrder(DefaultLimits()), uint64(0)
	for r := range int64(20) {
		send(b, o, all, 100+r, &seq)
	}
	for b.Loop() {
		if _, _, err := Restore(o.Snapshot(1), DefaultLimits()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/20_000, "ns/series")
}

// heap is what is in use after a collection.
func heap() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}
