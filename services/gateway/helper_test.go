package gateway

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// recorder is a publisher that keeps what it is given, decoded as the writer would, and fails on demand.
type recorder struct {
	t  testing.TB
	mu sync.Mutex
	// fail, when set, is asked before each message.
	fail     func(m *bus.Message) error
	messages []bus.Message
	metrics  []*model.Metrics
	logs     []*model.Logs
	spans    []*model.Spans
	changes  []model.Change
}

func (r *recorder) Publish(_ context.Context, m *bus.Message) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		if err := r.fail(m); err != nil {
			return false, err
		}
	}
	if len(m.Data) > 1<<20 {
		r.t.Errorf("message of %d bytes", len(m.Data))
	}
	r.messages = append(r.messages, *m)
	var err error
	n := 0
	switch m.Signal {
	case model.SignalMetrics:
		x := &model.Metrics{Header: m.Header}
		err = bus.DecodeMetrics(m.Data, x)
		r.metrics = append(r.metrics, x)
		n = x.Len()
	case model.SignalLogs:
		x := &model.Logs{Header: m.Header}
		err = bus.DecodeLogs(m.Data, x)
		r.logs = append(r.logs, x)
		n = x.Len()
	case model.SignalSpans:
		x := &model.Spans{Header: m.Header}
		err = bus.DecodeSpans(m.Data, x)
		r.spans = append(r.spans, x)
		n = x.Len()
	case model.SignalChanges:
		x := &model.Changes{Header: m.Header}
		err = bus.DecodeChanges(m.Data, x)
		r.changes = append(r.changes, x.Changes...)
		n = x.Len()
	}
	if err != nil {
		r.t.Errorf("decode %s: %v", m.Signal, err)
	}
	if n != m.Items {
		r.t.Errorf("message says %d items and has %d", m.Items, n)
	}
	return false, nil
}

func snappyDecode(b []byte) ([]byte, error) { return snappy.Decode(nil, b) }

func (r *recorder) setFail(f func(*bus.Message) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = f
}

// samples flattens all samples to "name{labels} time value" by series, learning names from what was announced.
type sampleRow struct {
	name   string
	labels map[string]string
	ms     int64
	value  float64
	stale  bool
}

func (r *recorder) samples() []sampleRow {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := map[uint64]model.Series{}
	for _, m := range r.metrics {
		for _, s := range m.Announced {
			known[s.ID] = s
		}
	}
	var out []sampleRow
	for _, m := range r.metrics {
		stale := map[uint32]bool{}
		for _, i := range m.Stale {
			stale[i] = true
		}
		at := 0
		for i, id := range m.SeriesIDs {
			n := 1
			if len(m.Counts) > 0 {
				n = int(m.Counts[i])
			}
			s, ok := known[id]
			if !ok {
				r.t.Errorf("samples of series %d, which was never announced", id)
			}
			if ok && s.MetricID != m.MetricIDs[i] {
				r.t.Errorf("series %s has metric id %d, announced %d", s.Name, m.MetricIDs[i], s.MetricID)
			}
			for ; n > 0; n-- {
				out = append(out, sampleRow{s.Name, labelMap(s.Labels), m.TimesMS[at], m.Values[at], stale[uint32(at)]})
				at++
			}
		}
	}
	return out
}

func labelMap(ls []model.Label) map[string]string {
	m := make(map[string]string, len(ls))
	for _, l := range ls {
		m[l.Name] = l.Value
	}
	return m
}

// one returns the only sample of a series with this name and these labels.
func one(t *testing.T, rows []sampleRow, name string, labels ...string) sampleRow {
	t.Helper()
	var found []sampleRow
next:
	for _, r := range rows {
		if r.name != name {
			continue
		}
		for i := 0; i < len(labels); i += 2 {
			if r.labels[labels[i]] != labels[i+1] {
				continue next
			}
		}
		found = append(found, r)
	}
	if len(found) != 1 {
		t.Fatalf("%d samples of %s%v, want 1; all: %v", len(found), name, labels, rows)
	}
	return found[0]
}

// keys is a verifier with one key.
type keys struct{}

func (keys) VerifyIngestKey(key string) (model.TenantID, error) {
	if key == "good-key" {
		return 7, nil
	}
	return 0, errs.WithHint(errs.Unauthenticated, "check the key", "this is not an ingest key")
}

// rig is a gateway behind real sockets.
type rig struct {
	g   *Gateway
	rec *recorder
	url string
	// grpc and http are the addresses of the OTLP listeners.
	grpc, http string
	// addrs are the addresses of all listeners by name.
	addrs map[string]string
}

func newRig(t testing.TB, change func(*Config, *Deps)) *rig {
	t.Helper()
	rec := &recorder{t: t}
	cfg := Default()
	cfg.OTLPGRPCAddr, cfg.OTLPHTTPAddr = "127.0.0.1:0", "127.0.0.1:0"
	deps := Deps{Publisher: rec, Auth: keys{}}
	if change != nil {
		change(&cfg, &deps)
	}
	g, parts, err := Parts(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(g.Handler())
	t.Cleanup(srv.Close)
	x := &rig{g: g, rec: rec, url: srv.URL, addrs: map[string]string{}}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	for _, p := range parts {
		wg.Add(1)
		go func(p app.Service) {
			defer wg.Done()
			if err := p.Run(ctx); err != nil {
				t.Errorf("%s: %v", p.Name(), err)
			}
		}(p)
		l, ok := p.(interface {
			app.Readier
			Addr() string
		})
		if !ok {
			continue
		}
		select {
		case <-l.Ready():
		case <-time.After(waitLimit):
			t.Fatalf("%s is not ready", p.Name())
		}
		x.addrs[p.Name()] = l.Addr()
	}
	x.grpc, x.http = x.addrs["gateway-otlp-grpc"], "http://"+x.addrs["gateway-otlp-http"]
	return x
}

// post sends a body and returns status, header and text of the answer.
func post(t testing.TB, url string, body []byte, headers ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

func pack(t testing.TB, encoding string, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch encoding {
	case "snappy":
		return snappy.Encode(nil, b)
	case "gzip":
		w = gzip.NewWriter(&out)
	case "zstd":
		w, err = zstd.NewWriter(&out)
	default:
		return b
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// rejected returns how many items were refused for a reason.
func (x *rig) rejected(reason string) uint64 {
	var n uint64
	for _, r := range x.g.Rejections() {
		if r.Reason == reason {
			n += r.Count
		}
	}
	return n
}
