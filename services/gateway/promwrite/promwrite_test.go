package promwrite

import (
	"context"
	"fmt"
	"testing"

	promhist "github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
	"github.com/faultline-io/faultline/services/internal/errs"
)

var nowMS = intaketest.Now().UnixMilli()

func requestV1(series, samples int) []byte {
	var req prompb.WriteRequest
	for i := range series {
		t := prompb.TimeSeries{Labels: []prompb.Label{
			{Name: "__name__", Value: "node_network_receive_bytes_total"}, {Name: "device", Value: fmt.Sprintf("eth%d", i%8)},
			{Name: "env", Value: "production"}, {Name: "instance", Value: fmt.Sprintf("host-%d.example.org:9100", i/8)},
			{Name: "job", Value: "node"}, {Name: "region", Value: "eu-west-1"},
		}}
		for j := range samples {
			t.Samples = append(t.Samples, prompb.Sample{Value: float64(i * j), Timestamp: nowMS + int64(j)})
		}
		req.Timeseries = append(req.Timeseries, t)
	}
	return must(req.Marshal())
}

func requestV2(series int) []byte {
	symbols := writev2.NewSymbolTable()
	var req writev2.Request
	for i := range series {
		var refs []uint32
		for _, s := range []string{"__name__", "node_network_receive_bytes_total", "device", fmt.Sprintf("eth%d", i%8), "env", "production", "instance", fmt.Sprintf("host-%d.example.org:9100", i/8), "job", "node", "region", "eu-west-1"} {
			refs = append(refs, symbols.Symbolize(s))
		}
		req.Timeseries = append(req.Timeseries, writev2.TimeSeries{LabelsRefs: refs, Samples: []writev2.Sample{{Value: float64(i), Timestamp: nowMS}},
			Metadata: writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: symbols.Symbolize("bytes received")}})
	}
	req.Symbols = symbols.Symbols()
	return must(req.Marshal())
}

type request = intake.Request

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

var hist = promhist.Histogram{Schema: 1, Count: 3, Sum: 4, PositiveSpans: []promhist.Span{{Offset: 1, Length: 2}}, PositiveBuckets: []int64{1, 1}}

func FuzzWriteV1(f *testing.F) {
	f.Add(requestV1(3, 2))
	f.Add(must((&prompb.WriteRequest{
		Timeseries: []prompb.TimeSeries{{
			Labels: []prompb.Label{{Name: "__name__", Value: "h"}}, Histograms: []prompb.Histogram{prompb.FromIntHistogram(nowMS, &hist)},
			Exemplars: []prompb.Exemplar{{Labels: []prompb.Label{{Name: "trace_id", Value: "x"}}, Value: 1, Timestamp: nowMS}},
		}},
		Metadata: []prompb.MetricMetadata{{Type: prompb.MetricMetadata_GAUGE, MetricFamilyName: "h", Help: "help"}},
	}).Marshal()))
	f.Add([]byte("\x0a\x05\x0a\x7f\x12\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) { fuzz(t, body, (*Receiver).WriteV1) })
}

func FuzzWriteV2(f *testing.F) {
	f.Add(requestV2(3))
	f.Add(must((&writev2.Request{Symbols: []string{"", "__name__", "h"}, Timeseries: []writev2.TimeSeries{{
		LabelsRefs: []uint32{1, 2}, Histograms: []writev2.Histogram{writev2.FromIntHistogram(0, nowMS, &hist)}, Exemplars: []writev2.Exemplar{{LabelsRefs: []uint32{1, 2}, Timestamp: nowMS}},
	}}}).Marshal()))
	f.Add([]byte("\x22\x00\x2a\x04\x0a\x02\x00\x7f"))
	f.Fuzz(func(t *testing.T, body []byte) { fuzz(t, body, (*Receiver).WriteV2) })
}

// fuzz: whatever the bytes, the answer is nil or Invalid, twice the same, and what was accepted can be encoded.
func fuzz(t *testing.T, body []byte, write func(*Receiver, context.Context, *request, []byte) (Written, error)) {
	core, sink := intaketest.Core(t)
	r := New(core)
	var first Written
	for i := range 2 { // the second time series are known
		req := intaketest.Request(core)
		w, err := write(r, context.Background(), req, body)
		if err != nil && errs.KindOf(err) != errs.Invalid {
			t.Fatalf("error of kind %s: %v", errs.KindOf(err), err)
		}
		if err != nil {
			return
		}
		if w.Samples+w.Histograms+w.Exemplars != req.Accepted() {
			t.Fatalf("%+v written, %d accepted", w, req.Accepted())
		}
		if i == 0 {
			first = w
		} else if w != first {
			t.Fatalf("written %+v, then %+v", first, w)
		}
	}
	if n := first.Samples + first.Histograms + first.Exemplars; sink.Items != 2*n {
		t.Fatalf("%d published, want twice %d", sink.Items, n)
	}
}

func BenchmarkWriteV1(b *testing.B) {
	for _, c := range []struct {
		name            string
		series, samples int
	}{{"one_sample_each", 2000, 1}, {"ten_samples_each", 200, 10}} {
		b.Run(c.name, func(b *testing.B) { bench(b, requestV1(c.series, c.samples), (*Receiver).WriteV1) })
	}
}

func BenchmarkWriteV2(b *testing.B) { bench(b, requestV2(2000), (*Receiver).WriteV2) }

func bench(b *testing.B, body []byte, write func(*Receiver, context.Context, *request, []byte) (Written, error)) {
	core, _ := intaketest.Core(b)
	r := New(core)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	n := 0
	for range b.N {
		w, err := write(r, context.Background(), intaketest.Request(core), body)
		if err != nil {
			b.Fatal(err)
		}
		n += w.Samples
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "samples/s")
}
