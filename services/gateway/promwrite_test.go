package gateway

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

const v2Type = "application/x-protobuf;proto=io.prometheus.write.v2.Request"

func ts(labels map[string]string, samples ...prompb.Sample) prompb.TimeSeries {
	s := prompb.TimeSeries{Samples: samples}
	for _, n := range sortedKeys(labels) {
		s.Labels = append(s.Labels, prompb.Label{Name: n, Value: labels[n]})
	}
	return s
}

func sortedKeys(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	for i := range out {
		for j := i + 1; j < len(out); j++ {
			if out[j] < out[i] {
				out[i], out[j] = out[j], out[i]
			}
		}
	}
	return out
}

func v1(t testing.TB, req *prompb.WriteRequest) []byte {
	t.Helper()
	b, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return pack(t, "snappy", b)
}

func TestRemoteWriteV1(t *testing.T) {
	x := newRig(t, nil)
	now := time.Now().UnixMilli()
	body := v1(t, &prompb.WriteRequest{
		Timeseries: []prompb.TimeSeries{
			ts(map[string]string{"__name__": "up", "job": "node", "instance": "web1:9100"}, prompb.Sample{Value: 1, Timestamp: now}, prompb.Sample{Value: 0, Timestamp: now + 1}),
			ts(map[string]string{"__name__": "gone", "job": "node", "empty": ""}, prompb.Sample{Value: math.Float64frombits(value.StaleNaN), Timestamp: now}),
			ts(map[string]string{"__name__": "nan"}, prompb.Sample{Value: math.NaN(), Timestamp: now}),
		},
		Metadata: []prompb.MetricMetadata{{Type: prompb.MetricMetadata_COUNTER, MetricFamilyName: "up", Help: "is it up", Unit: "bool"}},
	})
	for i := range 3 { // unknown series, known by labels, known by bytes
		status, _, text := post(t, x.url+"/api/v1/write", body, "Content-Type", "application/x-protobuf", "Content-Encoding", "snappy")
		if status != http.StatusNoContent {
			t.Fatalf("status %d: %s", status, text)
		}
		rows := x.rec.samples()
		if len(rows) != 4*(i+1) {
			t.Fatalf("round %d: %d samples", i, len(rows))
		}
		last := rows[4*i:]
		if want := (sampleRow{"up", map[string]string{"job": "node", "instance": "web1:9100"}, now, 1, false}); !cmp.Equal(last[0], want, cmp.AllowUnexported(sampleRow{})) {
			t.Errorf("round %d: got %v, want %v", i, last[0], want)
		}
		if !last[2].stale || last[2].value != 0 || len(last[2].labels) != 1 {
			t.Errorf("round %d: stale sample is %v", i, last[2])
		}
		if !math.IsNaN(last[3].value) || last[3].stale {
			t.Errorf("round %d: NaN sample is %v", i, last[3])
		}
	}
	if n := len(x.rec.metrics[0].Announced) + len(x.rec.metrics[1].Announced); n != 3 {
		t.Errorf("%d series announced, want each of 3 once", n)
	}
	want := model.MetricMetadata{Family: "up", Type: "counter", Unit: "bool", Help: "is it up"}
	if got := x.rec.metrics[0].Metadata; len(got) != 1 || got[0] != want {
		t.Errorf("metadata %v", got)
	}
	h := x.rec.messages[0].Header
	if h.Tenant != 1 || h.Protocol != "remote_write" || h.Source != "remote_write" || h.ReceivedAtMS == 0 {
		t.Errorf("header %+v", h)
	}
}

// Series are the same whichever order the labels come in, whatever the version, and with labels after samples.
func TestRemoteWriteIdentity(t *testing.T) {
	x := newRig(t, nil)
	now := time.Now().UnixMilli()
	s := ts(map[string]string{"__name__": "m", "a": "1", "z": strings.Repeat("long", 50)}, prompb.Sample{Value: 1, Timestamp: now})
	sorted := v1(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{s}})
	s.Labels[0], s.Labels[2] = s.Labels[2], s.Labels[0]
	mixed := v1(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{s}})

	labels, err := (&prompb.TimeSeries{Labels: s.Labels}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	samples, err := (&prompb.TimeSeries{Samples: s.Samples}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	inner := append(samples, labels...)
	late := pack(t, "snappy", append([]byte{0x0a, 0x80 | byte(len(inner)&0x7f), byte(len(inner) >> 7)}, inner...))

	symbols := writev2.NewSymbolTable()
	refs := []uint32{}
	for _, l := range s.Labels {
		refs = append(refs, symbols.Symbolize(l.Name), symbols.Symbolize(l.Value))
	}
	two, err := (&writev2.Request{Symbols: symbols.Symbols(), Timeseries: []writev2.TimeSeries{{LabelsRefs: refs, Samples: []writev2.Sample{{Value: 1, Timestamp: now}}}}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for i, body := range [][]byte{sorted, mixed, late, pack(t, "snappy", two)} {
		contentType := "application/x-protobuf"
		if i == 3 {
			contentType = v2Type
		}
		if status, _, text := post(t, x.url+"/api/v1/write", body, "Content-Type", contentType); status != 204 {
			t.Fatalf("body %d: status %d: %s", i, status, text)
		}
	}
	if len(x.rec.metrics) != 4 {
		t.Fatalf("%d batches", len(x.rec.metrics))
	}
	for i, m := range x.rec.metrics {
		if m.SeriesIDs[0] != x.rec.metrics[0].SeriesIDs[0] {
			t.Errorf("body %d gives another series", i)
		}
		if i > 0 && len(m.Announced) != 0 {
			t.Errorf("body %d announces again", i)
		}
	}
}

func TestRemoteWriteHistograms(t *testing.T) {
	x := newRig(t, nil)
	now := time.Now().UnixMilli()
	h := histogram.Histogram{
		Schema: 3, ZeroThreshold: 0.001, ZeroCount: 2, Count: 12, Sum: 18.4,
		PositiveSpans:   []histogram.Span{{Offset: -2, Length: 2}, {Offset: 3, Length: 2}},
		PositiveBuckets: []int64{1, 1, -1, 0},
		NegativeSpans:   []histogram.Span{{Offset: 0, Length: 2}},
		NegativeBuckets: []int64{2, 1},
	}
	fh := h.ToFloat(nil)
	custom := &histogram.FloatHistogram{
		Schema: histogram.CustomBucketsSchema, Count: 4, Sum: 9, CustomValues: []float64{1, 2.5},
		PositiveSpans: []histogram.Span{{Offset: 0, Length: 3}}, PositiveBuckets: []float64{1, 2, 1},
	}
	symbols := writev2.NewSymbolTable()
	name := []uint32{symbols.Symbolize("__name__"), symbols.Symbolize("latency")}
	two := &writev2.Request{Timeseries: []writev2.TimeSeries{{
		LabelsRefs: name,
		Histograms: []writev2.Histogram{writev2.FromIntHistogram(0, now, &h), writev2.FromFloatHistogram(0, now+1, fh), writev2.FromFloatHistogram(0, now+2, custom)},
		Exemplars:  []writev2.Exemplar{{LabelsRefs: []uint32{symbols.Symbolize("trace_id"), symbols.Symbolize("abc")}, Value: 1.5, Timestamp: now}},
		Metadata:   writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_HISTOGRAM, HelpRef: symbols.Symbolize("how long"), UnitRef: symbols.Symbolize("s")},
	}}}
	two.Symbols = symbols.Symbols()
	b2, err := two.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	status, header, text := post(t, x.url+"/api/v1/push", pack(t, "snappy", b2), "Content-Type", v2Type)
	if status != 204 {
		t.Fatalf("status %d: %s", status, text)
	}
	for name, want := range map[string]string{"Samples": "0", "Histograms": "3", "Exemplars": "1"} {
		if got := header.Get("X-Prometheus-Remote-Write-" + name + "-Written"); got != want {
			t.Errorf("%s written: %q, want %q", name, got, want)
		}
	}
	b1 := v1(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels:     []prompb.Label{{Name: "__name__", Value: "latency"}},
		Histograms: []prompb.Histogram{prompb.FromIntHistogram(now, &h), prompb.FromFloatHistogram(now+1, fh)},
		Exemplars:  []prompb.Exemplar{{Labels: []prompb.Label{{Name: "trace_id", Value: "abc"}}, Value: 1.5, Timestamp: now}},
	}}})
	if status, _, text := post(t, x.url+"/api/v1/write", b1, "Content-Type", "application/x-protobuf"); status != 204 {
		t.Fatalf("status %d: %s", status, text)
	}
	m2, m1 := x.rec.metrics[0], x.rec.metrics[1]
	wantInt := model.HistogramSample{
		MetricID: model.MetricID("latency"), SeriesID: m2.Announced[0].ID, TimeMS: now, Schema: 3, ZeroThreshold: 0.001, ZeroCount: 2, Count: 12, Sum: 18.4,
		PositiveSpans: []int32{-2, 2, 3, 2}, PositiveBuckets: []float64{1, 2, 1, 1}, NegativeSpans: []int32{0, 2}, NegativeBuckets: []float64{2, 3},
	}
	wantFloat := wantInt
	wantFloat.TimeMS, wantFloat.Float = now+1, true
	if diff := cmp.Diff([]model.HistogramSample{wantInt, wantFloat}, m1.Histograms); diff != "" {
		t.Errorf("version 1 histograms: %s", diff)
	}
	if diff := cmp.Diff([]model.HistogramSample{wantInt, wantFloat}, m2.Histograms[:2]); diff != "" {
		t.Errorf("version 2 histograms: %s", diff)
	}
	if c := m2.Histograms[2]; c.Schema != -53 || !cmp.Equal(c.CustomValues, []float64{1, 2.5}) || !cmp.Equal(c.PositiveBuckets, []float64{1, 2, 1}) {
		t.Errorf("custom buckets: %+v", c)
	}
	if e := m2.Exemplars; len(e) != 1 || e[0].Value != 1.5 || e[0].Labels[0] != (model.Label{Name: "trace_id", Value: "abc"}) {
		t.Errorf("exemplars %v", e)
	}
	if got, want := m2.Metadata, (model.MetricMetadata{Family: "latency", Type: "histogram", Unit: "s", Help: "how long"}); len(got) != 1 || got[0] != want {
		t.Errorf("metadata %v", got)
	}
}

func TestRemoteWritePartial(t *testing.T) {
	x := newRig(t, nil)
	now := time.Now().UnixMilli()
	good := prompb.Sample{Value: 1, Timestamp: now}
	many := map[string]string{"__name__": "many"}
	for i := range 70 {
		many[fmt.Sprintf("l%03d", i)] = "v"
	}
	body := v1(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{
		ts(map[string]string{"__name__": "good"}, good),
		ts(map[string]string{"__name__": "future"}, prompb.Sample{Value: 1, Timestamp: now + 11*60_000}),
		ts(map[string]string{"job": "nameless"}, good, good),
		ts(map[string]string{"__name__": "long", "l": strings.Repeat("x", 5000)}, good),
		ts(map[string]string{"__name__": "bad", "l": "\xff"}, good),
		ts(many, good),
		{Labels: []prompb.Label{{Name: "__name__", Value: "dup"}, {Name: "a", Value: "1"}, {Name: "a", Value: "2"}}, Samples: []prompb.Sample{good}},
	}})
	status, _, text := post(t, x.url+"/api/v1/write", body)
	if status != 400 || !strings.Contains(text, "too_far_in_future: 1") || !strings.Contains(text, "missing_name: 2") {
		t.Fatalf("status %d: %s", status, text)
	}
	if rows := x.rec.samples(); len(rows) != 1 || rows[0].name != "good" {
		t.Errorf("stored %v", rows)
	}
	for reason, want := range map[string]uint64{"too_far_in_future": 1, "missing_name": 2, "label_too_long": 1, "invalid_utf8": 1, "too_many_labels": 1, "duplicate_label": 1} {
		if got := x.rejected(reason); got != want {
			t.Errorf("rejected %s: %d, want %d", reason, got, want)
		}
	}
}

func TestSeriesLimit(t *testing.T) {
	x := newRig(t, func(c *Config, _ *Deps) { c.Limits.MaxSeries = 10 })
	now := time.Now().UnixMilli()
	var req prompb.WriteRequest
	for i := range 15 {
		req.Timeseries = append(req.Timeseries, ts(map[string]string{"__name__": "m", "i": fmt.Sprint(i)}, prompb.Sample{Value: 1, Timestamp: now}))
	}
	for round := range 2 {
		if status, _, text := post(t, x.url+"/api/v1/write", v1(t, &req)); status != 400 || !strings.Contains(text, "series_limit: 5") {
			t.Fatalf("round %d: status %d: %s", round, status, text)
		}
	}
	if n := len(x.rec.samples()); n != 20 {
		t.Errorf("%d samples stored, want those of 10 series twice", n)
	}
}

func TestRemoteWriteRefusals(t *testing.T) {
	x := newRig(t, func(c *Config, _ *Deps) { c.Limits.MaxBodyBytes, c.Limits.MaxDecodedBytes = 1<<20, 2<<20 })
	body := v1(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{ts(map[string]string{"__name__": "m"}, prompb.Sample{Value: 1, Timestamp: time.Now().UnixMilli()})}})
	f := func(name string, body []byte, want int, headers ...string) {
		t.Helper()
		status, _, text := post(t, x.url+"/api/v1/write", body, headers...)
		if status != want || (want >= 400 && len(text) < 10) {
			t.Errorf("%s: status %d (%s), want %d", name, status, strings.TrimSpace(text), want)
		}
	}
	f("fine", body, 204)
	f("garbage", []byte("this is not snappy at all"), 400)
	f("truncated", body[:len(body)-3], 400)
	f("truncated inside", pack(t, "snappy", mustUnpack(t, body)[:10]), 400)
	f("unknown message", body, 415, "Content-Type", "application/x-protobuf;proto=some.Other")
	f("json", []byte("{}"), 415, "Content-Type", "application/json")
	f("brotli", body, 415, "Content-Encoding", "br")
	f("oversize", make([]byte, 2<<20), 413)
	f("snappy bomb", pack(t, "snappy", make([]byte, 10<<20)), 413)
	f("zstd bomb", pack(t, "zstd", make([]byte, 100<<20)), 413, "Content-Encoding", "zstd")
	f("zstd", pack(t, "zstd", mustUnpack(t, body)), 204, "Content-Encoding", "zstd")
	f("snappy liar", []byte{0xff, 0xff, 0x3f, 1, 2, 3}, 400)
	f("version 2 as 1", pack(t, "snappy", []byte{0x22, 1, 'a'}), 400)
	f("version 1 as 2", body, 400, "Content-Type", v2Type)
	x.rec.setFail(func(*bus.Message) error { return errs.New(errs.Exhausted, "stream is full") })
	status, header, _ := post(t, x.url+"/api/v1/write", body)
	if status != 429 || header.Get("Retry-After") == "" {
		t.Errorf("full bus: %d, Retry-After %q", status, header.Get("Retry-After"))
	}
	x.rec.setFail(func(*bus.Message) error { return errs.New(errs.Unavailable, "no answer") })
	f("bus away", body, 503)
	x.rec.setFail(nil)
	if resp, err := http.Get(x.url + "/api/v1/write"); err != nil || resp.StatusCode != 405 {
		t.Errorf("GET: %v %v", resp, err)
	} else if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	if got := x.g.budget.Used(); got != 0 {
		t.Errorf("%d bytes are still held", got)
	}
}

// A series whose announcement was lost with its batch is announced again, also when it was known by its bytes meanwhile.
func TestAnnounceAgainAfterFailure(t *testing.T) {
	x := newRig(t, nil)
	now := time.Now().UnixMilli()
	body := v1(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{ts(map[string]string{"__name__": "m"}, prompb.Sample{Value: 1, Timestamp: now})}})
	x.rec.setFail(func(*bus.Message) error { return errs.New(errs.Exhausted, "stream is full") })
	if status, _, _ := post(t, x.url+"/api/v1/write", body); status != 429 {
		t.Fatal(status)
	}
	x.rec.setFail(nil)
	if status, _, _ := post(t, x.url+"/api/v1/write", body); status != 204 {
		t.Fatal(status)
	}
	if rows := x.rec.samples(); len(rows) != 1 || rows[0].name != "m" {
		t.Errorf("stored %v", rows)
	}
}

func mustUnpack(t testing.TB, b []byte) []byte {
	t.Helper()
	out, err := snappyDecode(b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
