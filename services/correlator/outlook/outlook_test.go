package outlook_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/correlator/outlook"
	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
	"github.com/faultline-io/faultline/services/gateway/promappend"
	"github.com/faultline-io/faultline/services/internal/bus/embedded"
	"github.com/faultline-io/faultline/services/internal/bus/natsbus"
	"github.com/faultline-io/faultline/services/internal/engine/enginetest"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse/chtest"
	"github.com/faultline-io/faultline/services/model"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

const (
	minute = int64(60_000)
	hour   = 60 * minute
	day    = 24 * hour
	gib    = float64(1 << 30)
)

// world is a store with the past of some series up to now.
type world struct {
	db  chtest.Databases
	now time.Time
	n   int
}

func start(t *testing.T) *world {
	// Half past, so that an hour is complete and the next is under way.
	return &world{db: chtest.Start(t), now: time.Now().Truncate(time.Hour).Add(30 * time.Minute)}
}

// put stores a series of so many days that ends now; f is given the days since its beginning.
func (w *world) put(t *testing.T, name string, days float64, step int64, f func(d float64) float64, labels ...string) {
	t.Helper()
	var ls []model.Label
	for i := 0; i < len(labels); i += 2 {
		ls = append(ls, model.Label{Name: labels[i], Value: labels[i+1]})
	}
	slices.SortFunc(ls, func(a, b model.Label) int { return strings.Compare(a.Name, b.Name) })
	id := model.ResourceHash(append([]model.Label{{Name: model.LabelName, Value: name}}, ls...))
	m := &model.Metrics{Header: model.Header{Origin: model.Origin{Tenant: 1}, ReceivedAtMS: w.now.UnixMilli()}}
	m.Announced = []model.Series{{ID: id, MetricID: model.MetricID(name), Name: name, Labels: ls}}
	from := w.now.UnixMilli() - int64(days*float64(day))
	for ms := from; ms <= w.now.UnixMilli(); ms += step {
		m.TimesMS, m.Values = append(m.TimesMS, ms), append(m.Values, f(float64(ms-from)/float64(day)))
	}
	m.MetricIDs, m.SeriesIDs, m.Counts = []uint32{model.MetricID(name)}, []uint64{id}, []uint32{uint32(len(m.Values))}
	w.n++
	if err := w.db.Admin.InsertMetrics(t.Context(), fmt.Sprint("w", w.n), []*model.Metrics{m}); err != nil {
		t.Fatal(err)
	}
}

// fill stores what the tests are about.
func (w *world) fill(t *testing.T) {
	noise := func(d float64) float64 { return math.Sin(d * 1e4) }
	disk := func(mount string, f func(d float64) float64) {
		w.put(t, "node_filesystem_avail_bytes", 30, hour, f, "instance", "web-1:9100", "job", "node", "mountpoint", mount, "fstype", "ext4")
		w.put(t, "node_filesystem_free_bytes", 30, hour, f, "instance", "web-1:9100", "job", "node", "mountpoint", mount, "fstype", "ext4")
	}
	disk("/var", func(d float64) float64 { return (66 - 2*d + .2*noise(d)) * gib })                   // Full in three days.
	disk("/logs", func(d float64) float64 { x := d * 3.3; return (40 - 35*(x-math.Floor(x))) * gib }) // Rotated.
	disk("/home", func(d float64) float64 { return (50 + noise(d)) * gib })                           // Quiet.
	w.put(t, "node_filesystem_avail_bytes", 30, hour, func(float64) float64 { return 0 }, "instance", "web-1:9100", "job", "node", "mountpoint", "/snap", "fstype", "squashfs")
	for _, i := range []string{"api-1:80", "api-2:80"} {
		leak := 0.
		if i == "api-2:80" {
			leak = 4000
		}
		w.put(t, "process_open_fds", 3, 5*minute, func(d float64) float64 { return 200 + 5*noise(d) + leak*max(0, d-2.9) }, "instance", i, "job", "api")
		w.put(t, "process_max_fds", 3, 5*minute, func(float64) float64 { return 1024 }, "instance", i, "job", "api")
	}
	w.put(t, "probe_ssl_earliest_cert_expiry", 1, 5*minute, func(float64) float64 { return float64(w.now.Unix() + 5*86400) }, "instance", "https://shop", "job", "probe")
	w.put(t, "system_memory_utilization_ratio", 20, hour, func(d float64) float64 { return .5 + .1*math.Sin(2*math.Pi*d) }, "host_name", "db-1", "state", "used")
	w.put(t, "system_memory_utilization_ratio", 20, hour, func(d float64) float64 { return .5 - .1*math.Sin(2*math.Pi*d) }, "host_name", "db-1", "state", "free")
	for i := range 3 {
		sum := 0.
		w.put(t, "http_requests_total", 35, 15*minute, func(d float64) float64 {
			rate := 40 + 25*math.Sin(2*math.Pi*d)
			if int(d)%7 >= 5 {
				rate *= .5
			}
			if sum += rate * 900; int(d*96) == 1000 {
				sum = 0 // It was started again.
			}
			return sum
		}, "instance", fmt.Sprintf("shop-%d:80", i), "job", "shop", "code", "200")
	}
}

// sink keeps what is published.
type sink struct {
	*intaketest.Sink
	all []*model.Metrics
}

func (k *sink) PublishMetrics(_ context.Context, _ *intake.Request, m *model.Metrics) error {
	c := *m
	c.TimesMS, c.Values, c.SeriesIDs, c.MetricIDs, c.Counts, c.Stale = slices.Clone(m.TimesMS), slices.Clone(m.Values), slices.Clone(m.SeriesIDs), slices.Clone(m.MetricIDs), slices.Clone(m.Counts), slices.Clone(m.Stale)
	c.Announced = nil
	for _, s := range m.Announced {
		s.Labels = slices.Clone(s.Labels)
		c.Announced = append(c.Announced, s)
	}
	k.all = append(k.all, &c)
	return nil
}

func (w *world) service(t *testing.T, out *promappend.Appendable) *outlook.Service {
	return outlook.New(outlook.Default(), w.deps(out, nil))
}

func (w *world) deps(out *promappend.Appendable, b outlook.Buckets) outlook.Deps {
	d := outlook.Deps{
		Reader: clickhouse.NewMetricReader(w.db.Reader), Past: clickhouse.NewForecastReader(w.db.Reader), Writer: w.db.Admin, Buckets: b, Clock: func() time.Time { return w.now },
	}
	if out != nil {
		d.Out = out
	}
	return d
}

// latest returns the latest forecasts by metric and what tells them apart.
func (w *world) latest(t *testing.T) map[string]store.ForecastRow {
	t.Helper()
	rows, _, err := clickhouse.NewForecastReader(w.db.Reader).Latest(t.Context(), clickhouse.ForecastFilter{Tenant: 1, FromMS: w.now.UnixMilli() - hour, ToMS: w.now.UnixMilli()}, nil, 1000)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]store.ForecastRow{}
	for _, r := range rows {
		key := r.Signal.Name
		for _, n := range []string{"mountpoint", "instance"} {
			if v := model.Lookup(r.Signal.Labels, n); v != "" {
				key += " " + v
				break
			}
		}
		out[key] = r
	}
	return out
}

func TestForecasts(t *testing.T) {
	w := start(t)
	w.fill(t)
	s := w.service(t, nil)
	for range 2 { // The second pass finds the same, and tells no finding twice.
		if err := s.Stocks(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Loads(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got := w.latest(t)
	days := func(ms int64) float64 { return float64(ms-w.now.UnixMilli()) / float64(day) }
	state := func(key, want string) store.ForecastRow {
		t.Helper()
		if got[key].State != want {
			t.Errorf("%s: %q, want %s: %s", key, got[key].State, want, got[key].Advice)
		}
		return got[key]
	}
	const avail = "node_filesystem_avail_bytes "
	if r := state(avail+"/var", "trend"); math.Abs(days(r.ReachMS)-3) > .5 || r.Resource != "disk" || r.Entity != (model.Entity{Kind: model.KindHost, Name: "web-1"}) ||
		!strings.Contains(r.Advice, "Disk /var of host web-1") || !strings.Contains(r.Advice, "GiB are left") || r.Confidence < .5 {
		t.Errorf("%+v", r.Forecast)
	}
	state(avail+"/logs", "sawtooth")
	state(avail+"/home", "no_trend")
	if r := state("process_open_fds api-2:80", "trend"); r.Limit != 1024 || days(r.ReachMS) > .3 || !strings.Contains(r.Advice, "api-2:80") {
		t.Errorf("%+v", r.Forecast)
	}
	state("process_open_fds api-1:80", "no_trend")
	if r := state("probe_ssl_earliest_cert_expiry https://shop", "trend"); math.Abs(days(r.ReachMS)-5) > .01 || r.Confidence != 1 {
		t.Errorf("%+v", r.Forecast)
	}
	load := state("http_requests_total", store.StateForecast)
	// Three days ahead it is the same hour of a day that is known.
	if v, ok := store.ValueAt(&load, load.Median, w.now.UnixMilli()+day); !ok || len(load.Median) < 168 || v < 20 || v > 220 || load.Error > .6 || !strings.Contains(load.Advice, "3 instances") {
		t.Errorf("%v, %d steps, error %.2f by %s: %s", v, len(load.Median), load.Error, load.Method, load.Advice)
	}
	for _, gone := range []string{"node_filesystem_free_bytes /var", avail + "/snap", "process_max_fds api-1:80"} {
		if r, ok := got[gone]; ok {
			t.Errorf("%s is forecast: %s", gone, r.Advice)
		}
	}
	fs := s.Findings()
	var about []string
	for _, f := range fs {
		about = append(about, f.Signal.Name)
		if f.Kind != model.FindingForecast || f.ID == 0 || f.EndMS != 0 || f.Text == "" || f.Confidence <= 0 {
			t.Errorf("%+v", f)
		}
	}
	slices.Sort(about)
	if want := []string{"node_filesystem_avail_bytes", "probe_ssl_earliest_cert_expiry", "process_open_fds"}; !slices.Equal(slices.Compact(about), want) {
		t.Errorf("findings about %q, want %q", about, want)
	}
	if more := s.Findings(); len(more) != 0 {
		t.Errorf("told twice: %+v", more)
	}
	came, err := clickhouse.NewForecastReader(w.db.Reader).Actuals(t.Context(), 1, []uint64{load.TargetID}, w.now.UnixMilli()-2*hour, w.now.UnixMilli())
	if err != nil || len(came) != 1 || came[0].TimeMS != w.now.Add(-90*time.Minute).UnixMilli()/hour*hour || came[0].Value < 30 || came[0].Value > 220 {
		t.Errorf("%+v %v", came, err)
	}
}

// A finding ends when what it said is no longer so, under the same id.
func TestFindingEnds(t *testing.T) {
	w := start(t)
	w.put(t, "node_filesystem_avail_bytes", 30, hour, func(d float64) float64 { return (66 - 2*d) * gib }, "instance", "web-1:9100", "job", "node", "mountpoint", "/var")
	s := w.service(t, nil)
	pass := func() []model.Finding {
		t.Helper()
		if err := s.Stocks(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s.Findings()
	}
	opened := pass()
	if len(opened) != 1 || opened[0].EndMS != 0 {
		t.Fatalf("%+v", opened)
	}
	// Somebody made room.
	w.now = w.now.Add(6 * time.Hour)
	w.put(t, "node_filesystem_avail_bytes", .24, 5*minute, func(float64) float64 { return 60 * gib }, "instance", "web-1:9100", "job", "node", "mountpoint", "/var")
	ended := pass()
	if len(ended) != 1 || ended[0].ID != opened[0].ID || ended[0].EndMS != w.now.UnixMilli() {
		t.Fatalf("%+v", ended)
	}
}

// The loop publishes series that are read back as any others, goes on after a restart, and forecasts when it is asked to.
func TestLoop(t *testing.T) {
	w := start(t)
	w.put(t, "node_filesystem_avail_bytes", 30, hour, func(d float64) float64 { return (66 - 2*d) * gib }, "instance", "web-1:9100", "job", "node", "mountpoint", "/var")
	srv, err := embedded.Start(embedded.Config{Dir: filepath.Join(t.TempDir(), "bus")}, embedded.Deps{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Shutdown)
	nc, err := srv.Connect()
	if err != nil {
		t.Fatal(err)
	}
	b, err := natsbus.Open(t.Context(), nc, natsbus.Config{MaxBytes: 64 << 20}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	kv, err := b.KV(t.Context(), outlook.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	core, inner := intaketest.Core(t)
	k := &sink{Sink: inner}
	core.Sink = k
	cfg := outlook.Default()
	cfg.PublishEvery = 50 * time.Millisecond
	run := func(until func(s *outlook.Service) bool) {
		t.Helper()
		deps := w.deps(promappend.New(core, model.Origin{Tenant: 1, Source: "forecasts", Protocol: "forecasts"}), b)
		w.now = time.Now()
		deps.Clock = time.Now
		s := outlook.New(cfg, deps)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		deadline := time.Now().Add(2 * time.Minute)
		for !until(s) {
			if time.Now().After(deadline) {
				t.Error("it did not happen in two minutes")
				break
			}
			select {
			case <-t.Context().Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	var first []model.Finding
	run(func(s *outlook.Service) bool {
		first = append(first, s.Findings()...)
		return len(first) > 0
	})
	if len(first) != 1 {
		t.Fatalf("%+v", first)
	}
	names := map[string]int{}
	for _, m := range k.all {
		for _, a := range m.Announced {
			names[a.Name]++
			if model.Lookup(a.Labels, "metric") != "node_filesystem_avail_bytes" || model.Lookup(a.Labels, "mountpoint") != "/var" {
				t.Errorf("%+v", a)
			}
		}
	}
	if names["forecast_exhaustion_seconds"] != 3 || names["forecast_exhaustion_confidence_ratio"] != 1 {
		t.Errorf("%v", names)
	}
	// After a restart the same finding is open, so it is not told again; a request makes a row with a later date.
	made := func() int64 {
		w.now = time.Now()
		return w.latest(t)["node_filesystem_avail_bytes /var"].MadeMS
	}
	before := made()
	run(func(s *outlook.Service) bool {
		for _, f := range s.Findings() {
			if f.ID != first[0].ID {
				t.Errorf("another finding: %+v", f)
			}
		}
		// Until it leads, nobody hears a request.
		if err := kv.Put(t.Context(), outlook.KeyRequest, []byte("now")); err != nil {
			t.Fatal(err)
		}
		return made() > before
	})
}
