package group_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/model"
)

func TestOneWeakFindingIsNoIncident(t *testing.T) {
	for _, f := range []model.Finding{
		finding(host("n1"), "cpu_usage", model.RoleUtilization, start),
		finding(service("store"), "queue_length", model.RoleQueue, start),
		finding(service("cart"), "memory_bytes", model.RoleUsage, start),
		finding(service("web"), "requests", model.RoleTraffic, start),
		errorShare(service("cart"), start, .02), // Nobody who calls it shows anything.
	} {
		w := newWorld(t, shop).grow()
		f.OnsetMS, f.SeenMS = w.now, w.now
		w.say(f)
		w.pass(20 * minute)
		w.none(f.Signal.Name)
	}
}

func TestLoadAloneIsNoIncident(t *testing.T) {
	w := newWorld(t, shop).grow()
	w.say(finding(service("web"), "requests", model.RoleTraffic, w.now), finding(instance("web-1"), "cpu_usage", model.RoleUtilization, w.now))
	w.pass(5 * minute)
	w.none("two")
}

func TestEffectOnUsersOpensAtOnce(t *testing.T) {
	w := newWorld(t, shop)
	w.pass(minute)
	w.say(errorShare(service("web"), w.now, .12))
	i := w.only()
	if i.Severity != model.SeverityCritical || i.PagedMS == 0 || i.Title != "web: errors 12 % (normal 0.1 %)" {
		t.Errorf("%s %d %q", i.Severity, i.PagedMS, i.Title)
	}
	if i.StartMS != w.now-30*second || i.DetectedMS != w.now+25*second || len(i.ID) < 12 {
		t.Errorf("start %d detected %d id %s", i.StartMS-w.now, i.DetectedMS-w.now, i.ID)
	}
	if len(i.Members) != 1 || i.Members[0].Reason != "first" || !i.Members[0].Open {
		t.Errorf("%+v", i.Members)
	}
}

func TestLifeOfAnIncident(t *testing.T) {
	w := newWorld(t, shop).grow()
	cpu := finding(host("n2"), "cpu_usage", model.RoleUtilization, w.now)
	w.say(cpu)
	w.none("cpu alone")
	w.now += 30 * second
	slow := finding(service("store"), "request_duration_seconds", model.RoleLatency, w.now)
	slow.Signal.Unit, slow.Value, slow.Expected = "s", .9, .1
	w.say(slow)
	i := w.only()
	if i.Severity != model.SeverityMedium || i.PagedMS != 0 {
		t.Errorf("%s, paged %d", i.Severity, i.PagedMS)
	}
	id := i.ID
	w.now += 45 * second
	front := errorShare(service("web"), w.now, .03)
	w.say(front)
	i = w.only()
	if i.ID != id || i.Severity != model.SeverityHigh || i.PagedMS == 0 || len(i.Members) != 3 {
		t.Fatalf("%s %s %d %+v", i.ID, i.Severity, i.PagedMS, i.Members)
	}
	var reasons []string
	for _, m := range i.Members {
		reasons = append(reasons, m.Reason)
	}
	want := []string{"first", "connected with n2 through store-1, onset 30 s later", "connected with store through cart, onset 45 s later"}
	if !slices.Equal(reasons, want) {
		t.Errorf("%q", reasons)
	}
	w.pass(2 * minute)
	w.say(w.end(cpu), w.end(slow), w.end(front))
	if i = w.only(); i.State != model.IncidentOpen {
		t.Errorf("%s at once", i.State)
	}
	w.pass(90 * second)
	if i = w.only(); i.State != model.IncidentQuiet || i.QuietMS == 0 {
		t.Errorf("%s, want quiet", i.State)
	}
	w.pass(6 * minute)
	w.none("after the end")
	if i = w.last[id]; i.State != model.IncidentResolved || i.EndMS == 0 || i.Members[0].Open {
		t.Errorf("%+v", i)
	}
	// What comes back soon is the same incident; it then waits longer.
	w.pass(5 * minute)
	again := errorShare(service("web"), w.now, .04)
	w.say(again)
	if i = w.only(); i.ID != id || i.EndMS != 0 || i.Members[2].Times != 2 || !slices.Equal(i.Members[2].Folded, []uint64{again.ID}) {
		t.Fatalf("%+v", i)
	}
	w.pass(minute)
	w.say(w.end(again))
	w.pass(10 * minute)
	if i = w.only(); i.State != model.IncidentQuiet {
		t.Errorf("%s: flapping taught it nothing", i.State)
	}
	w.pass(30 * minute)
	w.none("after waiting longer")
	for _, want := range []string{"opened: ", "joins: ", "severity medium → high", "pages: ", "quiet: ", "ended: ", "reopened after 12 min"} {
		if !slices.ContainsFunc(w.last[id].History, func(r model.Revision) bool { return strings.Contains(r.Text, want) }) {
			t.Errorf("no %q in %v", want, w.last[id].History)
		}
	}
}

func TestTwoFaultsFarApartAreTwoIncidents(t *testing.T) {
	g := append(slices.Clone(shop), calls("admin", "audit"))
	w := newWorld(t, g).grow()
	w.say(errorShare(service("web"), w.now, .2), errorShare(service("admin"), w.now, .2))
	if l := w.live(); len(l) != 2 {
		t.Fatalf("%d incidents", len(l))
	}
	// Alike in text and time is no reason.
	w.pass(5 * minute)
	if l := w.live(); len(l) != 2 {
		t.Fatalf("%d incidents", len(l))
	}
}

func TestTheLaterTheLessRelated(t *testing.T) {
	w := newWorld(t, shop).grow()
	first := errorShare(service("web"), w.now, .2)
	w.say(first)
	w.pass(minute)
	w.say(w.end(first))
	w.pass(40 * minute)
	w.say(finding(service("pay"), "request_duration_seconds", model.RoleLatency, w.now))
	w.none("alone, long after")
}

func TestMergeKeepsTheOlder(t *testing.T) {
	g := edges{calls("web", "cart"), calls("shop", "store")}
	w := newWorld(t, g).grow()
	w.say(errorShare(service("web"), w.now, .2))
	a := w.only().ID
	w.pass(30 * second)
	w.say(errorShare(service("shop"), w.now, .2))
	if len(w.live()) != 2 {
		t.Fatal("not two")
	}
	var b string
	for _, i := range w.live() {
		if i.ID != a {
			b = i.ID
		}
	}
	// The topology turns out to connect them.
	w.graph = append(g, calls("web", "shop"))
	w.pass(30 * second)
	i := w.only()
	if i.ID != a || len(i.Members) != 2 {
		t.Errorf("%+v", i)
	}
	if o := w.last[b]; o.State != model.IncidentMerged || o.MergedInto != a || o.EndMS == 0 || len(o.Members) != 0 {
		t.Errorf("%+v", o)
	}
}

func TestWhatFluttersJoinsNothing(t *testing.T) {
	w := newWorld(t, shop).grow()
	for range 1000 { // Every twelve minutes, for eight days.
		f := finding(service("pay"), "requests_failed", model.RoleErrors, w.now)
		w.say(f)
		w.pass(minute)
		w.say(w.end(f))
		w.pass(minute)
		w.now += 10 * minute
		w.say()
	}
	w.none("a habit")
	w.say(errorShare(service("web"), w.now, .2))
	w.pass(2 * minute)
	w.say(finding(service("pay"), "requests_failed", model.RoleErrors, w.now))
	if i := w.only(); len(i.Members) != 1 {
		t.Errorf("%+v", i.Members)
	}
	w.say(finding(service("cart"), "requests_failed", model.RoleErrors, w.now))
	if i := w.only(); len(i.Members) != 2 {
		t.Errorf("what is rare did not join: %+v", i.Members)
	}
}

func TestKnownToOccurTogether(t *testing.T) {
	g := edges{calls("web", "cart"), calls("batch", "lake")} // Nothing connects lake and web.
	w := newWorld(t, g).grow()
	for range 4 {
		a, b := finding(service("lake"), "queue_length", model.RoleQueue, w.now), finding(service("cart"), "queue_length", model.RoleQueue, w.now+20*second)
		w.say(a)
		w.now += 20 * second
		w.say(b)
		w.pass(2 * minute)
		w.say(w.end(a), w.end(b))
		w.now += 20 * hour
		w.say()
		w.pass(3 * hour)
	}
	w.none("two apart")
	w.say(finding(service("lake"), "queue_length", model.RoleQueue, w.now), errorShare(service("web"), w.now, .2))
	w.pass(30 * second)
	w.say(finding(service("cart"), "queue_length", model.RoleQueue, w.now))
	i := w.only()
	if len(i.Members) != 3 {
		t.Fatalf("%+v", i.Members)
	}
	if r := i.Members[2].Reason; !strings.HasPrefix(r, "found together with queue_length of ") {
		t.Errorf("%q", r)
	}
}

func TestAllInstancesGone(t *testing.T) {
	g := edges{partOf("a", "worker"), partOf("b", "worker"), partOf("c", "worker"), calls("front", "worker")}
	w := newWorld(t, g).grow()
	gone := func(n string) model.Finding {
		f := finding(instance(n), "telemetry", model.RoleState, w.now)
		f.Kind, f.Direction = model.FindingSilence, -1
		return f
	}
	w.say(gone("a"))
	if l := w.live(); len(l) == 1 && l[0].PagedMS != 0 {
		t.Errorf("one of three pages: %s", l[0].Title)
	}
	w.pass(15 * second)
	w.say(gone("b"))
	if i := w.only(); i.Severity != model.SeverityHigh || i.PagedMS == 0 {
		t.Errorf("%s %s", i.Severity, i.Title)
	}
}

func TestFullDiskPagesAndBusyProcessorDoesNot(t *testing.T) {
	limit := func(w *world, name string, v float64) model.Finding {
		f := finding(host("n2"), name, model.RoleUtilization, w.now)
		f.Kind, f.Signal.Unit, f.Value, f.Expected = model.FindingLimit, "1", v, .5
		return f
	}
	for _, c := range []struct {
		name  string
		value float64
		want  model.Severity
	}{{"filesystem_utilization", .995, model.SeverityHigh}, {"filesystem_utilization", .96, model.SeverityMedium}, {"cpu_utilization", 1, ""}} {
		w := newWorld(t, shop).grow()
		w.say(limit(w, c.name, c.value))
		l := w.live()
		got := model.Severity("")
		if len(l) == 1 {
			got = l[0].Severity
		}
		if got != c.want {
			t.Errorf("%s %v: %q, want %q", c.name, c.value, got, c.want)
		}
	}
}

func TestStormIsBounded(t *testing.T) {
	w := newWorld(t, nil).grow()
	var fs []model.Finding
	for n := range 30_000 {
		fs = append(fs, errorShare(service(fmt.Sprintf("s%d", n%600)), w.now, .3))
		fs[n].Signal.Labels = []model.Label{{Name: "n", Value: fmt.Sprint(n)}}
		fs[n].ID += uint64(n)
	}
	w.say(fs...)
	s := w.g.Stats()
	if s.Open > 256 || s.Findings > 20_000 || s.Dropped == 0 {
		t.Errorf("%+v", s)
	}
	if n := len(w.g.Snapshot()); n > 64<<20 {
		t.Errorf("snapshot of %d bytes", n)
	}
	for _, i := range w.live() {
		if len(i.Members) > 256 || len(i.History) > 100 {
			t.Errorf("%d members, %d steps", len(i.Members), len(i.History))
		}
	}
}

func TestForecastsOpenWhenNear(t *testing.T) {
	for score, want := range map[float64]int{4: 0, 6: 1, model.MaxScore: 1} {
		w := newWorld(t, shop).grow()
		f := finding(host("n2"), "filesystem_utilization", model.RoleUtilization, w.now)
		f.Kind, f.Score, f.Confidence, f.PValue, f.Text = model.FindingForecast, score, .8, .2, "/data of n2 is full tomorrow at 08:00"
		w.say(f)
		w.pass(minute)
		l := w.live()
		if len(l) != want {
			t.Fatalf("score %v: %d incidents", score, len(l))
		}
		if want == 1 && (l[0].Severity != model.SeverityMedium || l[0].PagedMS != 0 || l[0].Title != "n2: "+f.Text) {
			t.Errorf("%s %d %q", l[0].Severity, l[0].PagedMS, l[0].Title)
		}
	}
}

func TestAMomentIsNoIncident(t *testing.T) {
	w := newWorld(t, shop).grow()
	f := errorShare(service("web"), w.now+25*second, .5) // Began five seconds ago.
	w.say(f)
	w.none("at once")
	w.now += 10 * second
	w.say(w.end(f))
	w.pass(minute)
	w.none("over in a quarter of a minute")
}

func TestTitles(t *testing.T) {
	for want, change := range map[string]func(f *model.Finding){
		"web: errors less steady than usual": func(f *model.Finding) { f.Value, f.Low, f.High = .001, 0, .003 },
		"web: errors 6/s (normal 0.1/s)":     func(f *model.Finding) { f.Signal.Name, f.Signal.Unit, f.Value, f.Expected = "failed", "1/s", 6, .1 },
		"web: latency 940 ms (normal 230 ms)": func(f *model.Finding) {
			f.Signal.Name, f.Signal.Role, f.Signal.Unit, f.Value, f.Expected = "request_duration_seconds", model.RoleLatency, "s", .94, .23
		},
		"web: errors 4/s (normal 1/s)": func(f *model.Finding) { // Requests, but failed ones.
			f.Signal.Name, f.Signal.Role, f.Signal.Unit, f.Value, f.Expected = "requests_total", model.RoleTraffic, "1/s", 4, 1
			f.Signal.Labels = []model.Label{{Name: "code", Value: "503"}}
		},
	} {
		w := newWorld(t, shop).grow()
		f, other := errorShare(service("web"), w.now, .2), finding(instance("web-1"), "memory_bytes", model.RoleUsage, w.now)
		f.PValue, f.Confidence = 1e-9, 1
		change(&f)
		w.say(f, other)
		if got := w.only().Title; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSilenceOfManyIsTheTelemetry(t *testing.T) {
	silent := func(w *world, e model.Entity) model.Finding {
		f := finding(e, "telemetry", model.RoleState, w.now)
		f.Kind, f.Direction = model.FindingSilence, -1
		return f
	}
	w := newWorld(t, shop).grow()
	w.say(silent(w, service("web")), silent(w, service("cart")), silent(w, service("store")), silent(w, host("n1")), silent(w, host("n2")))
	if i := w.only(); i.Severity != model.SeverityMedium || i.PagedMS != 0 {
		t.Errorf("%s %s", i.Severity, i.Title)
	}
	w.pass(11 * minute)
	if i := w.only(); i.Severity != model.SeverityHigh || i.PagedMS == 0 {
		t.Errorf("for long: %s %s", i.Severity, i.Title)
	}
	// One host with all on it is that host.
	w = newWorld(t, shop).grow()
	w.say(silent(w, service("web")), silent(w, service("cart")), silent(w, host("n1")))
	if i := w.only(); i.Severity != model.SeverityHigh || i.PagedMS == 0 {
		t.Errorf("one host: %s %s", i.Severity, i.Title)
	}
}
