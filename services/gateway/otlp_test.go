package gateway

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	grpcgzip "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

func str(s string) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: s}}
}

func integer(n int64) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: n}}
}

func attrs(kv ...string) []*commonpb.KeyValue {
	var out []*commonpb.KeyValue
	for i := 0; i < len(kv); i += 2 {
		out = append(out, &commonpb.KeyValue{Key: kv[i], Value: str(kv[i+1])})
	}
	return out
}

func dial(t testing.TB, addr string) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func metricsRequest(resource []*commonpb.KeyValue, ms ...*metricspb.Metric) *colmetrics.ExportMetricsServiceRequest {
	return &colmetrics.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{{
		Resource: &resourcepb.Resource{Attributes: resource}, ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: ms}},
	}}}
}

const (
	delta      = metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
	cumulative = metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
)

func number(at time.Time, v float64, kv ...string) *metricspb.NumberDataPoint {
	return &metricspb.NumberDataPoint{TimeUnixNano: uint64(at.UnixNano()), Value: &metricspb.NumberDataPoint_AsDouble{AsDouble: v}, Attributes: attrs(kv...)}
}

func sum(name, unit string, t metricspb.AggregationTemporality, monotonic bool, ps ...*metricspb.NumberDataPoint) *metricspb.Metric {
	return &metricspb.Metric{Name: name, Unit: unit, Description: "about " + name, Data: &metricspb.Metric_Sum{
		Sum: &metricspb.Sum{AggregationTemporality: t, IsMonotonic: monotonic, DataPoints: ps},
	}}
}

func gauge(name, unit string, ps ...*metricspb.NumberDataPoint) *metricspb.Metric {
	return &metricspb.Metric{Name: name, Unit: unit, Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: ps}}}
}

func TestOTLPMetricsGRPC(t *testing.T) {
	x := newRig(t, nil)
	client := colmetrics.NewMetricsServiceClient(dial(t, x.grpc))
	now := time.Now()
	ms := now.UnixMilli()
	stale := number(now, 0, "k", "stale")
	stale.Flags, stale.Value = 1, nil
	withInt := &metricspb.NumberDataPoint{TimeUnixNano: uint64(now.UnixNano()), Value: &metricspb.NumberDataPoint_AsInt{AsInt: -3}}
	exemplar := number(now, 7, "http.method", "GET")
	exemplar.Exemplars = []*metricspb.Exemplar{{TimeUnixNano: uint64(now.UnixNano()), Value: &metricspb.Exemplar_AsDouble{AsDouble: 0.5}, TraceId: bytesOf(16), SpanId: bytesOf(8)}}
	histSum := 12.5
	req := metricsRequest(
		attrs("service.name", "shop", "service.namespace", "prod", "service.instance.id", "i-1", "host.name", "web1", "cloud.region", "eu"),
		gauge("system.memory.usage", "By", number(now, 1024), stale), gauge("queue.size", "", withInt),
		sum("http.server.requests", "{request}", cumulative, true, exemplar),
		sum("http.server.active", "", cumulative, false, number(now, 4)),
		&metricspb.Metric{Name: "http.server.duration", Unit: "s", Data: &metricspb.Metric_Histogram{Histogram: &metricspb.Histogram{
			AggregationTemporality: cumulative, DataPoints: []*metricspb.HistogramDataPoint{{
				TimeUnixNano: uint64(now.UnixNano()), Count: 6, Sum: &histSum, ExplicitBounds: []float64{0.1, 0.5}, BucketCounts: []uint64{1, 2, 3},
			}},
		}}},
		&metricspb.Metric{Name: "rpc.latency", Unit: "ms", Data: &metricspb.Metric_Summary{Summary: &metricspb.Summary{DataPoints: []*metricspb.SummaryDataPoint{{
			TimeUnixNano: uint64(now.UnixNano()), Count: 3, Sum: 9, QuantileValues: []*metricspb.SummaryDataPoint_ValueAtQuantile{{Quantile: 0.99, Value: 5}},
		}}}}},
	)
	for _, opt := range [][]grpc.CallOption{nil, {grpc.UseCompressor(grpcgzip.Name)}, {grpc.UseCompressor("zstd")}} {
		resp, err := client.Export(context.Background(), req, opt...)
		if err != nil || resp.GetPartialSuccess() != nil {
			t.Fatalf("%v %v", resp, err)
		}
	}
	rows := x.rec.samples()
	rows = rows[:len(rows)/3]
	base := []string{"job", "prod/shop", "instance", "i-1", "host_name", "web1", "service_name", "shop", "service_namespace", "prod"}
	f := func(value float64, name string, labels ...string) sampleRow {
		t.Helper()
		r := one(t, rows, name, append(labels, base...)...)
		if r.value != value || r.ms != ms {
			t.Errorf("%s%v = %v at %d, want %v at %d", name, labels, r.value, r.ms, value, ms)
		}
		return r
	}
	f(1024, "system_memory_usage_bytes", "k", "")
	f(-3, "queue_size")
	f(7, "http_server_requests_total", "http_method", "GET")
	f(4, "http_server_active")
	f(12.5, "http_server_duration_seconds_sum")
	f(6, "http_server_duration_seconds_count")
	f(1, "http_server_duration_seconds_bucket", "le", "0.1")
	f(3, "http_server_duration_seconds_bucket", "le", "0.5")
	f(6, "http_server_duration_seconds_bucket", "le", "+Inf")
	f(9, "rpc_latency_milliseconds_sum")
	f(5, "rpc_latency_milliseconds", "quantile", "0.99")
	if s := one(t, rows, "system_memory_usage_bytes", "k", "stale"); !s.stale {
		t.Errorf("%v is not stale", s)
	}
	info := one(t, rows, "target_info", "job", "prod/shop", "instance", "i-1", "cloud_region", "eu", "host_name", "web1")
	if info.value != 1 || info.ms != ms || info.labels["service_name"] != "" {
		t.Errorf("target_info %v", info)
	}
	e := x.rec.metrics[0].Exemplars
	if len(e) != 1 || e[0].Value != 0.5 || !cmp.Equal(labelMap(e[0].Labels), map[string]string{"trace_id": hex.EncodeToString(bytesOf(16)), "span_id": hex.EncodeToString(bytesOf(8))}) {
		t.Errorf("exemplars %v", e)
	}
	families := map[string]model.MetricMetadata{}
	for _, m := range x.rec.metrics[0].Metadata {
		families[m.Family] = m
	}
	want := model.MetricMetadata{Family: "http_server_requests_total", Original: "http.server.requests", Type: "counter", Unit: "{request}", Help: "about http.server.requests"}
	if families[want.Family] != want {
		t.Errorf("metadata %+v", families[want.Family])
	}
	if len(x.rec.metrics[1].Announced) != 0 {
		t.Error("series announced twice")
	}
}

func bytesOf(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i + 1)
	}
	return b
}

// Our agent's resource has no service: no job, the host is the instance, and the batch keeps its identity.
func TestOTLPAgent(t *testing.T) {
	x := newRig(t, nil)
	now := time.Now()
	body, err := proto.Marshal(metricsRequest(attrs("host.id", "abc", "host.name", "web1"), gauge("system.cpu.load", "1", number(now, 0.5))))
	if err != nil {
		t.Fatal(err)
	}
	code, _, text := post(t, x.http+"/v1/metrics", pack(t, "zstd", body), "Content-Type", "application/x-protobuf", "Content-Encoding", "zstd",
		"X-Faultline-Agent", "abc", "X-Faultline-Batch", "42", "X-Faultline-Sent", "100", "X-Faultline-Dropped", "3")
	if code != 200 {
		t.Fatalf("%d %s", code, text)
	}
	r := one(t, x.rec.samples(), "system_cpu_load_ratio", "instance", "web1", "host_id", "abc", "host_name", "web1")
	if _, ok := r.labels["job"]; ok {
		t.Errorf("agent's series has a job: %v", r.labels)
	}
	m := x.rec.messages[0]
	if m.AgentID != "abc" || m.BatchSeq != 42 || m.AgentSent != 100 || m.AgentDropped != 3 || m.Source != "agent:abc" || m.Protocol != "otlp_http" {
		t.Errorf("header %+v", m)
	}
	if code, _, _ := post(t, x.http+"/v1/metrics", body, "Content-Type", "application/x-protobuf", "X-Faultline-Agent", "abc", "X-Faultline-Batch", "x"); code != 400 {
		t.Errorf("batch without a number: %d", code)
	}
}

// Parts of a large batch of an agent are named the same when the batch is sent again.
func TestOTLPAgentParts(t *testing.T) {
	x := newRig(t, nil)
	now := time.Now()
	var ps []*metricspb.NumberDataPoint
	for i := range 12_000 {
		ps = append(ps, number(now, 1, "i", fmt.Sprint(i)))
	}
	body, err := proto.Marshal(metricsRequest(attrs("host.id", "abc"), gauge("g", "", ps...)))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if code, _, text := post(t, x.http+"/v1/metrics", body, "Content-Type", "application/x-protobuf", "X-Faultline-Agent", "abc", "X-Faultline-Batch", "1"); code != 200 {
			t.Fatalf("%d %s", code, text)
		}
	}
	var names [][]string
	for i, m := range x.rec.messages {
		if i == 0 || m.AgentID == "abc" {
			names = append(names, nil)
		}
		names[len(names)-1] = append(names[len(names)-1], fmt.Sprint(m.AgentID, " ", m.Items))
	}
	if len(names) != 2 || len(names[0]) < 3 || !cmp.Equal(names[0], names[1]) {
		t.Errorf("parts %v", names)
	}
}

func TestOTLPDelta(t *testing.T) {
	x := newRig(t, nil)
	client := colmetrics.NewMetricsServiceClient(dial(t, x.grpc))
	start := time.Now().Add(-time.Minute)
	send := func(second int, v float64) (*colmetrics.ExportMetricsServiceResponse, error) {
		at := start.Add(time.Duration(second) * time.Second)
		hs := v * 2
		return client.Export(context.Background(), metricsRequest(attrs("service.name", "s"),
			sum("jobs", "", delta, true, number(at, v)),
			&metricspb.Metric{Name: "d", Data: &metricspb.Metric_Histogram{Histogram: &metricspb.Histogram{AggregationTemporality: delta, DataPoints: []*metricspb.HistogramDataPoint{{
				TimeUnixNano: uint64(at.UnixNano()), Count: uint64(v), Sum: &hs, ExplicitBounds: []float64{1}, BucketCounts: []uint64{uint64(v) - 1, 1},
			}}}}},
			&metricspb.Metric{Name: "e", Data: &metricspb.Metric_ExponentialHistogram{ExponentialHistogram: &metricspb.ExponentialHistogram{AggregationTemporality: delta, DataPoints: []*metricspb.ExponentialHistogramDataPoint{{
				TimeUnixNano: uint64(at.UnixNano()), Count: uint64(v), Sum: &hs, Scale: int32(2 - second%2), Positive: &metricspb.ExponentialHistogramDataPoint_Buckets{Offset: 0, BucketCounts: []uint64{1, uint64(v) - 1}},
			}}}}},
		))
	}
	must := func(second int, v float64) {
		t.Helper()
		if resp, err := send(second, v); err != nil || resp.GetPartialSuccess().GetRejectedDataPoints() != 0 {
			t.Fatalf("second %d: %v %v", second, resp, err)
		}
	}
	must(0, 5)
	x.rec.setFail(func(*bus.Message) error { return errs.New(errs.Exhausted, "full") })
	if _, err := send(1, 3); status.Code(err) != codes.ResourceExhausted {
		t.Fatalf("full bus: %v", err)
	}
	x.rec.setFail(nil)
	must(1, 3) // sent again: counted once
	resp, err := send(1, 3)
	if err != nil || resp.GetPartialSuccess().GetRejectedDataPoints() != 3 || !strings.Contains(resp.GetPartialSuccess().GetErrorMessage(), "out_of_order_delta") {
		t.Errorf("the same deltas once more: %v %v", resp, err)
	}
	var totals, buckets []float64
	for _, r := range x.rec.samples() {
		if r.name == "jobs_total" {
			totals = append(totals, r.value)
		}
		if r.name == "d_bucket" && r.labels["le"] == "1" {
			buckets = append(buckets, r.value)
		}
	}
	if !cmp.Equal(totals, []float64{5, 8}) || !cmp.Equal(buckets, []float64{4, 6}) {
		t.Errorf("totals %v, buckets %v", totals, buckets)
	}
	var hs []model.HistogramSample
	for _, m := range x.rec.metrics {
		hs = append(hs, m.Histograms...)
	}
	if len(hs) != 2 || hs[1].Schema != 1 || hs[1].Count != 8 || hs[1].Sum != 16 {
		t.Fatalf("exponential histograms %+v", hs)
	}
	// At scale 2 buckets 0 and 1 hold 1 and 4; at scale 1 both are bucket 0, to which 1 more comes, and 2 in bucket 1.
	if !cmp.Equal(hs[1].PositiveBuckets, []float64{6, 2}) || !cmp.Equal(hs[1].PositiveSpans, []int32{1, 2}) {
		t.Errorf("accumulated buckets %v %v", hs[1].PositiveSpans, hs[1].PositiveBuckets)
	}
}

func TestOTLPExponential(t *testing.T) {
	x := newRig(t, nil)
	client := colmetrics.NewMetricsServiceClient(dial(t, x.grpc))
	now := uint64(time.Now().UnixNano())
	s := 3.5
	point := func(scale int32, offset int32, counts ...uint64) *metricspb.ExponentialHistogramDataPoint {
		return &metricspb.ExponentialHistogramDataPoint{
			TimeUnixNano: now, Count: 9, Sum: &s, Scale: scale, ZeroCount: 2, ZeroThreshold: 0.01,
			Positive: &metricspb.ExponentialHistogramDataPoint_Buckets{Offset: offset, BucketCounts: counts},
			Negative: &metricspb.ExponentialHistogramDataPoint_Buckets{Offset: -1, BucketCounts: []uint64{1}},
		}
	}
	resp, err := client.Export(context.Background(), metricsRequest(attrs("service.name", "s"), &metricspb.Metric{Name: "e", Data: &metricspb.Metric_ExponentialHistogram{
		ExponentialHistogram: &metricspb.ExponentialHistogram{AggregationTemporality: cumulative, DataPoints: []*metricspb.ExponentialHistogramDataPoint{
			point(3, -2, 1, 0, 2, 0, 0, 0, 0, 4), point(10, 0, 1, 1, 1, 1, 1, 1), point(-5, 0, 1),
		}},
	}}))
	if err != nil || resp.GetPartialSuccess().GetRejectedDataPoints() != 1 {
		t.Fatalf("%v %v", resp, err)
	}
	hs := x.rec.metrics[0].Histograms
	if len(hs) != 2 {
		t.Fatalf("%d histograms", len(hs))
	}
	if h := hs[0]; h.Schema != 3 || h.Count != 9 || h.Sum != 3.5 || h.ZeroCount != 2 || h.ZeroThreshold != 0.01 ||
		!cmp.Equal(h.PositiveSpans, []int32{-1, 3, 4, 1}) || !cmp.Equal(h.PositiveBuckets, []float64{1, 0, 2, 4}) ||
		!cmp.Equal(h.NegativeSpans, []int32{0, 1}) || !cmp.Equal(h.NegativeBuckets, []float64{1}) {
		t.Errorf("%+v", h)
	}
	// Scale 10 comes down by two: of buckets 0 to 5, four and two become one.
	if h := hs[1]; h.Schema != 8 || !cmp.Equal(h.PositiveSpans, []int32{1, 2}) || !cmp.Equal(h.PositiveBuckets, []float64{4, 2}) {
		t.Errorf("%+v", h)
	}
}

func TestOTLPPartialSuccess(t *testing.T) {
	x := newRig(t, nil)
	client := colmetrics.NewMetricsServiceClient(dial(t, x.grpc))
	now := time.Now()
	unspecified := sum("x", "", 0, true, number(now, 1))
	resp, err := client.Export(context.Background(), metricsRequest(nil, gauge("ok", "", number(now, 1)), gauge("late", "", number(now.Add(time.Hour), 1)), unspecified, gauge("", "", number(now, 1))))
	if err != nil {
		t.Fatal(err)
	}
	p := resp.GetPartialSuccess()
	if p.GetRejectedDataPoints() != 3 || !strings.Contains(p.GetErrorMessage(), "too_far_in_future: 1") || !strings.Contains(p.GetErrorMessage(), "unsupported_type: 1") {
		t.Errorf("%v", p)
	}
	if n := len(x.rec.samples()); n != 1 {
		t.Errorf("%d samples", n)
	}
}

// Attributes whose names collide as labels are joined in the order of their keys, and reserved labels cannot be set.
func TestOTLPLabelCollisions(t *testing.T) {
	x := newRig(t, nil)
	client := colmetrics.NewMetricsServiceClient(dial(t, x.grpc))
	now := time.Now()
	if _, err := client.Export(context.Background(), metricsRequest(attrs("service.name", "s"),
		gauge("g", "", number(now, 1, "a_b", "2", "a.b", "1", "__name__", "evil", "job", "evil", "_x", "y", "1st", "z")))); err != nil {
		t.Fatal(err)
	}
	r := one(t, x.rec.samples(), "g")
	want := map[string]string{"a_b": "1;2", "job": "s", "service_name": "s", "key_x": "y", "key_1st": "z"}
	if !cmp.Equal(r.labels, want) {
		t.Error(cmp.Diff(want, r.labels))
	}
}

func TestOTLPBackPressure(t *testing.T) {
	x := newRig(t, nil)
	x.rec.setFail(func(*bus.Message) error { return errs.New(errs.Exhausted, "stream is full") })
	_, err := collogs.NewLogsServiceClient(dial(t, x.grpc)).Export(context.Background(), logsRequest())
	st := status.Convert(err)
	if st.Code() != codes.ResourceExhausted || len(st.Details()) != 1 {
		t.Fatalf("%v %v", err, st.Details())
	}
	if info, ok := st.Details()[0].(*errdetails.RetryInfo); !ok || info.GetRetryDelay().AsDuration() <= 0 {
		t.Errorf("details %v", st.Details())
	}
	code, header, _ := post(t, x.http+"/v1/logs", []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}`), "Content-Type", "application/json")
	if code != 429 || header.Get("Retry-After") == "" {
		t.Errorf("%d %v", code, header)
	}
	x.rec.setFail(func(*bus.Message) error { return errs.New(errs.Unavailable, "bus is away") })
	if _, err := collogs.NewLogsServiceClient(dial(t, x.grpc)).Export(context.Background(), logsRequest()); status.Code(err) != codes.Unavailable {
		t.Errorf("%v", err)
	}
}

func TestOTLPRefusals(t *testing.T) {
	x := newRig(t, func(c *Config, _ *Deps) { c.Limits.MaxBodyBytes, c.Limits.MaxDecodedBytes = 1<<20, 2<<20 })
	gzipBomb, zstdBomb := pack(t, "gzip", make([]byte, 64<<20)), pack(t, "zstd", make([]byte, 64<<20))
	for _, path := range []string{"/v1/metrics", "/v1/logs", "/v1/traces"} {
		for _, c := range []struct {
			name    string
			body    []byte
			want    int
			headers []string
		}{
			{"garbage", []byte("garbage, not protobuf"), 400, nil},
			{"truncated", []byte{0x0a, 0x20, 0x0a}, 400, nil},
			{"oversize", make([]byte, 2<<20), 413, nil},
			{"gzip bomb", gzipBomb, 413, []string{"Content-Encoding", "gzip"}},
			{"zstd bomb", zstdBomb, 413, []string{"Content-Encoding", "zstd"}},
			{"not gzip", []byte("plain"), 400, []string{"Content-Encoding", "gzip"}},
			{"brotli", nil, 415, []string{"Content-Encoding", "br"}},
			{"text", []byte("x"), 415, []string{"Content-Type", "text/plain"}},
			{"json garbage", []byte("[1,2"), 400, []string{"Content-Type", "application/json"}},
			{"empty", nil, 200, nil},
		} {
			code, _, text := post(t, x.http+path, c.body, append([]string{"Content-Type", "application/x-protobuf"}, c.headers...)...)
			if code != c.want {
				t.Errorf("%s %s: %d %q, want %d", path, c.name, code, text, c.want)
			}
		}
	}
	conn := dial(t, x.grpc)
	big := &collogs.ExportLogsServiceRequest{ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: []*logspb.ScopeLogs{{LogRecords: []*logspb.LogRecord{{Body: str(strings.Repeat("x", 3<<20))}}}}}}}
	for _, opt := range [][]grpc.CallOption{nil, {grpc.UseCompressor(grpcgzip.Name)}, {grpc.UseCompressor("zstd")}} {
		if _, err := collogs.NewLogsServiceClient(conn).Export(context.Background(), big, opt...); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("oversize over gRPC: %v", err)
		}
	}
	if got := x.g.budget.Used(); got != 0 {
		t.Errorf("%d bytes are still held", got)
	}
}

func TestIngestKeys(t *testing.T) {
	x := newRig(t, func(c *Config, _ *Deps) { c.RequireKey = true })
	client := collogs.NewLogsServiceClient(dial(t, x.grpc))
	if _, err := client.Export(context.Background(), logsRequest()); status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "X-Faultline-Key") {
		t.Errorf("without key: %v", err)
	}
	for _, kv := range [][]string{{"authorization", "Bearer good-key"}, {"x-faultline-key", "good-key"}} {
		if _, err := client.Export(metadata.AppendToOutgoingContext(context.Background(), kv...), logsRequest()); err != nil {
			t.Errorf("%v: %v", kv, err)
		}
	}
	for _, l := range x.rec.logs {
		if l.Tenant != 7 {
			t.Errorf("tenant %d", l.Tenant)
		}
	}
	body := []byte(`{}`)
	f := func(want int, headers ...string) {
		t.Helper()
		code, h, text := post(t, x.url+"/v1/logs", body, append(headers, "Content-Type", "application/json")...)
		if code != want {
			t.Errorf("%v: %d %s, want %d", headers, code, text, want)
		}
		if code == 401 && (h.Get("WWW-Authenticate") == "" || !strings.Contains(text, "key")) {
			t.Errorf("%v: no hint: %s", headers, text)
		}
	}
	f(401)
	f(401, "Authorization", "Bearer bad-key")
	f(200, "Authorization", "Bearer good-key")
	f(200, "Authorization", "Basic YW55Omdvb2Qta2V5") // any:good-key
	f(200, "X-Faultline-Key", "good-key")
	f(403, "X-Faultline-Key", "good-key", "Origin", "https://evil.example")
}

// On loopback no key is asked, unless a proxy speaks for somebody else or a page of another site has the browser send.
func TestLoopback(t *testing.T) {
	x := newRig(t, nil)
	f := func(want int, headers ...string) {
		t.Helper()
		if code, _, text := post(t, x.url+"/v1/logs", []byte(`{}`), append(headers, "Content-Type", "application/json")...); code != want {
			t.Errorf("%v: %d %s, want %d", headers, code, text, want)
		}
	}
	f(200)
	f(401, "X-Forwarded-For", "203.0.113.9")
	f(200, "X-Forwarded-For", "203.0.113.9", "X-Faultline-Key", "good-key")
	f(403, "Origin", "http://evil.example")
	f(403, "Origin", "null")
	f(403, "Sec-Fetch-Site", "cross-site")
	f(200, "Origin", x.url)
	f(403, "Host", "rebound.example", "Origin", x.url)
	// A page whose name was made to resolve to this machine is of the same origin, but not of this machine.
	f(401, "Host", "rebound.example", "Origin", "http://rebound.example")
	f(200, "Host", "localhost:80", "Origin", "http://localhost:80")
	if x.rejected("cross_origin") != 4 || x.rejected("unauthenticated") != 2 {
		t.Errorf("counts %v", x.g.Rejections())
	}
}
