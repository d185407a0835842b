package responder_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	promodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
	"github.com/faultline-io/faultline/services/gateway/promappend"
	"github.com/faultline-io/faultline/services/internal/alerts"
	"github.com/faultline-io/faultline/services/internal/alerts/alertstate"
	"github.com/faultline-io/faultline/services/internal/alerts/amconfig"
	"github.com/faultline-io/faultline/services/internal/auth"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/bus/embedded"
	"github.com/faultline-io/faultline/services/internal/bus/natsbus"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/responder"
)

const limit = 60 * time.Second

// eventually asks f until it says true.
func eventually(t *testing.T, what string, f func() (bool, string)) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, why := f()
		if ok {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%s: not after %s: %s", what, limit, why)
		case <-tick.C:
		}
	}
}

func openBus(t *testing.T) *natsbus.Bus {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	srv, err := embedded.Start(embedded.Config{Dir: filepath.Join(t.TempDir(), "nats")}, embedded.Deps{Log: log})
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
	t.Cleanup(func() { b.Close(); srv.Shutdown() })
	return b
}

// world is what rules see: the vector of each expression, which tests change.
type world struct {
	mu sync.Mutex
	by map[string]promql.Vector
}

func (w *world) set(expr string, v promql.Vector) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by == nil {
		w.by = map[string]promql.Vector{}
	}
	w.by[expr] = v
}

func (w *world) query(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	if expr == "slow" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	v, ok := w.by[expr]
	if !ok && strings.HasPrefix(expr, "broken") {
		return nil, fmt.Errorf("nobody knows %s", expr)
	}
	out := make(promql.Vector, len(v))
	for i := range v {
		out[i] = v[i]
		out[i].T = at.UnixMilli()
	}
	return out, nil
}

func one(kv ...string) promql.Vector {
	return promql.Vector{{Metric: labels.FromStrings(kv...), F: 1}}
}

// rows keeps what the history gets.
type rows struct {
	mu   sync.Mutex
	all  []store.AlertRow
	fail atomic.Bool
}

func (r *rows) InsertAlerts(_ context.Context, _ string, more []store.AlertRow) error {
	if r.fail.Load() {
		return fmt.Errorf("the store is away")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, more...)
	return nil
}

func (r *rows) count(status string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, x := range r.all {
		if x.Status == status {
			n++
		}
	}
	return n
}

// hook is a receiver of webhooks.
type hook struct {
	*httptest.Server
	mu       sync.Mutex
	messages []message
	refuse   atomic.Int32 // How many tries to refuse.
	tries    atomic.Int32
	bad      []string
}

type message struct {
	Version  string
	Status   string
	GroupKey string
	Alerts   []struct {
		Status           string
		Labels           map[string]string
		StartsAt, EndsAt time.Time
	}
	Faultline struct {
		ID, Event string
		Fired     []map[string]string
	}
}

const secretText = "a secret of webhooks"

func startHook(t *testing.T) *hook {
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.tries.Add(1)
		if h.refuse.Load() > 0 {
			h.refuse.Add(-1)
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		b, err := io.ReadAll(r.Body)
		var m message
		h.mu.Lock()
		defer h.mu.Unlock()
		if err != nil || json.Unmarshal(b, &m) != nil {
			h.bad = append(h.bad, string(b))
		}
		if want := responder.Signature(auth.NewSecret(secretText), r.Header.Get(responder.HeaderTimestamp), b); r.Header.Get(responder.HeaderSignature) != want {
			h.bad = append(h.bad, "signature "+r.Header.Get(responder.HeaderSignature))
		}
		if r.Header.Get(responder.HeaderID) != m.Faultline.ID || m.Faultline.ID == "" {
			h.bad = append(h.bad, "id "+r.Header.Get(responder.HeaderID))
		}
		h.messages = append(h.messages, m)
	}))
	t.Cleanup(h.Close)
	return h
}

// got returns the messages with a status.
func (h *hook) got(status string) []message {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []message
	for _, m := range h.messages {
		if m.Status == status {
			out = append(out, m)
		}
	}
	return out
}

func (h *hook) check(t *testing.T) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range h.bad {
		t.Errorf("bad message: %s", b)
	}
}

// fixture is all that a responder needs.
type fixture struct {
	bus   bus.Bus
	world *world
	rows  *rows
	hook  *hook
	dir   string
	rules string
}

func newFixture(t *testing.T, rules string) *fixture {
	t.Helper()
	f := &fixture{bus: openBus(t), world: &world{}, rows: &rows{}, hook: startHook(t), dir: t.TempDir()}
	f.rules = filepath.Join(f.dir, "rules.yml")
	f.write(t, f.rules, rules)
	f.write(t, f.routing(), fmt.Sprintf(`
route:
  receiver: hook
  group_by: [alertname]
  group_wait: 100ms
  group_interval: 1s
  repeat_interval: 1h
receivers:
- name: hook
  webhook_configs: [{url: '%s'}]
inhibit_rules:
- source_matchers: [alertname = Down]
  target_matchers: [severity = minor]
`, f.hook.URL))
	return f
}

func (f *fixture) routing() string { return filepath.Join(f.dir, "alertmanager.yml") }

func (f *fixture) write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) config() responder.Config {
	return responder.Config{
		RuleFiles: []string{filepath.Join(f.dir, "rules*.yml")}, Interval: time.Second, Routing: amconfig.Settings{File: f.routing()},
		WebhookSecret: auth.NewSecret(secretText), ExternalURL: "http://console.example", LeaseTTL: 2 * time.Second,
	}
}

// part is a running responder.
type part struct {
	*responder.Responder
	cut  atomic.Bool
	stop func()
}

// cutBus is a bus that a process that hangs or was killed does not reach any more.
type cutBus struct {
	bus.Bus
	cut *atomic.Bool
}

type cutKV struct {
	bus.KV
	cut *atomic.Bool
}

func (c cutBus) KV(ctx context.Context, name string) (bus.KV, error) {
	kv, err := c.Bus.KV(ctx, name)
	return cutKV{kv, c.cut}, err
}

func (c cutKV) err() error {
	if c.cut.Load() {
		return fmt.Errorf("cut off")
	}
	return nil
}

func (c cutKV) Put(ctx context.Context, k string, v []byte) error {
	if err := c.err(); err != nil {
		return err
	}
	return c.KV.Put(ctx, k, v)
}

func (c cutKV) Create(ctx context.Context, k string, v []byte) (uint64, error) {
	if err := c.err(); err != nil {
		return 0, err
	}
	return c.KV.Create(ctx, k, v)
}

func (c cutKV) Update(ctx context.Context, k string, v []byte, rev uint64) (uint64, error) {
	if err := c.err(); err != nil {
		return 0, err
	}
	return c.KV.Update(ctx, k, v, rev)
}

func (f *fixture) start(t *testing.T) *part {
	t.Helper()
	p := &part{}
	core, _ := intaketest.Core(t)
	core.Clock = time.Now
	r, err := responder.New(f.config(), responder.Deps{
		Bus: cutBus{f.bus, &p.cut}, Query: f.world.query, History: f.rows, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		Appendable: promappend.New(core, model.Origin{Tenant: 1, Source: "rules", Protocol: "rules"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Responder = r
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	var once sync.Once
	p.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("responder: %v", err)
			}
		})
	}
	t.Cleanup(p.stop)
	return p
}

func (f *fixture) view(t *testing.T) *alertstate.View {
	t.Helper()
	kv, err := f.bus.KV(t.Context(), alerts.StateBucket)
	if err != nil {
		t.Fatal(err)
	}
	v, err := alertstate.NewView(kv, 1, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); v.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	<-v.Loaded()
	return v
}

const downRule = `
groups:
- name: hosts
  interval: 1s
  rules:
  - alert: Down
    expr: up == 0
    for: %s
    labels: {severity: major}
    annotations: {summary: '{{ $labels.instance }} is down'}
`

func TestFiringAndResolvedReachTheReceiverWithTheirLabels(t *testing.T) {
	f := newFixture(t, fmt.Sprintf(downRule, "0s"))
	f.hook.refuse.Store(2) // The receiver is away at first.
	f.rows.fail.Store(true)
	f.world.set("up == 0", one("instance", "a"))
	f.start(t)
	eventually(t, "the firing message", func() (bool, string) { return len(f.hook.got("firing")) > 0, fmt.Sprint(f.hook.tries.Load(), " tries") })
	m := f.hook.got("firing")[0]
	if m.Version != "4" || len(m.Alerts) != 1 || m.Alerts[0].Labels["instance"] != "a" || m.Alerts[0].Labels["severity"] != "major" || m.Faultline.Fired[0]["instance"] != "a" {
		t.Errorf("firing %+v", m)
	}
	if n := f.hook.tries.Load(); n < 3 {
		t.Errorf("%d tries, want the two that were refused and one", n)
	}
	f.world.set("up == 0", nil)
	eventually(t, "the resolved message", func() (bool, string) { return len(f.hook.got("resolved")) > 0, "" })
	r := f.hook.got("resolved")[0]
	if len(r.Alerts) != 1 || r.Alerts[0].Labels["instance"] != "a" || r.Alerts[0].EndsAt.IsZero() || r.Faultline.Event != "resolved" || len(r.Faultline.Fired) != 1 {
		t.Errorf("resolved %+v", r)
	}
	if len(f.hook.got("firing")) != 1 {
		t.Errorf("%d firing messages, want 1", len(f.hook.got("firing")))
	}
	// The history waited for the store.
	f.rows.fail.Store(false)
	eventually(t, "the history", func() (bool, string) {
		return f.rows.count(store.AlertFiring) == 1 && f.rows.count(store.AlertResolved) == 1, fmt.Sprintf("%+v", f.rows.all)
	})
	f.hook.check(t)
}

func TestTakeoverKeepsForStateSilencesAndWhatWasTold(t *testing.T) {
	// Three alerts: one fires and was told, one is in the middle of its for, and one is over when nobody leads.
	f := newFixture(t, `
groups:
- name: g
  interval: 1s
  rules:
  - {alert: Told, expr: told, for: 0s}
  - {alert: Over, expr: over, for: 0s}
  - {alert: Slow, expr: slowly, for: 12s}
`)
	for _, expr := range []string{"told", "over", "slowly"} {
		f.world.set(expr, one("instance", expr))
	}
	view := f.view(t)
	began := time.Now()
	a := f.start(t)
	eventually(t, "the first leads", func() (bool, string) { return a.Leads(), "" })
	b := f.start(t)
	eventually(t, "two were told", func() (bool, string) { return len(f.hook.got("firing")) == 2, fmt.Sprint(len(f.hook.got("firing"))) })
	eventually(t, "the third is pending", func() (bool, string) { s := stateOf(view, "Slow"); return s == "pending", s })
	if b.Leads() {
		t.Fatal("two lead")
	}
	activeAt := activeAtOf(view, "Slow")

	// The leader is cut off as by kill -9: it releases nothing. Meanwhile one alert ends.
	a.cut.Store(true)
	f.world.set("over", nil)
	cut := time.Now()
	eventually(t, "the second takes over", func() (bool, string) { return b.Leads(), "" })
	took := time.Since(cut)
	t.Logf("taken over after %s", took.Round(time.Millisecond))
	if took > 10*time.Second {
		t.Errorf("the takeover took %s", took)
	}
	eventually(t, "the third fires", func() (bool, string) { s := stateOf(view, "Slow"); return s == "firing", s })
	fired := time.Since(began)
	// Had the wait begun again, it would fire twelve seconds after the takeover at the earliest.
	if again := cut.Add(took + 12*time.Second); time.Now().After(again) {
		t.Errorf("fired %s after the start: the time before the takeover does not count", fired.Round(time.Millisecond))
	}
	if got := activeAtOf(view, "Slow"); got.Sub(activeAt).Abs() > 8*time.Second {
		t.Errorf("active since %s, was %s", got, activeAt)
	}
	eventually(t, "the end of the second is told", func() (bool, string) { return len(f.hook.got("resolved")) == 1, "" })
	if m := f.hook.got("resolved")[0]; m.Alerts[0].Labels["alertname"] != "Over" {
		t.Errorf("resolved %+v", m)
	}
	eventually(t, "the third is told", func() (bool, string) { return len(f.hook.got("firing")) == 3, "" })
	told := map[string]int{}
	for _, m := range f.hook.got("firing") {
		told[m.Alerts[0].Labels["alertname"]]++
	}
	for name, n := range told {
		if n != 1 {
			t.Errorf("%s was told %d times", name, n)
		}
	}
	f.hook.check(t)
}

func stateOf(v *alertstate.View, rule string) string {
	for _, g := range v.Groups() {
		for _, r := range g.Rules {
			if r.Name == rule {
				return r.State
			}
		}
	}
	return "absent"
}

func activeAtOf(v *alertstate.View, rule string) time.Time {
	for _, g := range v.Groups() {
		for _, r := range g.Rules {
			if r.Name == rule && len(r.Alerts) > 0 {
				return *r.Alerts[0].ActiveAt
			}
		}
	}
	return time.Time{}
}

func TestBadAndSlowRulesDoNotStopOthers(t *testing.T) {
	f := newFixture(t, `
groups:
- name: g
  interval: 1s
  rules:
  - {alert: Broken, expr: broken}
  - {alert: Slow, expr: slow}
  - {record: 'job:x:sum', expr: good}
  - {alert: Good, expr: good}
`)
	f.world.set("good", one("instance", "a"))
	v := f.view(t)
	f.start(t)
	eventually(t, "the good one fires", func() (bool, string) { return stateOf(v, "Good") == "firing", stateOf(v, "Good") })
	for _, g := range v.Groups() {
		for _, r := range g.Rules {
			switch r.Name {
			case "Broken":
				if r.Health != "err" || !strings.Contains(r.LastError, "nobody knows broken") {
					t.Errorf("%+v", r)
				}
			case "Slow":
				if r.Health != "err" || !strings.Contains(r.LastError, "within the interval of its group (1s)") {
					t.Errorf("%+v", r)
				}
			default:
				if r.Health != "ok" {
					t.Errorf("%+v", r)
				}
			}
		}
	}
}

func TestReloadTakesGoodFilesAndRefusesBadOnes(t *testing.T) {
	f := newFixture(t, fmt.Sprintf(downRule, "0s"))
	v := f.view(t)
	p := f.start(t)
	eventually(t, "the rule is there", func() (bool, string) { return stateOf(v, "Down") != "absent", "" })
	f.write(t, f.rules, "groups:\n- name: g\n  rules:\n  - alert: Bad\n    expr: 'sum('\n")
	err := p.Reload(t.Context())
	if err == nil || !strings.Contains(err.Error(), f.rules+":5:") {
		t.Errorf("reload of a bad file: %v", err)
	}
	eventually(t, "the refusal is published", func() (bool, string) { s, _ := v.Status(); return s.RulesError != "", "" })
	if stateOf(v, "Down") == "absent" {
		t.Error("the rules in force went away")
	}
	f.write(t, f.rules, "groups:\n- name: new\n  rules:\n  - alert: New\n    expr: up == 0\n")
	if err := p.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new rule is there and the old one gone", func() (bool, string) {
		return stateOf(v, "New") != "absent" && stateOf(v, "Down") == "absent", fmt.Sprint(stateOf(v, "New"), stateOf(v, "Down"))
	})
	f.write(t, f.routing(), "route: {receiver: nobody}\nreceivers: [{name: x}]\n")
	if err := p.Reload(t.Context()); err == nil {
		t.Error("a route to nobody was taken")
	}
	if _, err := responder.New(f.config(), responder.Deps{Bus: f.bus}); err == nil {
		t.Error("a start with a bad file went well")
	}
}

func TestAlertsOfOthersAreGroupedInhibitedAndTimeOut(t *testing.T) {
	f := newFixture(t, "groups: []\n")
	f.start(t)
	in := alerts.NewInbox(f.bus)
	put := func(hold time.Duration, kv ...string) {
		t.Helper()
		r := &alerts.Record{Source: alerts.SourceAPI}
		r.Labels = promodel.LabelSet{}
		for i := 0; i < len(kv); i += 2 {
			r.Labels[promodel.LabelName(kv[i])] = promodel.LabelValue(kv[i+1])
		}
		valid, err := alerts.NormalizeAll([]*alerts.Record{r}, time.Now(), hold)
		if err != nil {
			t.Fatal(err)
		}
		if err := in.Put(t.Context(), 1, valid...); err != nil {
			t.Fatal(err)
		}
	}
	put(3*time.Second, "alertname", "Down", "instance", "a")
	eventually(t, "the first is told", func() (bool, string) { return len(f.hook.got("firing")) == 1, "" })
	put(time.Hour, "alertname", "Minor", "severity", "minor")
	put(time.Hour, "alertname", "Other", "instance", "b")
	eventually(t, "the other is told", func() (bool, string) { return len(f.hook.got("firing")) >= 2, "" })
	eventually(t, "nobody repeats the first, so it is over", func() (bool, string) { return len(f.hook.got("resolved")) == 1, "" })
	eventually(t, "what it inhibited is told", func() (bool, string) { return len(f.hook.got("firing")) == 3, "" })
	var order []string
	for _, m := range f.hook.got("firing") {
		order = append(order, m.Alerts[0].Labels["alertname"])
	}
	if fmt.Sprint(order) != "[Down Other Minor]" {
		t.Errorf("told in the order %v", order)
	}
	eventually(t, "the history has the end", func() (bool, string) {
		return f.rows.count(store.AlertResolved) == 1, fmt.Sprint(f.rows.count(store.AlertResolved))
	})
}
