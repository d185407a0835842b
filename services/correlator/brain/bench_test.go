package brain_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/correlator/brain"
	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/internal/logshape"
	"github.com/faultline-io/faultline/services/model"
)

// fleet makes the load of many hosts: each step is 15 s of telemetry.
type fleet struct {
	hosts, perHost int
	linesPerSec    int
	tracesPerSec   int // Of four spans each.
	rnd            *rand.Rand
	series         []model.Series
	last           []float64
	bodies         []string
	shapes         []uint64
}

func newFleet(hosts, perHost, linesPerSec, tracesPerSec int) *fleet {
	f := &fleet{hosts: hosts, perHost: perHost, linesPerSec: linesPerSec, tracesPerSec: tracesPerSec, rnd: rand.New(rand.NewPCG(3, 4))}
	for h := range hosts {
		for n := range perHost {
			name := fmt.Sprintf("metric_%d_ratio", n)
			labels := []model.Label{{Name: "host_name", Value: fmt.Sprintf("host-%d", h)}, {Name: "service", Value: fmt.Sprintf("svc-%d", h/4)}}
			key := model.AppendIdentity(model.AppendIdentity(nil, name, ""), "h", labels[0].Value)
			f.series = append(f.series, model.Series{ID: model.Hash64(string(key)), MetricID: model.MetricID(name), Name: name, Labels: labels, ShardHash: model.Hash64(labels[0].Value)})
			f.last = append(f.last, f.rnd.Float64())
		}
	}
	for i := range 400 {
		body := fmt.Sprintf("request %d of user u%d took %d ms in step s%d", i*7919, i%97, i*3, i%40)
		f.bodies = append(f.bodies, body)
		f.shapes = append(f.shapes, logshape.Hash(body))
	}
	return f
}

func (f *fleet) metrics(step int) *model.Metrics {
	m := &model.Metrics{Header: model.Header{Origin: model.Origin{Tenant: 1, Source: "agent:bench"}}}
	at := int64(dayMS + step*stepMS)
	if step%200 == 0 {
		m.Announced = f.series
	}
	for i := range f.series {
		f.last[i] += 0.1*(0.5-f.last[i]) + 0.01*f.rnd.NormFloat64()
		m.SeriesIDs, m.MetricIDs = append(m.SeriesIDs, f.series[i].ID), append(m.MetricIDs, f.series[i].MetricID)
		m.TimesMS, m.Values = append(m.TimesMS, at), append(m.Values, f.last[i])
	}
	return m
}

func (f *fleet) logs(step int) *model.Logs {
	l := &model.Logs{Header: model.Header{Origin: model.Origin{Tenant: 1, Source: "agent:bench"}}}
	const services = 50
	for s := range services {
		attrs := []model.Label{{Name: "host.name", Value: fmt.Sprintf("host-%d", s)}, {Name: "service.name", Value: fmt.Sprintf("svc-%d", s)}}
		l.Resources = append(l.Resources, model.Resource{ID: model.ResourceHash(attrs), Attributes: attrs, Service: attrs[1].Value, Host: attrs[0].Value})
	}
	n := f.linesPerSec * stepMS / 1000
	for i := range n {
		k := f.rnd.IntN(len(f.bodies))
		l.ResourceIdx = append(l.ResourceIdx, uint32(f.rnd.IntN(services)))
		l.TimesNS = append(l.TimesNS, int64(dayMS+(step-1)*stepMS)*1_000_000+int64(i)*int64(stepMS)*1_000_000/int64(n))
		l.ObservedNS, l.Severity = append(l.ObservedNS, 0), append(l.Severity, 9)
		l.ShapeHash, l.Bodies = append(l.ShapeHash, f.shapes[k]), append(l.Bodies, f.bodies[k])
	}
	return l
}

func (f *fleet) spans(step int) *model.Spans {
	b := &model.Spans{Header: model.Header{Origin: model.Origin{Tenant: 1, Source: "agent:bench"}}}
	for s := range 4 {
		attrs := []model.Label{{Name: "host.name", Value: fmt.Sprintf("host-%d", s)}, {Name: "service.name", Value: fmt.Sprintf("svc-%d", s)}}
		b.Resources = append(b.Resources, model.Resource{ID: model.ResourceHash(attrs), Attributes: attrs, Service: attrs[1].Value, Host: attrs[0].Value})
	}
	n := f.tracesPerSec * stepMS / 1000
	for i := range n {
		trace := fmt.Sprintf("%016d", step*n+i)
		start := int64(dayMS+(step-1)*stepMS)*1_000_000 + int64(i)*int64(stepMS)*1_000_000/int64(n)
		parent := ""
		for d := range 4 {
			id := fmt.Sprintf("%08d", d+1)
			kind := uint8(2)
			b.Spans = append(b.Spans, model.Span{
				ResourceIdx: uint32(d), TraceID: trace, SpanID: id, ParentSpanID: parent, Name: fmt.Sprintf("op-%d", i%20), Kind: kind,
				StartNS: start + int64(d)*1_000_000, DurationNS: int64(40-8*d)*1_000_000 + int64(f.rnd.IntN(1_000_000)),
			})
			parent = id
		}
	}
	return b
}

// BenchmarkFleet is the load of the design: 100,000 series at 15 s, 20,000 lines/s and 2,000 spans/s. An operation is fifteen seconds of it; the
// metric cpu-s/s is the share of one core.
func BenchmarkFleet(b *testing.B) {
	f := newFleet(1000, 100, 20_000, 500)
	br := brain.New(brain.Default())
	step, seq := 0, uint64(0)
	var took time.Duration // Without what making the load costs.
	second := func() {
		// A step of fifteen seconds has three marks.
		step++
		m, l, sp := f.metrics(step-1), f.logs(step), f.spans(step)
		began := time.Now()
		defer func() { took += time.Since(began) }()
		br.Metrics(m)
		br.Logs(l)
		br.Spans(sp)
		for i := range 3 {
			seq++
			at := int64(dayMS + (step-1)*stepMS + i*5_000)
			if _, err := br.Mark(eventtime.Mark{Seq: seq, AtMS: at + 20_000, WatermarkMS: at}); err != nil {
				b.Fatal(err)
			}
		}
	}
	for range 44 { // Past the time in which series are only learnt.
		second()
	}
	took = 0
	made := 0
	for b.Loop() {
		second()
		made++
	}
	b.ReportMetric(took.Seconds()/float64(made)/(stepMS/1000), "cpu-s/s")
	data, err := br.Snapshot()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(data))/float64(len(f.series)), "snapshot-B/series")
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapInuse)/(1<<20), "heap-MB")
	runtime.KeepAlive(br)
}
