package group_test

import (
	"slices"
	"testing"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/correlator/group"
	"github.com/faultline-io/faultline/services/model"
)

// edges is a topology for tests.
type edges []model.Edge

func (g edges) Out(e model.Entity) []model.Edge {
	return slices.DeleteFunc(slices.Clone(g), func(x model.Edge) bool { return x.From != e })
}

func (g edges) In(e model.Entity) []model.Edge {
	return slices.DeleteFunc(slices.Clone(g), func(x model.Edge) bool { return x.To != e })
}

func service(n string) model.Entity  { return model.Entity{Kind: model.KindService, Name: n} }
func instance(n string) model.Entity { return model.Entity{Kind: model.KindInstance, Name: n} }
func host(n string) model.Entity     { return model.Entity{Kind: model.KindHost, Name: n} }

func calls(a, b string) model.Edge {
	return model.Edge{Kind: model.EdgeCalls, From: service(a), To: service(b)}
}
func runsOn(i, h string) model.Edge {
	return model.Edge{Kind: model.EdgeRunsOn, From: instance(i), To: host(h)}
}
func partOf(i, s string) model.Edge {
	return model.Edge{Kind: model.EdgePartOf, From: service(s), To: instance(i)}
}

// shop is a small system: users → web → {cart, pay} → store; the instances of web and cart share a host, the store has its own.
var shop = edges{
	calls("web", "cart"), calls("web", "pay"), calls("cart", "store"), calls("pay", "store"),
	partOf("web-1", "web"), partOf("cart-1", "cart"), partOf("store-1", "store"),
	runsOn("web-1", "n1"), runsOn("cart-1", "n1"), runsOn("store-1", "n2"),
}

// start is a Wednesday, 10:00 UTC.
const start = int64(1_700_042_400_000)

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
)

// finding returns a finding that is told of at a time, as a detector with some history would say it: it began half a minute before.
func finding(e model.Entity, name string, role model.Role, told int64) model.Finding {
	onset := told - 30*second
	f := model.Finding{
		Entity: e, Signal: model.SignalRef{Name: name, Role: role}, Kind: model.FindingShift, Direction: 1, OnsetMS: onset, SeenMS: told,
		Value: 4, Expected: 1, PValue: 1e-6, Score: 12, Confidence: .95,
	}
	f.ID = model.FindingID(model.Hash64(e.String()), name, onset)
	return f
}

// errorShare returns a finding of a share of requests that fail.
func errorShare(e model.Entity, told int64, share float64) model.Finding {
	f := finding(e, "request_error_ratio", model.RoleErrors, told)
	f.Signal.Unit, f.Value, f.Expected = "1", share, 0.001
	return f
}

// world drives a grouper mark by mark.
type world struct {
	t     *testing.T
	g     *group.Grouper
	graph group.Graph
	now   int64
	seq   uint64
	// last has the newest revision of each incident.
	last map[string]*model.Incident
	// commands counts them, for their ids.
	commands int
}

func newWorld(t *testing.T, g edges) *world {
	return &world{t: t, g: group.New(group.Default(model.DefaultTenant)), graph: g, now: start, last: map[string]*model.Incident{}}
}

// say gives findings and closes the time up to now.
func (w *world) say(fs ...model.Finding) []*model.Incident {
	w.g.Findings(fs)
	w.seq++
	out := w.g.Mark(eventtime.Mark{Seq: w.seq, AtMS: w.now + 25*second, WatermarkMS: w.now}, w.graph)
	for _, i := range out {
		w.last[i.ID] = i
	}
	return out
}

// pass lets time go by, with marks of a quarter of a minute.
func (w *world) pass(ms int64) {
	for until := w.now + ms; w.now < until; {
		w.now = min(w.now+15*second, until)
		w.say()
	}
}

// grow makes the memory of a system that has run quietly for some days: without it everything is new.
func (w *world) grow() *world {
	w.say()
	for range 28 {
		w.now += 12 * hour
		w.say()
	}
	return w
}

// end returns the finding as over now.
func (w *world) end(f model.Finding) model.Finding {
	f.EndMS = w.now
	return f
}

// live returns the incidents that have not ended.
func (w *world) live() []*model.Incident {
	return slices.DeleteFunc(w.g.Incidents(), func(i *model.Incident) bool {
		return i.State != model.IncidentOpen && i.State != model.IncidentQuiet
	})
}

// only returns the one incident that has not ended.
func (w *world) only() *model.Incident {
	w.t.Helper()
	l := w.live()
	if len(l) != 1 {
		for _, i := range l {
			w.t.Logf("%s %s %s: %s", i.ID, i.State, i.Severity, i.Title)
		}
		w.t.Fatalf("%d incidents, want 1", len(l))
	}
	return l[0]
}

// none fails when there is an incident that has not ended.
func (w *world) none(what string) {
	w.t.Helper()
	for _, i := range w.live() {
		w.t.Fatalf("%s: incident %s: %s (%v)", what, i.Severity, i.Title, i.History)
	}
}

// do gives a command.
func (w *world) do(c model.Command) {
	w.t.Helper()
	if err := w.try(c); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) try(c model.Command) error {
	w.commands++
	if c.ID == "" {
		c.ID = "c" + string(rune('a'+w.commands))
	}
	c.AtMS, c.Who = w.now, "ann"
	return w.g.Command(c)
}

// judge gives feedback and returns its id.
func (w *world) judge(incident string, kind model.FeedbackKind, target string) string {
	w.t.Helper()
	id := "f" + string(rune('a'+w.commands))
	w.do(model.Command{ID: id, Action: "feedback", Incident: incident, Feedback: model.Feedback{Kind: kind, Target: target}})
	return id
}

func (w *world) revoke(id string) {
	w.t.Helper()
	w.do(model.Command{Action: "revoke", Feedback: model.Feedback{ID: id}})
}
