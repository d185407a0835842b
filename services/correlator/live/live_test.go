package live

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/correlator/brain"
	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/correlator/group"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/bus/embedded"
	"github.com/faultline-io/faultline/services/internal/bus/natsbus"
	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/internal/incidents/board"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
)

// The world of the test: services on hosts, sampled every 15 s, in event time from dayMS on.
const (
	dayMS   = 1_795_000_000_000
	stepMS  = 15_000
	hosts   = 4
	faultAt = 200 // Step at which one host's CPU goes up and its service's latency and errors with it.
	steps   = 240
)

// recorder keeps what the brain says, by finding: the last word on each counts.
type recorder struct {
	marks     map[uint64]store.MarkRow
	tokens    map[string]bool
	findings  map[uint64]string
	incidents map[string]*model.Incident
	derived   int
}

func newRecorder() *recorder {
	return &recorder{marks: map[uint64]store.MarkRow{}, tokens: map[string]bool{}, findings: map[uint64]string{}, incidents: map[string]*model.Incident{}}
}

func (r *recorder) Save(_ context.Context, token string, _ model.TenantID, out *brain.Output) error {
	r.tokens[token] = true
	for _, f := range out.Findings {
		r.findings[f.ID] = fmt.Sprintf("%s %s %s %d %d %x %x", f.Entity, f.Signal.Name, f.Kind, f.Direction, f.OnsetMS, math.Float64bits(f.Value), math.Float64bits(f.PValue))
	}
	for _, in := range out.Incidents {
		r.incidents[in.ID] = in
	}
	return nil
}

func (r *recorder) SaveMarks(_ context.Context, _ string, _ model.TenantID, rows []store.MarkRow) error {
	for _, m := range rows {
		r.marks[m.Seq] = m
	}
	return nil
}

func (r *recorder) SaveCommands(context.Context, string, []store.CommandRow) error { return nil }

// sample is one sample of the world.
type sample struct {
	name   string
	labels []model.Label
	value  float64
}

// world returns the samples of a step. The same step gives the same samples.
func world(step int) []sample {
	r := rand.New(rand.NewPCG(7, uint64(step)))
	var out []sample
	for h := range hosts {
		host, service := fmt.Sprintf("host-%d", h), fmt.Sprintf("svc-%d", h)
		bad := 0.0
		if step >= faultAt && h == 1 {
			bad = 1
		}
		hl := []model.Label{{Name: "host_name", Value: host}}
		sl := []model.Label{{Name: "host_name", Value: host}, {Name: "service", Value: service}}
		add := func(name string, l []model.Label, v float64) { out = append(out, sample{name, l, v}) }
		add("system_cpu_utilization_ratio", hl, 0.3+0.02*r.NormFloat64()+0.69*bad*0.98)
		add("system_memory_utilization_ratio", hl, 0.5+0.01*r.NormFloat64())
		add("http_requests_per_second", sl, 100+4*r.NormFloat64())
		add("http_request_duration_seconds", sl, 0.05+0.004*r.NormFloat64()+0.6*bad)
		add("http_errors_ratio", sl, math.Max(0, 0.001+0.0005*r.NormFloat64()+0.2*bad))
		for c := range hosts { // Everybody calls the next one.
			if c == (h+1)%hosts {
				add("traces_service_graph_request_server_seconds", []model.Label{{Name: "client", Value: service}, {Name: "server", Value: fmt.Sprintf("svc-%d", c)}}, 0.05+0.003*r.NormFloat64())
			}
		}
	}
	return out
}

// batch makes a message of the samples of a step.
func batch(step int) *model.Metrics {
	at := int64(dayMS + step*stepMS)
	m := &model.Metrics{Header: model.Header{Origin: model.Origin{Tenant: model.DefaultTenant, Source: "agent:test", Protocol: "otlp_http"}, ReceivedAtMS: at + 500}}
	for _, s := range world(step) {
		key := model.AppendIdentity(nil, s.name, "")
		for _, l := range s.labels {
			key = model.AppendIdentity(key, l.Name, l.Value)
		}
		series := model.Series{ID: model.Hash64(string(key)), MetricID: model.MetricID(s.name), Name: s.name, Labels: s.labels, ShardHash: model.Hash64(model.EntityOf(s.name, s.labels).String())}
		if step%40 == 0 {
			m.Announced = append(m.Announced, series)
		}
		m.SeriesIDs, m.MetricIDs, m.TimesMS, m.Values = append(m.SeriesIDs, series.ID), append(m.MetricIDs, series.MetricID), append(m.TimesMS, at), append(m.Values, s.value)
	}
	return m
}

func publish(t *testing.T, b bus.Bus, step int) {
	t.Helper()
	m := batch(step)
	data, err := bus.EncodeMetrics(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(t.Context(), &bus.Message{Signal: model.SignalMetrics, Header: m.Header, Items: m.Len(), Data: data}); err != nil {
		t.Fatal(err)
	}
}

// rig runs the service over a real bus, one mark a step, with the clock in the test's hand.
type rig struct {
	t     *testing.T
	bus   bus.Bus
	nowMS int64
	rec   *recorder
	taken chan input
	ticks chan time.Time
	stop  context.CancelFunc
	done  chan error
}

func newRig(t *testing.T) *rig {
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
	b, err := natsbus.Open(t.Context(), nc, natsbus.Config{}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(); srv.Shutdown() })
	return &rig{t: t, bus: b, rec: newRecorder(), nowMS: dayMS}
}

// start begins a term; kill ends it as a crash would: without a last snapshot.
func (r *rig) start(snapshotEvery time.Duration) {
	r.t.Helper()
	cfg := Default()
	cfg.SnapshotEvery = snapshotEvery
	r.taken, r.ticks, r.done = make(chan input), make(chan time.Time), make(chan error, 1)
	s := New(cfg, Deps{
		Bus: r.bus, Store: r.rec, Now: func() time.Time { return time.UnixMilli(r.nowMS) }, Log: slog.New(slog.NewTextHandler(r.t.Output(), nil)),
		Outside: []func() []model.Finding{r.alerts},
		Derived: func(_ context.Context, _ model.TenantID, ds []model.Derived) error {
			r.rec.derived += len(ds)
			return nil
		},
	})
	s.hooks = hooks{taken: func(in input) { r.taken <- in }, ticks: r.ticks, crash: true}
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	go func() { r.done <- s.Run(ctx) }()
}

// alertAt is the step at which somebody's rule fires, once: what is heard at a mark must not be lost by a kill after it.
const alertAt = 150

func (r *rig) alerts() []model.Finding {
	if r.nowMS != dayMS+alertAt*stepMS+2_000 {
		return nil
	}
	return []model.Finding{group.FromAlert(group.Alert{
		Name: "DiskBroken", Labels: []model.Label{{Name: "host_name", Value: "host-2"}, {Name: "severity", Value: "critical"}}, Text: "a disk is broken", StartMS: r.nowMS - 5_000, AtMS: r.nowMS,
	})}
}

func (r *rig) kill() {
	r.t.Helper()
	r.stop()
	for {
		select {
		case <-r.taken:
		case err := <-r.done:
			if err != nil {
				r.t.Fatal(err)
			}
			return
		case <-time.After(time.Minute):
			r.t.Fatal("does not end")
		}
	}
}

// step publishes a step, waits until the brain has taken it, and makes a mark.
func (r *rig) step(step int) {
	r.t.Helper()
	r.feed(step)
	r.mark(step)
}

func (r *rig) mark(step int) {
	r.t.Helper()
	r.nowMS = int64(dayMS+step*stepMS) + 2_000
	select {
	case r.ticks <- time.UnixMilli(r.nowMS):
	case <-time.After(time.Minute):
		r.t.Fatalf("step %d: no mark", step)
	}
}

// feed publishes a step and waits until the brain has taken it, so that everything before it is decided and queued.
func (r *rig) feed(step int) {
	r.t.Helper()
	publish(r.t, r.bus, step)
	r.await(step)
}

func (r *rig) await(step int) {
	r.t.Helper()
	want := int64(dayMS + step*stepMS)
	for {
		select {
		case in := <-r.taken:
			if in.lastMS < want {
				continue
			}
		case <-time.After(time.Minute):
			r.t.Fatalf("step %d is not taken", step)
		}
		return
	}
}

// run goes through the whole day, killed at each of the given steps: its samples have been taken and its mark is still to be made, so that every
// mark that the test asked for is in the journal.
func run(t *testing.T, kills ...int) *recorder {
	r := newRig(t)
	r.start(10 * time.Minute)
	for step := range steps {
		r.feed(step)
		if slices.Contains(kills, step) {
			r.kill()
			r.start(10 * time.Minute)
			r.await(step)
		}
		r.mark(step)
	}
	r.feed(steps)
	r.kill()
	return r.rec
}

// TestKilledBrainFindsTheSame compares a run that is never disturbed with one that is killed several times, among them right after the fault.
func TestKilledBrainFindsTheSame(t *testing.T) {
	whole := run(t)
	if len(whole.findings) == 0 || len(whole.incidents) == 0 {
		t.Fatalf("%d findings and %d incidents: nothing was found", len(whole.findings), len(whole.incidents))
	}
	killed := run(t, 3, 60, 61, 130, alertAt+1, faultAt+1, faultAt+3, 230)
	if !maps.Equal(whole.findings, killed.findings) {
		for id, f := range whole.findings {
			if killed.findings[id] != f {
				t.Errorf("only undisturbed or different: %s\n%s", f, killed.findings[id])
			}
		}
		for id, f := range killed.findings {
			if whole.findings[id] == "" {
				t.Errorf("only when killed: %s", f)
			}
		}
	}
	// Marks of the last ten minutes may still wait, and no earlier one may be missing.
	for seq := uint64(1); seq < steps-40; seq++ {
		if killed.marks[seq] == (store.MarkRow{}) || killed.marks[seq] != whole.marks[seq] {
			t.Errorf("mark %d is stored as %+v and %+v", seq, whole.marks[seq], killed.marks[seq])
		}
	}
	ids := func(r *recorder) []string { return slices.Sorted(maps.Keys(r.incidents)) }
	if !slices.Equal(ids(whole), ids(killed)) {
		t.Errorf("incidents %v and %v", ids(whole), ids(killed))
	}
}

// faulty returns the open incidents but that of the alert, which is about another host.
func faulty(v *board.View) []incidents.Incident {
	heads, _ := v.Heads(model.DefaultTenant)
	return slices.DeleteFunc(heads, func(h incidents.Incident) bool { return len(h.Entities) == 1 && h.Entities[0].Name == "host-2" })
}

// TestFaultBecomesAnIncident looks at what a reader of the board sees: one open incident with the faulty host or its service as the cause.
func TestFaultBecomesAnIncident(t *testing.T) {
	r := newRig(t)
	view := board.NewView(r.bus, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = view.Run(ctx) }()
	defer func() { cancel(); <-done }()
	r.start(time.Hour)
	opened := 0
	for step := range steps {
		r.step(step)
		if opened == 0 && len(faulty(view)) > 0 {
			opened = step
		}
	}
	deadline := time.Now().Add(time.Minute)
	for {
		heads := faulty(view)
		if len(heads) == 1 && len(heads[0].Verdict.Candidates) > 0 {
			top := heads[0].Verdict.Candidates[0]
			if name := top.Entity.Name; name != "host-1" && name != "svc-1" {
				t.Errorf("cause %s: %s", name, top.Why)
			}
			t.Logf("%s: %s", heads[0].Title, heads[0].Verdict.Sentence)
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d open incidents: %+v", len(heads), heads)
		}
		time.Sleep(10 * time.Millisecond) //nolint:forbidigo // There is no event for "the bucket was read"; the deadline bounds it.
	}
	r.kill()
	if late := float64(opened-faultAt) * stepMS / 1000; opened < faultAt || late > 60 {
		t.Errorf("opened %g s after the fault", late)
	}
}

// TestTokensOfABrainThatBeginsAnew has the snapshot and the journal lost: marks count from one again, and what they bring must not pass for what
// the tables have seen.
func TestTokensOfABrainThatBeginsAnew(t *testing.T) {
	k := eventtime.Mark{Seq: 1, AtMS: dayMS}
	later := eventtime.Mark{Seq: 1, AtMS: dayMS + 3_600_000}
	if token("brain", 1, k) == token("brain", 1, later) {
		t.Errorf("%s and %s", token("brain", 1, k), token("brain", 1, later))
	}
	r := newRig(t)
	r.start(time.Hour)
	r.step(0)
	r.feed(1)
	r.kill()
	kv, err := r.bus.KV(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	if err := kv.Delete(t.Context(), journalKey); err != nil {
		t.Fatal(err)
	}
	before := len(r.rec.tokens)
	r.start(time.Hour)
	r.await(1)
	r.mark(1)
	r.feed(2)
	r.kill()
	if len(r.rec.tokens) <= before {
		t.Errorf("%d tokens before and %d after: what came later passes for what was", before, len(r.rec.tokens))
	}
}
