package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/prompb"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/bus/embedded"
	"github.com/faultline-io/faultline/services/internal/bus/natsbus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/logshape"
	"github.com/faultline-io/faultline/services/model"
)

// pipelineRig is a gateway with a pipeline file, which set writes anew.
func pipelineRig(t *testing.T, text string, change func(*Config, *Deps)) (x *rig, set func(string)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipeline.yaml")
	set = func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set(text)
	return newRig(t, func(c *Config, d *Deps) {
		c.PipelineFile = path
		if change != nil {
			change(c, d)
		}
	}), set
}

func kv(name, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: name, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// awsKey is put together so that this file holds none.
var awsKey = "AKIA" + "IOSFODNN7EXAMPLE"

// No part of a record, span, exemplar or series that can carry a secret does so on the bus. There is no configuration file.
func TestNoSecretReachesTheBus(t *testing.T) {
	x := newRig(t, nil)
	now := uint64(time.Now().UnixNano())
	secret := "key " + awsKey
	res := &resourcepb.Resource{Attributes: []*commonpb.KeyValue{kv("service.name", "shop"), kv("command", secret), kv("db.password", "hunter2")}}
	id := bytes.Repeat([]byte{7}, 16)
	for path, m := range map[string]proto.Message{
		"/v1/logs": &collogs.ExportLogsServiceRequest{ResourceLogs: []*logspb.ResourceLogs{{Resource: res, ScopeLogs: []*logspb.ScopeLogs{{LogRecords: []*logspb.LogRecord{
			{TimeUnixNano: now, Body: kv("", secret).Value, Attributes: []*commonpb.KeyValue{kv("a", secret), kv("password", "hunter2")}},
			{TimeUnixNano: now, Body: &commonpb.AnyValue{Value: &commonpb.AnyValue_KvlistValue{KvlistValue: &commonpb.KeyValueList{Values: []*commonpb.KeyValue{kv("password", "hunter2")}}}}},
		}}}}}},
		"/v1/traces": &coltrace.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{Resource: res, ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{{
			TraceId: id, SpanId: id[:8], Name: secret, StartTimeUnixNano: now, EndTimeUnixNano: now, Attributes: []*commonpb.KeyValue{kv("a", secret)},
			Status: &tracepb.Status{Message: secret},
			Events: []*tracepb.Span_Event{{Name: secret, Attributes: []*commonpb.KeyValue{kv("password", "hunter2")}}},
			Links:  []*tracepb.Span_Link{{TraceId: id, SpanId: id[:8], Attributes: []*commonpb.KeyValue{kv("a", secret)}}},
		}}}}}}},
		"/v1/metrics": &colmetrics.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{{Resource: res, ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: []*metricspb.Metric{{
			Name: "m", Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: []*metricspb.NumberDataPoint{{
				TimeUnixNano: now, Value: &metricspb.NumberDataPoint_AsDouble{AsDouble: 1}, Attributes: []*commonpb.KeyValue{kv("a", secret), kv("secret", "object")},
				Exemplars: []*metricspb.Exemplar{{TimeUnixNano: now, Value: &metricspb.Exemplar_AsDouble{AsDouble: 1}, FilteredAttributes: []*commonpb.KeyValue{kv("password", "hunter2"), kv("b", secret)}}},
			}}}},
		}}}}}}},
	} {
		if code, _, text := post(t, x.http+path, marshal(t, m), "Content-Type", "application/x-protobuf"); code != 200 {
			t.Fatalf("%s: %d %s", path, code, text)
		}
	}
	all := fmt.Sprintf("%+v %+v %+v", *x.rec.logs[0], *x.rec.spans[0], *x.rec.metrics[0])
	if strings.Contains(all, awsKey) || strings.Contains(all, "hunter2") {
		t.Errorf("a secret is on the bus: %s", all)
	}
	l := x.rec.logs[0]
	if l.ShapeHash[0] != logshape.Hash(l.Bodies[0]) || l.Bodies[0] != "key [redacted:token]" || l.Bodies[1] != `{"password":"[redacted:password]"}` {
		t.Errorf("bodies %q", l.Bodies)
	}
	if model.Lookup(x.rec.metrics[0].Announced[0].Labels, "secret") != "object" {
		t.Errorf("labels %v", x.rec.metrics[0].Announced[0].Labels)
	}
	if n := x.rejected("redacted"); n != 5 {
		t.Errorf("%d items are noted as redacted: %v", n, x.g.Rejections())
	}
}

func TestPipelineLogs(t *testing.T) {
	x, set := pipelineRig(t, `
stages:
  - name: health
    when: {service: shop, body_contains: /health}
    drop: true
  - when: {protocol: loki, resource: {format: json}}
    parse: {format: json, body: msg}
  - name: env
    relabel:
      target: resource
      rules: [{target_label: env, replacement: prod}, {action: labeldrop, regex: format}]
  - name: noise
    when: {severity: "<= debug"}
    sample: {ratio: 0}
  - when: {attributes: {user: "~b.*"}}
    redact: {patterns: {user: "bob"}}
`, nil)
	now := time.Now()
	body := slices.Concat(
		lokiStream(`{service_name="shop"}`, lokiEntry(now.UnixNano(), "GET /health"), lokiEntry(now.UnixNano(), "kept"), lokiEntry(now.UnixNano(), "level=debug kept not")),
		lokiStream(`{service_name="other", format="json"}`, lokiEntry(now.UnixNano(), "GET /health"), lokiEntry(now.UnixNano(), fmt.Sprintf(
			`{"time":%d,"level":"error","msg":"it failed","user":"bob","trace_id":"%032x","pass":{"password":"hunter2"}}`, now.Add(-time.Hour).UnixMilli(), 17))))
	push := func() {
		t.Helper()
		if code, _, text := post(t, x.url+"/loki/api/v1/push", pack(t, "snappy", body)); code != 204 {
			t.Fatalf("%d %s", code, text)
		}
	}
	push()
	l := x.rec.logs[0]
	if want := []string{"kept", "GET /health", "it failed"}; !cmp.Equal(l.Bodies, want) {
		t.Fatalf("bodies %q", l.Bodies)
	}
	if l.Severity[2] != 17 || l.TimesNS[2]/1e6 != now.Add(-time.Hour).UnixMilli() || l.TraceIDs[2] == "" {
		t.Errorf("severity %d, time %d, trace %q", l.Severity[2], l.TimesNS[2], l.TraceIDs[2])
	}
	if want := []model.Label{{Name: "user", Value: "[redacted:user]"}, {Name: "pass.password", Value: "[redacted:password]"}}; !cmp.Equal(l.Attributes[2], want) {
		t.Errorf("attributes %v", l.Attributes[2])
	}
	if want := []model.Label{{Name: "service_name", Value: "other"}, {Name: "env", Value: "prod"}}; !cmp.Equal(l.Resources[1].Attributes, want) || l.Resources[1].ID != model.ResourceHash(want) {
		t.Errorf("resource %+v", l.Resources[1])
	}
	if x.rejected("dropped") != 1 || x.rejected("sampled") != 1 || x.rejected("redacted") != 1 {
		t.Errorf("counts %v", x.g.Rejections())
	}

	odd := lokiStream(`{service_name="other", format="json"}`, lokiEntry(now.UnixNano(), "{\"a\xff\":\"b\xfe\"}"))
	if code, _, text := post(t, x.url+"/loki/api/v1/push", pack(t, "snappy", odd)); code != 204 {
		t.Errorf("a line that is not UTF-8 gives %d %s", code, text)
	}
	x.rec.logs = x.rec.logs[:1]

	set("stages:\n  - when: {signal: logs}\n    sampel: {ratio: 1}\n")
	err := x.g.Reload()
	if errs.KindOf(err) != errs.Invalid || !strings.Contains(err.Error(), "pipeline.yaml:3: ") {
		t.Fatalf("a bad file gives %v", err)
	}
	push()
	if n := len(x.rec.logs[1].Bodies); n != 3 {
		t.Errorf("after a bad file %d lines pass, want 3 as before", n)
	}
	set("stages: []\n")
	if err := x.g.Reload(); err != nil {
		t.Fatal(err)
	}
	push()
	if n := len(x.rec.logs[2].Bodies); n != 5 {
		t.Errorf("after a good file %d lines pass, want all 5", n)
	}
	var out bytes.Buffer
	x.g.deps.Metrics.WritePrometheus(&out)
	for _, want := range []string{`faultline_gateway_pipeline_dropped_total{stage="health",kind="drop"} 2`, `faultline_gateway_pipeline_redacted_total{signal="logs",kind="password"}`, "faultline_gateway_pipeline_reload_failures_total 1"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("metrics lack %s:\n%s", want, out.String())
		}
	}
}

// What a reload changes holds for series that are known, and known by their bytes, as well.
func TestPipelineMetrics(t *testing.T) {
	x, set := pipelineRig(t, "", nil)
	send := func(source string) []sampleRow {
		t.Helper()
		x.rec.mu.Lock()
		x.rec.metrics = nil
		x.rec.mu.Unlock()
		var req prompb.WriteRequest
		for _, name := range []string{"a", "b", "c"} {
			req.Timeseries = append(req.Timeseries, ts(map[string]string{"__name__": name, "pod": "x-1"}, prompb.Sample{Value: 1, Timestamp: time.Now().UnixMilli()}))
		}
		var headers []string
		if source != "" {
			headers = []string{headerAgent, source, headerBatch, fmt.Sprint(time.Now().UnixNano())}
		}
		if code, _, text := post(t, x.url+"/api/v1/write", v1(t, &req), headers...); code != 204 {
			t.Fatalf("%d %s", code, text)
		}
		x.rec.mu.Lock()
		defer x.rec.mu.Unlock()
		n := 0
		var rows []sampleRow
		for _, m := range x.rec.metrics {
			n += len(m.Values)
			for _, s := range m.Announced {
				rows = append(rows, sampleRow{name: s.Name, labels: labelMap(s.Labels)})
			}
		}
		return append(rows, sampleRow{name: "n", value: float64(n)})
	}
	count := func(rows []sampleRow) float64 { return rows[len(rows)-1].value }
	for range 3 {
		if n := count(send("")); n != 3 {
			t.Fatalf("%v samples", n)
		}
	}
	set(`
stages:
  - when: {labels: {__name__: a}}
    drop: true
  - relabel: {rules: [{action: drop, source_labels: [__name__], regex: b}, {action: labeldrop, regex: pod}, {target_label: zone, replacement: z1}]}
`)
	if err := x.g.Reload(); err != nil {
		t.Fatal(err)
	}
	rows := send("")
	if r := one(t, rows[:len(rows)-1], "c", "zone", "z1"); count(rows) != 1 || r.labels["pod"] != "" {
		t.Errorf("after a reload: %v", rows)
	}
	for range 2 {
		if n := count(send("")); n != 1 {
			t.Errorf("%v samples", n)
		}
	}
	set("stages:\n  - when: {source: 'agent:*'}\n    relabel: {rules: [{action: keep, source_labels: [__name__], regex: a}]}\n")
	if err := x.g.Reload(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if n, m := count(send("")), count(send("host1")); n != 3 || m != 1 {
			t.Errorf("%v samples of one, %v of the agent", n, m)
		}
	}
	if x.rejected("dropped") == 0 {
		t.Errorf("counts %v", x.g.Rejections())
	}
}

func TestRateLimit(t *testing.T) {
	now := time.Now()
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	x, set := pipelineRig(t, "stages:\n  - name: cap\n    rate_limit: {per_second: 2, burst: 4, by: [service]}\n", func(_ *Config, d *Deps) { d.Clock = clock })
	push := func(want int) {
		t.Helper()
		var entries [][]byte
		for range 6 {
			entries = append(entries, lokiEntry(clock().UnixNano(), "line"))
		}
		code, h, text := post(t, x.url+"/loki/api/v1/push", pack(t, "snappy", slices.Concat(lokiStream(`{app="a"}`, entries...), lokiStream(`{app="b"}`, entries[:1]...))))
		if code != want || want == 429 && h.Get("Retry-After") == "" {
			t.Fatalf("%d %s", code, text)
		}
	}
	lines := func() (n int) {
		for _, l := range x.rec.logs {
			n += l.Len()
		}
		return n
	}
	push(204)
	if n := lines(); n != 5 || x.rejected("rate_limited") != 2 {
		t.Errorf("%d lines, counts %v", n, x.g.Rejections())
	}
	mu.Lock()
	now = now.Add(time.Second)
	mu.Unlock()
	push(204)
	if n := lines(); n != 5+2+1 {
		t.Errorf("%d lines a second later", n)
	}
	set("stages:\n  - name: cap\n    rate_limit: {per_second: 2, burst: 4, answer: '429'}\n")
	if err := x.g.Reload(); err != nil {
		t.Fatal(err)
	}
	before := lines()
	push(204) // all seven: a request that is let in is let in whole
	push(429)
	if n := lines() - before; n != 7 {
		t.Errorf("%d lines where a request is taken whole or not", n)
	}
	mu.Lock()
	now = now.Add(3 * time.Second)
	mu.Unlock()
	push(204)
}

// An agent's batch that is sent again, also under another pipeline and after a failure in its middle, is on the stream once and whole.
func TestAgentBatchUnderAChangingPipeline(t *testing.T) {
	srv, err := embedded.Start(embedded.Config{Dir: t.TempDir(), MaxStoreBytes: 256 << 20}, embedded.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Shutdown)
	nc, err := srv.Connect()
	if err != nil {
		t.Fatal(err)
	}
	b, err := natsbus.Open(context.Background(), nc, natsbus.Config{Shards: 2, MaxBytes: 64 << 20}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	files := []string{
		"",
		"stages:\n  - when: {body_contains: '7'}\n    drop: true\n",
		"stages:\n  - when: {signal: logs}\n    sample: {ratio: 0.3}\n",
		"stages:\n  - when: {signal: logs}\n    rate_limit: {per_second: 1, burst: 5000}\n",
		"stages:\n  - parse: {regex: '(?P<n>\\d+)'}\n",
	}
	var records [2][]*logspb.LogRecord
	for i := range 24_000 {
		records[i%2] = append(records[i%2], &logspb.LogRecord{TimeUnixNano: uint64(time.Now().UnixNano()), Body: kv("", fmt.Sprintf("line %d of a batch with some text to fill", i)).Value})
	}
	var req collogs.ExportLogsServiceRequest
	for i, rs := range records {
		req.ResourceLogs = append(req.ResourceLogs, &logspb.ResourceLogs{Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{kv("host.name", fmt.Sprint("h", i))}}, ScopeLogs: []*logspb.ScopeLogs{{LogRecords: rs}}})
	}
	body := marshal(t, &req)
	for first := range files {
		for _, failAt := range []int{1, 2, 4} {
			rec := &onceRecorder{recorder: &recorder{t: t}, bus: b, failAt: failAt}
			x, set := pipelineRig(t, files[first], func(c *Config, d *Deps) { c.Shards, d.Publisher = 2, rec })
			batch := fmt.Sprint(time.Now().UnixNano())
			send := func() int {
				code, _, _ := post(t, x.http+"/v1/logs", body, "Content-Type", "application/x-protobuf", headerAgent, "agent-1", headerBatch, batch)
				return code
			}
			if code := send(); code != 503 && rec.n >= failAt {
				t.Fatalf("the first time gives %d", code)
			}
			rec.failAt = 0
			second := (first + 1) % len(files)
			set(files[second])
			if err := x.g.Reload(); err != nil {
				t.Fatal(err)
			}
			if code := send(); code != 200 {
				t.Fatalf("the second time gives %d", code)
			}
			if code := send(); code != 200 {
				t.Fatalf("the third time gives %d", code)
			}
			rec.check(t, len(records[0])+len(records[1]), fmt.Sprintf("from %d to %d, failing at %d", first, second, failAt), mustArrive(first, second))
		}
	}
}

// onceRecorder publishes to a real bus, fails at one message, and keeps what the stream took.
type onceRecorder struct {
	*recorder
	bus    bus.Publisher
	failAt int
	n      int
}

func (r *onceRecorder) Publish(ctx context.Context, m *bus.Message) (bool, error) {
	if r.n++; r.n == r.failAt {
		return false, errs.New(errs.Unavailable, "bus: %w", errors.New("made to fail"))
	}
	dup, err := r.bus.Publish(ctx, m)
	if err != nil || dup {
		return dup, err
	}
	return r.recorder.Publish(ctx, m)
}

// mustArrive returns which lines both files let through for certain.
func mustArrive(first, second int) func(i int) bool {
	switch {
	case first == 4 && second == 0:
		return func(int) bool { return true }
	case first == 0 && second == 1:
		return func(i int) bool { return !strings.Contains(fmt.Sprint(i), "7") }
	}
	return func(int) bool { return false }
}

func (r *onceRecorder) check(t *testing.T, total int, what string, must func(i int) bool) {
	t.Helper()
	seen := map[string]int{}
	n := 0
	for _, l := range r.logs {
		for _, b := range l.Bodies {
			seen[b]++
			n++
		}
	}
	if n != len(seen) {
		t.Errorf("%s: %d lines, %d different ones", what, n, len(seen))
	}
	lost := 0
	for i := range total {
		if must(i) && seen[fmt.Sprintf("line %d of a batch with some text to fill", i)] == 0 {
			lost++
		}
	}
	if n == 0 || n > total || lost > 0 {
		t.Errorf("%s: %d lines, %d are lost", what, n, lost)
	}
}

// Aggregated samples take the usual way under a source of their own; what they are made of is not stored, or is, as configured; an
// agent's batch that is sent again does not count twice; what the bus refuses is not counted before it is sent again.
func TestAggregation(t *testing.T) {
	file := "stages:\n  - name: sums\n    aggregate:\n      keep_input: %t\n      rules: [{match: 'hits{path!=\"/other\"}', interval: 1s, no_align_flush_to_interval: true, flush_on_shutdown: true, without: [pod], outputs: [sum_samples]}]\n"
	for _, keep := range []bool{false, true} {
		x, set := pipelineRig(t, fmt.Sprintf(file, keep), nil)
		var req prompb.WriteRequest
		for _, pod := range []string{"a", "b", "c"} {
			for _, path := range []string{"/", "/other"} {
				req.Timeseries = append(req.Timeseries, ts(map[string]string{"__name__": "hits", "path": path, "pod": pod}, prompb.Sample{Value: 2, Timestamp: time.Now().UnixMilli()}))
			}
		}
		agent := []string{headerAgent, "host1", headerBatch, "1"}
		x.rec.setFail(func(*bus.Message) error { return errs.New(errs.Unavailable, "away") })
		if code, _, _ := post(t, x.url+"/api/v1/write", v1(t, &req), agent...); code != 503 {
			t.Fatal(code)
		}
		x.rec.setFail(nil)
		for range 3 {
			if code, _, text := post(t, x.url+"/api/v1/write", v1(t, &req), agent...); code != 204 {
				t.Fatalf("%d %s", code, text)
			}
		}
		if code, _, text := post(t, x.url+"/api/v1/write", v1(t, &req)); code != 204 {
			t.Fatalf("%d %s", code, text)
		}
		set("stages: []") // ends the aggregation, which flushes
		if err := x.g.Reload(); err != nil {
			t.Fatal(err)
		}
		sum, inputs := 0.0, 0
		for _, r := range x.rec.samples() {
			switch {
			case r.name == "hits:1s_without_pod_sum_samples" && r.labels["path"] == "/":
				sum += r.value
			case r.name == "hits" && r.labels["path"] == "/":
				inputs++
			}
		}
		if want := 2 * 3 * 2.0; sum != want {
			t.Errorf("keep %v: the sum is %v, want %v", keep, sum, want)
		}
		// The recorder has no memory of batches, so all four accepted requests are in it.
		if want := map[bool]int{false: 0, true: 12}[keep]; inputs != want {
			t.Errorf("keep %v: %d samples of the input, want %d", keep, inputs, want)
		}
		if n := x.rejected("aggregated"); !keep && n != 12 {
			t.Errorf("%d samples count as aggregated", n)
		}
		found := false
		for _, m := range x.rec.messages {
			found = found || m.Source == "stream_aggregation"
		}
		if !found {
			t.Error("no message of the aggregation's own source")
		}
	}
}

// Requests that are under way when the file is read again are handled whole, by one pipeline or the other.
func TestReloadUnderLoad(t *testing.T) {
	const senders, pushes, lines = 4, 40, 50
	x, set := pipelineRig(t, "", nil)
	now := time.Now().UnixNano()
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for p := range pushes {
				var entries [][]byte
				for i := range lines {
					entries = append(entries, lokiEntry(now, fmt.Sprintf("n=%d password=x%d", (s*pushes+p)*lines+i, i)))
				}
				if code, _, text := post(t, x.url+"/loki/api/v1/push", pack(t, "snappy", lokiStream(`{app="a"}`, entries...))); code != 204 {
					t.Errorf("%d %s", code, text)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	files := []string{"", "stages:\n  - parse: {format: logfmt}\n", "stages:\n  - relabel: {target: resource, rules: [{target_label: z, replacement: a}]}\n", "stages: [{drop: true}]"}
	for i := 0; ; i++ {
		set(files[i%len(files)])
		if err := x.g.Reload(); (err != nil) != (i%len(files) == 3) {
			t.Fatal(err)
		}
		select {
		case <-done:
		default:
			continue
		}
		break
	}
	seen := map[string]bool{}
	for _, l := range x.rec.logs {
		for i, b := range l.Bodies {
			seen[b] = true
			if !strings.Contains(b, "[redacted:password]") || l.Attributes != nil && l.Attributes[i] != nil && l.Attributes[i][1].Value != "[redacted:password]" {
				t.Fatalf("%q %v", b, l.Attributes[i])
			}
		}
	}
	if len(seen) != senders*pushes*lines {
		t.Errorf("%d lines, want %d", len(seen), senders*pushes*lines)
	}
}
