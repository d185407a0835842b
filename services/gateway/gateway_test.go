package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/model"
)

func TestConfigValidate(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"tls_cert_file":        func(c *Config) { c.TLSCertFile = "x" },
		"gateway.shards":       func(c *Config) { c.Shards = 0 },
		"gateway.limits.max_l": func(c *Config) { c.Limits.MaxLabels = 0 },
	} {
		c := Default()
		change(&c)
		if _, err := New(c, Deps{Publisher: &recorder{t: t}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := New(Default(), Deps{}); err == nil {
		t.Error("a gateway without a publisher")
	}
}

func TestPatterns(t *testing.T) {
	g, err := New(Default(), Deps{Publisher: &recorder{t: t}})
	if err != nil {
		t.Fatal(err)
	}
	// ServeMux panics when two patterns overlap and neither is the more special one; the console has what is left.
	mux := http.NewServeMux()
	mux.Handle("/", http.NotFoundHandler())
	for _, p := range g.Patterns() {
		mux.Handle(p, g.Handler())
	}
	for _, want := range []string{
		"/v1/metrics", "/v1/logs", "/v1/traces", "/api/v1/write", "/api/v1/push", "/loki/api/v1/push", "/influx/write", "/datadog/api/v2/series", "/zipkin/api/v2/spans",
		"POST /jaeger/api/traces", "POST /api/v1/changes", "/_bulk", "POST /elastic/{rest...}", "GET /elastic",
	} {
		if !slices.Contains(g.Patterns(), want) {
			t.Errorf("no %s in %q", want, g.Patterns())
		}
	}
	for _, path := range []string{"/", "/elastic-thing", "/assets/app.js", "/api/v1/hosts"} {
		if _, p := mux.Handler(httptest.NewRequest(http.MethodGet, path, nil)); p != "/" {
			t.Errorf("%s is taken by %s", path, p)
		}
	}
}

// rejectionStore keeps counts, and fails the first time.
type rejectionStore struct {
	mu    sync.Mutex
	calls int
	got   []limits.Rejection
}

func (s *rejectionStore) StoreRejections(_ context.Context, at time.Time, rs []limits.Rejection) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.calls == 1 {
		return errors.New("store is away")
	}
	s.got = append(s.got, rs...)
	return nil
}

func TestRejectionsAreHandedOn(t *testing.T) {
	store := &rejectionStore{}
	g, err := New(Default(), Deps{Publisher: &recorder{t: t}, Rejections: store})
	if err != nil {
		t.Fatal(err)
	}
	o := model.Origin{Tenant: 1, Source: "loki", Protocol: "loki"}
	g.core.Rejected.Add(&o, model.SignalLogs, limits.TooOld, 3)
	f := &rejectionFlusher{g: g}
	f.flush(context.Background()) // fails, and keeps the counts
	g.core.Rejected.Add(&o, model.SignalLogs, limits.TooOld, 4)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.Run(ctx); err != nil { // hands on what is left when it stops
		t.Fatal(err)
	}
	want := []limits.Rejection{{RejectionKey: limits.RejectionKey{Tenant: 1, Signal: model.SignalLogs, Source: "loki", Protocol: "loki", Reason: "too_old"}, Count: 7}}
	if !cmp.Equal(store.got, want) {
		t.Error(store.got)
	}
}

// What does not fit a message is cut into halves that have it all, each under its own name.
func TestSinkHalves(t *testing.T) {
	rec := &recorder{t: t}
	g, err := New(Default(), Deps{Publisher: rec})
	if err != nil {
		t.Fatal(err)
	}
	m := &model.Metrics{Header: model.Header{Origin: model.Origin{Tenant: 1, AgentID: "abc", BatchSeq: 9}}}
	rng := uint64(7)
	var want []float64
	for i := range 90_000 {
		rng = rng*6364136223846793005 + 1442695040888963407
		m.SeriesIDs, m.MetricIDs = append(m.SeriesIDs, rng), append(m.MetricIDs, uint32(rng>>32))
		m.Counts = append(m.Counts, uint32(1+i%2))
		for range 1 + i%2 {
			if len(want)%1000 == 0 {
				m.Stale = append(m.Stale, uint32(len(want)))
			}
			want = append(want, float64(rng>>11))
			m.TimesMS = append(m.TimesMS, int64(rng>>30))
		}
	}
	m.Values = want
	m.Announced = []model.Series{{ID: 1, Name: "a"}, {ID: 2, Name: "b"}, {ID: 3, Name: "c"}}
	m.Metadata = []model.MetricMetadata{{Family: "a", Type: "gauge"}}
	m.Exemplars = []model.Exemplar{{SeriesID: 1, TimeMS: 1, Value: 2}}
	if err := g.core.Sink.PublishMetrics(context.Background(), &intake.Request{}, m); err != nil {
		t.Fatal(err)
	}
	var got model.Metrics
	names := map[string]bool{}
	for _, x := range rec.metrics {
		for _, i := range x.Stale {
			got.Stale = append(got.Stale, i+uint32(len(got.Values)))
		}
		got.SeriesIDs, got.MetricIDs, got.Counts = append(got.SeriesIDs, x.SeriesIDs...), append(got.MetricIDs, x.MetricIDs...), append(got.Counts, x.Counts...)
		got.Values, got.TimesMS = append(got.Values, x.Values...), append(got.TimesMS, x.TimesMS...)
		got.Announced, got.Metadata, got.Exemplars = append(got.Announced, x.Announced...), append(got.Metadata, x.Metadata...), append(got.Exemplars, x.Exemplars...)
		names[x.AgentID] = true
	}
	got.Header = m.Header
	if diff := cmp.Diff(*m, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if len(rec.metrics) < 2 || len(names) != len(rec.metrics) {
		t.Errorf("%d messages, named %v", len(rec.metrics), names)
	}
	huge := &model.Spans{Resources: []model.Resource{{}}, Spans: []model.Span{{TraceID: strings.Repeat("t", 16), SpanID: strings.Repeat("s", 8), Attributes: randomLabels(200)}}}
	if err := g.core.Sink.PublishSpans(context.Background(), &intake.Request{}, huge); err == nil {
		t.Error("a span that fits no message was published")
	}
}

func randomLabels(n int) []model.Label {
	rng := uint64(3)
	var out []model.Label
	for i := range n {
		b := make([]byte, 16<<10)
		for j := range b {
			rng = rng*6364136223846793005 + 1442695040888963407
			b[j] = 33 + byte(rng>>33)%94
		}
		out = append(out, model.Label{Name: fmt.Sprint("k", i), Value: string(b)})
	}
	return out
}

// Many large requests at once are refused rather than held, and what is held stays within the budget.
func TestMemoryIsBounded(t *testing.T) {
	release := make(chan struct{})
	x := newRig(t, func(c *Config, _ *Deps) {
		c.Limits.MaxBodyBytes, c.Limits.MaxDecodedBytes, c.Limits.MaxInflightBytes = 8<<20, 8<<20, 24<<20
	})
	x.rec.setFail(func(*bus.Message) error { <-release; return nil })
	line := strings.Repeat("a line of text, ", 64)
	var entries [][]byte
	for range 6 << 10 {
		entries = append(entries, lokiEntry(time.Now().UnixNano(), line))
	}
	body := pack(t, "snappy", lokiStream(`{a="b"}`, entries...))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const senders = 24
	codes := make(chan int, senders)
	for range senders {
		go func() {
			req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, x.url+"/loki/api/v1/push", strings.NewReader(string(body)))
			if err != nil {
				codes <- 0
				return
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				codes <- 0
				return
			}
			_ = resp.Body.Close()
			codes <- resp.StatusCode
		}()
	}
	count := map[int]int{}
	for range senders - 3 { // three fit the budget and wait for the bus, the others are told to come back
		select {
		case c := <-codes:
			count[c]++
		case <-time.After(20 * time.Second):
			t.Fatalf("no answer; so far %v, %d bytes held", count, x.g.budget.Used())
		}
	}
	runtime.ReadMemStats(&after)
	close(release)
	for range 3 {
		count[<-codes]++
	}
	if count[429] < senders-3 || count[204] == 0 || count[429]+count[204] != senders {
		t.Errorf("answers %v", count)
	}
	if p := x.g.budget.Peak(); p > 24<<20 {
		t.Errorf("peak %d", p)
	}
	if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > 160<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	if x.g.budget.Used() != 0 {
		t.Errorf("%d bytes are held", x.g.budget.Used())
	}
}
