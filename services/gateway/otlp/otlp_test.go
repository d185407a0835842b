package otlp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

var now = uint64(intaketest.Now().UnixNano())

func kv(pairs ...string) []*commonpb.KeyValue {
	var out []*commonpb.KeyValue
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, &commonpb.KeyValue{Key: pairs[i], Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: pairs[i+1]}}})
	}
	return out
}

func marshal(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

var resource = &resourcepb.Resource{Attributes: kv("service.name", "shop", "service.instance.id", "i-1", "host.name", "web1", "os.type", "linux")}

func logs(n int) []byte {
	var rs []*logspb.LogRecord
	for i := range n {
		rs = append(rs, &logspb.LogRecord{
			TimeUnixNano: now, SeverityNumber: 9, Attributes: kv("http.method", "GET", "thread", "main"),
			Body: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: fmt.Sprintf("GET /api/v1/orders/%d from 10.0.0.%d took 12.5 ms, status 200, user agent Mozilla/5.0 (X11; Linux)", i, i%250)}},
		})
	}
	return marshal(&collogs.ExportLogsServiceRequest{ResourceLogs: []*logspb.ResourceLogs{{Resource: resource, ScopeLogs: []*logspb.ScopeLogs{{LogRecords: rs}}}}})
}

func gauges(n int) []byte {
	var ps []*metricspb.NumberDataPoint
	for i := range n {
		ps = append(ps, &metricspb.NumberDataPoint{TimeUnixNano: now, Value: &metricspb.NumberDataPoint_AsDouble{AsDouble: float64(i)}, Attributes: kv("system.device", fmt.Sprint("sd", i), "direction", "read")})
	}
	return marshal(metrics(&metricspb.Metric{Name: "system.disk.io", Unit: "By", Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: ps}}}))
}

func metrics(ms ...*metricspb.Metric) *colmetrics.ExportMetricsServiceRequest {
	return &colmetrics.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{{Resource: resource, ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: ms}}}}}
}

func everyKind() []byte {
	s := 2.5
	delta := metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
	return marshal(metrics(
		&metricspb.Metric{Name: "s", Data: &metricspb.Metric_Sum{Sum: &metricspb.Sum{AggregationTemporality: delta, IsMonotonic: true, DataPoints: []*metricspb.NumberDataPoint{{TimeUnixNano: now, Value: &metricspb.NumberDataPoint_AsInt{AsInt: 3}, Exemplars: []*metricspb.Exemplar{{TraceId: make([]byte, 16), Value: &metricspb.Exemplar_AsInt{AsInt: 1}}}}}}}},
		&metricspb.Metric{Name: "h", Data: &metricspb.Metric_Histogram{Histogram: &metricspb.Histogram{AggregationTemporality: delta, DataPoints: []*metricspb.HistogramDataPoint{{TimeUnixNano: now, Count: 3, Sum: &s, BucketCounts: []uint64{1, 2}, ExplicitBounds: []float64{1}}}}}},
		&metricspb.Metric{Name: "e", Data: &metricspb.Metric_ExponentialHistogram{ExponentialHistogram: &metricspb.ExponentialHistogram{AggregationTemporality: delta, DataPoints: []*metricspb.ExponentialHistogramDataPoint{{TimeUnixNano: now, Count: 3, Scale: 12, Positive: &metricspb.ExponentialHistogramDataPoint_Buckets{Offset: -7, BucketCounts: []uint64{1, 0, 2}}}}}}},
		&metricspb.Metric{Name: "q", Data: &metricspb.Metric_Summary{Summary: &metricspb.Summary{DataPoints: []*metricspb.SummaryDataPoint{{TimeUnixNano: now, Count: 3, Sum: 3, QuantileValues: []*metricspb.SummaryDataPoint_ValueAtQuantile{{Quantile: 0.5, Value: 1}}}}}}},
	))
}

func spans(n int) []byte {
	var ss []*tracepb.Span
	for i := range n {
		id := []byte{byte(i), byte(i >> 8), 1, 2, 3, 4, 5, 6}
		ss = append(ss, &tracepb.Span{
			TraceId: append(id, id...), SpanId: id, ParentSpanId: id, Name: "GET /orders", StartTimeUnixNano: now, EndTimeUnixNano: now + 1000, Attributes: kv("http.method", "GET", "http.route", "/orders"),
			Events: []*tracepb.Span_Event{{TimeUnixNano: now, Name: "e"}}, Links: []*tracepb.Span_Link{{TraceId: append(id, id...), SpanId: id}}, Status: &tracepb.Status{Code: 2, Message: "m"},
		})
	}
	return marshal(&coltrace.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{Resource: resource, ScopeSpans: []*tracepb.ScopeSpans{{Spans: ss}}}}})
}

type export = func(*Receiver, context.Context, *intake.Request, []byte) error

// fuzz: whatever the bytes, the answer is nil or Invalid, and what is accepted can be encoded.
func fuzz(t *testing.T, body []byte, do export) {
	core, sink := intaketest.Core(t)
	r := New(core)
	keep := bytes.Clone(body)
	for range 2 {
		req := intaketest.Request(core)
		if err := do(r, context.Background(), req, body); err != nil && errs.KindOf(err) != errs.Invalid {
			t.Fatalf("error of kind %s: %v", errs.KindOf(err), err)
		}
	}
	if !bytes.Equal(keep, body) {
		t.Fatal("the request was changed")
	}
	_ = sink
}

func FuzzLogs(f *testing.F) {
	f.Add(logs(2))
	f.Add([]byte("\x0a\x10\x12\x0e\x12\x0c\x2a\x0a\x32\x08\x0a\x06\x0a\x00\x12\x02\x2a\x00"))
	f.Fuzz(func(t *testing.T, body []byte) { fuzz(t, body, (*Receiver).Logs) })
}

func FuzzMetrics(f *testing.F) {
	f.Add(gauges(2))
	f.Add(everyKind())
	f.Fuzz(func(t *testing.T, body []byte) { fuzz(t, body, (*Receiver).Metrics) })
}

func FuzzTraces(f *testing.F) {
	f.Add(spans(2))
	f.Fuzz(func(t *testing.T, body []byte) { fuzz(t, body, (*Receiver).Traces) })
}

// Any value is text, and nested ones are JSON that others can read.
func FuzzAnyValue(f *testing.F) {
	f.Add(marshal(&commonpb.AnyValue{Value: &commonpb.AnyValue_KvlistValue{KvlistValue: &commonpb.KeyValueList{Values: kv("a", "b\x01\"\\")}}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := appendJSON(nil, data, 0)
		if err == nil && !json.Valid(b) {
			t.Fatalf("%q is not JSON", b)
		}
		if _, err := anyValue(data); err != nil && errs.KindOf(malformed("x", err)) != errs.Invalid {
			t.Fatal(err)
		}
	})
}

// A value that nests endlessly is followed only so deep.
func TestDeepValue(t *testing.T) {
	v := &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: "x"}}
	for range 5000 {
		v = &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: []*commonpb.AnyValue{v}}}}
	}
	got, err := anyValue(marshal(v))
	if err != nil || !json.Valid([]byte(got)) || len(got) > 100 {
		t.Errorf("%q %v", got, err)
	}
}

func TestResponse(t *testing.T) {
	for _, c := range []struct {
		signal model.Signal
		msg    interface {
			proto.Message
		}
		want string
	}{
		{model.SignalLogs, &collogs.ExportLogsServiceResponse{}, "rejected_log_records"},
		{model.SignalMetrics, &colmetrics.ExportMetricsServiceResponse{}, "rejected_data_points"},
		{model.SignalSpans, &coltrace.ExportTraceServiceResponse{}, "rejected_spans"},
	} {
		if err := proto.Unmarshal(Response(c.signal, 3, "why", false), c.msg); err != nil {
			t.Fatal(err)
		}
		partial := c.msg.ProtoReflect().Get(c.msg.ProtoReflect().Descriptor().Fields().ByName("partial_success")).Message()
		d := partial.Descriptor().Fields()
		if partial.Get(d.ByName("error_message")).String() != "why" {
			t.Errorf("%s: %v", c.signal, c.msg)
		}
		if f := d.ByNumber(1); string(f.Name()) != c.want || partial.Get(f).Int() != 3 {
			t.Errorf("%s: %v", c.signal, c.msg)
		}
		if !json.Valid(Response(c.signal, 3, "wh\"y", true)) || string(Response(c.signal, 0, "", true)) != "{}" {
			t.Errorf("%s: JSON", c.signal)
		}
	}
}

func bench(b *testing.B, body []byte, items int, do export) {
	core, _ := intaketest.Core(b)
	r := New(core)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for range b.N {
		if err := do(r, context.Background(), intaketest.Request(core), body); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(items)*float64(b.N)/b.Elapsed().Seconds(), "items/s")
}

func BenchmarkLogs(b *testing.B)    { bench(b, logs(1000), 1000, (*Receiver).Logs) }
func BenchmarkMetrics(b *testing.B) { bench(b, gauges(1000), 1000, (*Receiver).Metrics) }
func BenchmarkTraces(b *testing.B)  { bench(b, spans(500), 500, (*Receiver).Traces) }
