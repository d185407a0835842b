package bus

import (
	"math"
	"math/rand"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"

	telemetryv1 "github.com/faultline-io/faultline/proto/gen/faultline/telemetry/v1"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

func fullBatch() *model.Metrics {
	return &model.Metrics{
		MetricIDs: []uint32{7, 8}, SeriesIDs: []uint64{math.MaxUint64, 2}, Counts: []uint32{2, 1},
		TimesMS: []int64{1795132800000, 1795132815000, -5}, Values: []float64{1.5, math.Inf(1), 0}, Stale: []uint32{2},
		Announced:  []model.Series{{ID: 2, MetricID: 8, Name: "up", Labels: []model.Label{{Name: "job", Value: "node"}}, ShardHash: 9}},
		Metadata:   []model.MetricMetadata{{Family: "up", Original: "up", Type: "gauge", Unit: "1", Help: "is it up"}},
		Histograms: []model.HistogramSample{{MetricID: 1, SeriesID: 3, TimeMS: 5, Schema: -4, ZeroThreshold: 1e-3, ZeroCount: 1, Count: 4, Sum: 9, PositiveSpans: []int32{-2, 3}, PositiveBuckets: []float64{1, 1, 1}, NegativeSpans: []int32{1, 1}, NegativeBuckets: []float64{1}, CustomValues: []float64{.5}, Float: true, ResetHint: 2}},
		Exemplars:  []model.Exemplar{{MetricID: 1, SeriesID: 3, TimeMS: 5, Value: 2, Labels: []model.Label{{Name: "trace_id", Value: "ab"}}}},
	}
}

func TestMetricsRoundTrip(t *testing.T) {
	f := func(name string, in *model.Metrics) {
		t.Helper()
		data, err := EncodeMetrics(in)
		if err != nil {
			t.Fatalf("%s: encode: %v", name, err)
		}
		out := &model.Metrics{Header: in.Header}
		if err := DecodeMetrics(data, out); err != nil {
			t.Fatalf("%s: decode: %v", name, err)
		}
		if d := cmp.Diff(in, out, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s: round trip differs (-in +out):\n%s", name, d)
		}
	}
	f("empty", &model.Metrics{})
	f("full", fullBatch())
	f("large", wideBatch(20000))
}

func TestMetricsIsTheProtoItClaims(t *testing.T) {
	data, err := EncodeMetrics(fullBatch())
	if err != nil {
		t.Fatal(err)
	}
	body, err := open(data)
	if err != nil {
		t.Fatal(err)
	}
	var p telemetryv1.MetricsBatch
	if err := proto.Unmarshal(body, &p); err != nil {
		t.Fatal(err)
	}
	if len(p.ProtoReflect().GetUnknown()) != 0 || len(p.SeriesIds) != 2 || p.TimeDeltasMs[1] != 15000 {
		t.Errorf("hand-written columns do not read as the message: %v", &p)
	}
}

func TestMetricsRefusesColumnsThatDoNotFit(t *testing.T) {
	for name, m := range map[string]*model.Metrics{
		"metric ids":   {MetricIDs: []uint32{1}},
		"times":        {TimesMS: []int64{1}},
		"runs":         {MetricIDs: []uint32{1}, SeriesIDs: []uint64{1}},
		"counts":       {MetricIDs: []uint32{1}, SeriesIDs: []uint64{1}, Counts: []uint32{2}, TimesMS: []int64{1}, Values: []float64{1}},
		"stale index":  {MetricIDs: []uint32{1}, SeriesIDs: []uint64{1}, TimesMS: []int64{1}, Values: []float64{1}, Stale: []uint32{1}},
		"counts short": {MetricIDs: []uint32{1, 2}, SeriesIDs: []uint64{1, 2}, Counts: []uint32{1}, TimesMS: []int64{1}, Values: []float64{1}},
	} {
		if _, err := EncodeMetrics(m); errs.KindOf(err) != errs.Invalid {
			t.Errorf("%s: got %v, want invalid", name, err)
		}
	}
}

func FuzzDecodeMetrics(f *testing.F) {
	for _, m := range []*model.Metrics{{}, fullBatch(), wideBatch(300)} {
		b, err := EncodeMetrics(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{1, 2, 0x28, 0xb5, 0x2f, 0xfd})
	f.Fuzz(func(t *testing.T, b []byte) {
		var m model.Metrics
		if err := DecodeMetrics(b, &m); err != nil {
			return
		}
		if _, err := EncodeMetrics(&m); err != nil {
			t.Fatalf("decoded batch does not encode: %v", err)
		}
	})
}

func wideBatch(n int) *model.Metrics {
	r := rand.New(rand.NewSource(1))
	m := &model.Metrics{}
	for i := range n {
		m.MetricIDs = append(m.MetricIDs, uint32(i/100))
		m.SeriesIDs = append(m.SeriesIDs, r.Uint64())
		m.TimesMS = append(m.TimesMS, 1795132800000+int64(i/657)*15000)
		m.Values = append(m.Values, math.Round(r.NormFloat64()*1e6)/100)
	}
	return m
}

func BenchmarkEncodeMetrics(b *testing.B) {
	m := wideBatch(2000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := EncodeMetrics(m); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2000, "ns/sample")
}

func BenchmarkDecodeMetrics(b *testing.B) {
	data, err := EncodeMetrics(wideBatch(2000))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ReportMetric(float64(len(data))/2000, "B/sample")
	for b.Loop() {
		var m model.Metrics
		if err := DecodeMetrics(data, &m); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2000, "ns/sample")
}
