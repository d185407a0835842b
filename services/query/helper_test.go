package query

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/auth"
	"github.com/faultline-io/faultline/services/internal/bus/embedded"
	"github.com/faultline-io/faultline/services/internal/bus/natsbus"
	"github.com/faultline-io/faultline/services/internal/engine/enginetest"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse/chtest"
	"github.com/faultline-io/faultline/services/model"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// server is a whole query API over a real engine and a real bus, behind a real listener.
type server struct {
	*httptest.Server
	*Query
	db       chtest.Databases
	bus      *natsbus.Bus
	password string
	busDir   string
	log      *bytes.Buffer
}

func startBus(t *testing.T, dir string) (*natsbus.Bus, func()) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	srv, err := embedded.Start(embedded.Config{Dir: dir}, embedded.Deps{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := srv.Connect()
	if err != nil {
		t.Fatal(err)
	}
	b, err := natsbus.Open(t.Context(), nc, natsbus.Config{MaxBytes: 64 << 20}, log)
	if err != nil {
		t.Fatal(err)
	}
	var stopped atomic.Bool
	stop := func() {
		if stopped.CompareAndSwap(false, true) {
			b.Close()
			srv.Shutdown()
		}
	}
	t.Cleanup(stop)
	return b, stop
}

func start(t *testing.T) *server { return startWith(t, func(*Config) {}) }

// startWith is start with a configuration that differs.
func startWith(t *testing.T, change func(*Config)) *server {
	t.Helper()
	s := &server{db: chtest.Start(t), busDir: filepath.Join(t.TempDir(), "bus"), log: &bytes.Buffer{}}
	s.bus, _ = startBus(t, s.busDir)
	dir := t.TempDir()
	secrets, err := auth.Open(auth.Config{PasswordPath: filepath.Join(dir, "admin-password"), KeyPath: filepath.Join(dir, "ingest-key")}, auth.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	first, err := secrets.FirstPassword()
	if err != nil {
		t.Fatal(err)
	}
	s.password = first.Reveal()
	cfg := Default()
	cfg.Series.SeriesTTL = time.Nanosecond // tests write and read at once
	change(&cfg)
	s.Query, err = New(cfg, Deps{
		Store: s.db.Reader, System: s.db.Admin, Bus: s.bus, Auth: secrets, Log: slog.New(slog.NewTextHandler(s.log, nil)),
		Dist:    fstest.MapFS{"dist/index.html": {Data: []byte("<title>console</title>")}},
		Metrics: metrics.NewSet(), Build: app.Build{Version: "1.2.3", Commit: "abc"},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewServer(s.Handler())
	t.Cleanup(s.Server.Close)
	return s
}

// call is one request; the zero value is a GET as the admin.
type call struct {
	method string
	body   string
	header map[string]string
	cookie *http.Cookie
	nobody bool
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body []byte
}

func (s *server) do(t *testing.T, path string, c call) answer {
	t.Helper()
	if c.method == "" {
		c.method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(t.Context(), c.method, s.URL+path, bytes.NewBufferString(c.body))
	if err != nil {
		t.Fatal(err)
	}
	if c.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range c.header {
		req.Header.Set(k, v)
	}
	if c.cookie != nil {
		req.AddCookie(c.cookie)
	} else if !c.nobody && req.Header.Get("Authorization") == "" {
		req.SetBasicAuth("admin", s.password)
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp, body}
}

// get decodes a successful answer.
func get[T any](t *testing.T, s *server, path string) T {
	t.Helper()
	a := s.do(t, path, call{})
	var v T
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s\n%s\n%s", path, a.Status, a.body, s.log)
	}
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%s: %v\n%s", path, err, a.body)
	}
	return v
}

// problemOf decodes an error and checks that it is a whole one.
func problemOf(t *testing.T, a answer) map[string]any {
	t.Helper()
	var p map[string]any
	if err := json.Unmarshal(a.body, &p); err != nil {
		t.Fatalf("not a problem: %v\n%s", err, a.body)
	}
	if a.Header.Get("Content-Type") != "application/problem+json" || p["code"] == "" || p["title"] == "" || p["instance"] != a.Header.Get("X-Request-Id") {
		t.Errorf("incomplete problem (%s): %s", a.Header.Get("Content-Type"), a.body)
	}
	return p
}

// series is a metric with samples, for tests.
type testSeries struct {
	name   string
	labels []model.Label
	times  []int64
	values []float64
}

func labelsOf(kv ...string) []model.Label {
	var out []model.Label
	for i := 0; i < len(kv); i += 2 {
		out = append(out, model.Label{Name: kv[i], Value: kv[i+1]})
	}
	return out
}

var lastToken atomic.Uint32

func (s *server) insert(t *testing.T, all ...testSeries) {
	t.Helper()
	m := &model.Metrics{Header: model.Header{Origin: model.Origin{Tenant: model.DefaultTenant}, ReceivedAtMS: time.Now().UnixMilli()}}
	for _, x := range all {
		id := model.ResourceHash(append([]model.Label{{Name: "__name__", Value: x.name}}, x.labels...))
		m.Announced = append(m.Announced, model.Series{ID: id, MetricID: model.MetricID(x.name), Name: x.name, Labels: x.labels})
		m.MetricIDs, m.SeriesIDs, m.Counts = append(m.MetricIDs, model.MetricID(x.name)), append(m.SeriesIDs, id), append(m.Counts, uint32(len(x.times)))
		m.TimesMS, m.Values = append(m.TimesMS, x.times...), append(m.Values, x.values...)
	}
	if err := s.db.Admin.InsertMetrics(t.Context(), fmt.Sprintf("t%d", lastToken.Add(1)), []*model.Metrics{m}); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s did not happen in time", what)
		case <-tick.C:
		}
	}
}

// insertExemplars gives each of the series all of the exemplars.
func (s *server) insertExemplars(t *testing.T, all []testSeries, exemplars []model.Exemplar) {
	t.Helper()
	m := &model.Metrics{Header: model.Header{Origin: model.Origin{Tenant: model.DefaultTenant}, ReceivedAtMS: time.Now().UnixMilli()}}
	for _, x := range all {
		id := model.ResourceHash(append([]model.Label{{Name: "__name__", Value: x.name}}, x.labels...))
		for _, e := range exemplars {
			e.MetricID, e.SeriesID = model.MetricID(x.name), id
			m.Exemplars = append(m.Exemplars, e)
		}
	}
	if err := s.db.Admin.InsertMetrics(t.Context(), fmt.Sprintf("t%d", lastToken.Add(1)), []*model.Metrics{m}); err != nil {
		t.Fatal(err)
	}
}
