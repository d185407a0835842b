package rootcause_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/correlator/rootcause"
	"github.com/faultline-io/faultline/services/model"
)

// cpuFault is pay out of CPU, and all who wait for it.
func cpuFault() *world {
	w := newWorld()
	shop(w)
	w.service("front", 3, 1, 1)
	w.service("checkout", 4, 1, 1)
	w.service("pay", 4, 4.9, 1)
	w.service("cart", 1, 1, 1)
	w.service("search", 1, 1, 1)
	return w
}

func TestSaturationBehindVictims(t *testing.T) {
	v := rank(cpuFault())
	c := expect(t, v, service("pay"), model.CauseSaturation)
	if c.Signal == nil || c.Signal.Name != "cpu_utilization" {
		t.Errorf("signal %+v", c.Signal)
	}
	if !strings.Contains(v.Sentence, "front") || !strings.Contains(v.Sentence, "pay") || !strings.Contains(v.Sentence, "2 services wait for it") {
		t.Error(v.Sentence)
	}
	if got := against(v, service("checkout")); len(got) > 0 && !strings.Contains(strings.Join(got, ";"), "explained by pay") {
		t.Errorf("against checkout: %q", got)
	}
	if len(v.FirstFailure) != 1 || len(v.Impact) != 3 || v.Impact[0].Entity != service("front") {
		t.Errorf("first %v, impact %v", v.FirstFailure, v.Impact)
	}
	e := c.For[0]
	if e.Language != "promql" || e.Query != "cpu_utilization" || len(e.TimesMS) == 0 || len(e.TimesMS) != len(e.Values) || e.TimesMS[len(e.TimesMS)-1] > now {
		t.Errorf("%+v", e)
	}
}

func TestQuietIsUnknown(t *testing.T) {
	wrong := 0
	for seed := range uint64(40) {
		w := newWorld()
		w.r.Int64N(int64(seed) + 1)
		for range seed {
			w.r.NormFloat64()
		}
		shop(w)
		for _, s := range []string{"front", "cart", "checkout", "pay", "search"} {
			w.service(s, 1, 1, 1)
		}
		v := rank(w)
		if !v.Unknown {
			wrong++
			continue
		}
		if len(v.Checked) < 3 || len(v.Candidates) != 0 || v.Sentence == "" {
			t.Fatalf("%+v", v)
		}
	}
	// MinEvidence is one in ten by its own calculation; a named cause in quiet data must not come more often than that.
	if wrong > 4 {
		t.Errorf("%d of 40 quiet windows have a cause", wrong)
	}
}

// gap is the time between a caller and a called one.
func (w *world) gap(from, to string, level, then float64) {
	w.series(service(to), "edge_gap_seconds", "s", model.RoleGap, level, .1, then, model.Label{Name: "client", Value: from}, model.Label{Name: "server", Value: to})
}

func TestNetworkOfOneService(t *testing.T) {
	w := newWorld()
	shop(w)
	for _, s := range []string{"search", "pay", "cart"} {
		w.service(s, 1, 1, 1)
	}
	w.service("front", 3, 1, 1)
	w.service("checkout", 3, 1, 1)
	w.gap("front", "cart", .002, .2)
	w.gap("checkout", "cart", .002, .21)
	w.gap("front", "checkout", .002, .002)
	w.gap("front", "search", .002, .002)
	w.gap("checkout", "pay", .002, .002)
	expect(t, rank(w), service("cart"), model.CauseNetwork)
}

func TestReportersMakeAGap(t *testing.T) {
	w := newWorld()
	shop(w)
	for _, s := range []string{"search", "pay", "cart", "front", "checkout"} {
		w.service(s, 1, 1, 1)
	}
	for side, then := range map[string]float64{"source": .4, "destination": .01} {
		w.series(service("search"), "request_duration", "s", model.RoleLatency, .01, .02, then, model.Label{Name: "destination_workload", Value: "search"},
			model.Label{Name: "reporter", Value: side}, model.Label{Name: "source_workload", Value: "front"})
	}
	expect(t, rank(w), service("search"), model.CauseNetwork)
}

func TestLoadSurge(t *testing.T) {
	w := newWorld()
	shop(w)
	for _, s := range []string{"front", "checkout", "pay", "cart", "search"} {
		w.service(s, 1.3, 3, 3)
	}
	c := expect(t, rank(w), service("front"), model.CauseTraffic)
	if !strings.Contains(c.Why, "3× its usual load") && !strings.Contains(c.Why, "× its usual load") {
		t.Error(c.Why)
	}
}

func TestSilentService(t *testing.T) {
	w := newWorld()
	shop(w)
	for _, s := range []string{"front", "checkout", "cart", "search"} {
		w.service(s, 1, 1, 1)
	}
	w.series(service("front"), "http_success", "%", model.RoleSuccess, 100, 0, 70)
	w.series(service("checkout"), "http_success", "%", model.RoleSuccess, 100, 0, 30)
	for _, name := range []string{"cpu_utilization", "http_server_duration", "memory"} {
		w.between(service("pay"), name, "", model.RoleUsage, begin, onset, func(int64) float64 { return 5 }, .05)
	}
	c := expect(t, rank(w), service("pay"), model.CauseCrash)
	if !strings.Contains(c.Why, "sends no data") {
		t.Error(c.Why)
	}
}

func TestSharedHost(t *testing.T) {
	w := newWorld()
	for i := range 8 {
		name := fmt.Sprintf("s%d", i)
		bad := 1.
		if i < 4 {
			bad = 5
			w.runsOn(name, "h1")
		} else {
			w.runsOn(name, "h2")
		}
		w.service(name, bad, 1, 1)
	}
	w.series(host("h1"), "system_disk_utilization", "%", model.RoleUtilization, 30, .05, 99)
	w.series(host("h2"), "system_disk_utilization", "%", model.RoleUtilization, 30, .05, 30)
	expect(t, rank(w), host("h1"), model.CauseHost)
}

func TestBlindDependency(t *testing.T) {
	w := newWorld()
	db := model.Entity{Kind: model.KindDatabase, Name: "orders"}
	for i := range 8 {
		name := fmt.Sprintf("s%d", i)
		bad := 1.
		if i < 4 {
			bad = 1.6
			w.in.Edges = append(w.in.Edges, model.Edge{Kind: model.EdgeCalls, From: service(name), To: db})
		}
		w.service(name, bad, 1, 1)
	}
	v := rank(w)
	found := false
	for _, c := range v.Candidates {
		found = found || c.Entity == db && c.Kind == model.CauseDependency
	}
	if !found {
		t.Errorf("the database that all of them call is not offered: %+v", v.Candidates)
	}
}

// rollout gives pay two old instances and a new one that began with a change, and checkout a release that does no harm.
func rollout(bad bool) *world {
	w := newWorld()
	shop(w)
	w.service("front", 1, 1, 1)
	w.service("search", 1, 1, 1)
	changed := onset - 5*step
	for _, s := range []string{"pay", "checkout"} {
		for i := range 3 {
			p := instance(fmt.Sprintf("%s-%d", s, i))
			w.in.Edges = append(w.in.Edges, model.Edge{Kind: model.EdgePartOf, From: service(s), To: p})
			from, then := begin, 100.
			if i == 2 {
				from = changed + step
				if bad && s == "pay" {
					then = 60
				}
			}
			w.between(p, "http_success", "%", model.RoleSuccess, from, now, func(t int64) float64 {
				if i == 2 {
					return then
				}
				return 100
			}, 0)
			w.between(p, "cpu_utilization", "%", model.RoleUtilization, from, now, func(int64) float64 { return 20 }, .05)
		}
		w.in.Changes = append(w.in.Changes, model.Change{ID: "release-" + s, Kind: "deploy", Service: s, Version: "2.1", TimeNS: changed * 1e6})
	}
	then := 100.
	if bad {
		then = 85
	}
	w.series(service("front"), "http_success", "%", model.RoleSuccess, 100, 0, then)
	return w
}

func TestNewInstancesDecide(t *testing.T) {
	v := rank(rollout(true))
	c := expect(t, v, service("pay"), model.CauseDeploy)
	if c.ChangeID != "release-pay" || !strings.Contains(c.For[1].Text, "new instances") || c.For[0].Language != "changes" {
		t.Errorf("%+v", c)
	}
	for _, c := range v.Candidates[1:] {
		if c.ChangeID == "release-checkout" {
			t.Errorf("an innocent change is offered: %+v", c)
		}
	}
}

func TestInnocentChangeIsNoCause(t *testing.T) {
	if v := rank(rollout(false)); !v.Unknown {
		t.Errorf("%+v", v.Candidates)
	}
	w := cpuFault()
	w.in.Changes = []model.Change{{ID: "c", Kind: "deploy", Service: "search", TimeNS: (onset - step) * 1e6}}
	expect(t, rank(w), service("pay"), model.CauseSaturation)
}

func TestChangeWithoutInstances(t *testing.T) {
	w := cpuFault()
	w.in.Changes = []model.Change{{ID: "c1", Kind: "config", Service: "pay", TimeNS: (onset - step) * 1e6}, {ID: "old", Kind: "deploy", Service: "pay", TimeNS: (onset - 90*step) * 1e6}}
	if c := expect(t, rank(w), service("pay"), model.CauseDeploy); c.ChangeID != "c1" {
		t.Errorf("%+v", c)
	}
}

func TestLimitNeedsNoHistory(t *testing.T) {
	w := newWorld()
	shop(w)
	for _, s := range []string{"front", "checkout", "cart", "search"} {
		w.service(s, 1, 1, 1)
	}
	// Every half hour it is busy, so that its past knows all of it; now it stays at its limit.
	w.between(service("pay"), "cpu_utilization", "%", model.RoleUtilization, begin, now, func(t int64) float64 {
		if t >= onset || (t-begin)/step%30 < 6 {
			return 99
		}
		return 20
	}, 0)
	w.series(service("pay"), "http_server_duration", "s", model.RoleLatency, .2, .05, .5)
	expect(t, rank(w), service("pay"), model.CauseSaturation)
}

// lines adds the counts of a template, in ten-second windows.
func (w *world) lines(name, template string, per, then float64) {
	x := model.Window{Entity: service(name), Signal: model.SignalRef{SeriesID: uint64(len(w.in.Windows) + 1), Name: "log_template_lines_per_second", Unit: "1/s",
		Labels: []model.Label{{Name: "service", Value: name}, {Name: "template", Value: template}}}}
	for t := onset - 30*step; t < onset+3*step; t += 10_000 {
		v := per
		if t >= onset {
			v = then
		}
		// The load varies, the same for all lines.
		x.TimesMS, x.Values = append(x.TimesMS, t), append(x.Values, v*float64(1+t/10_000%3))
	}
	w.in.Windows = append(w.in.Windows, x)
}

func TestEventsThatCameApart(t *testing.T) {
	w := newWorld()
	shop(w)
	for _, s := range []string{"front", "checkout", "pay", "cart", "search"} {
		w.service(s, 1, 1, 1)
	}
	w.lines("pay", "charge", .5, .5)
	w.lines("pay", "charged", .5, 0)
	w.lines("cart", "add", .5, .5)
	w.lines("cart", "added", .5, .5)
	w.lines("checkout", "order", .5, .5)
	w.lines("checkout", "ordered", .5, 0) // The caller stops half way as well.
	c := expect(t, rank(w), service("pay"), model.CauseCode)
	if !strings.Contains(c.Why, "charged used to come with every template charge") {
		t.Error(c.Why)
	}
	if c.For[0].Query != `log_template_lines_per_second{service="pay", template="charged"}` {
		t.Error(c.For[0].Query)
	}
}

func TestEarlierIncidentsAreNoNormal(t *testing.T) {
	w := cpuFault()
	for i := range w.in.Windows {
		x := &w.in.Windows[i]
		if x.Entity == service("pay") && x.Signal.Name != "http_requests" {
			for k, at := range x.TimesMS {
				if at >= onset-70*step && at < onset-10*step {
					x.Values[k] *= 4
				}
			}
		}
	}
	w.in.Incidents = []rootcause.Interval{{FromMS: onset - 70*step, ToMS: onset - 10*step}}
	expect(t, rank(w), service("pay"), model.CauseSaturation)
}

func TestFindingsWithoutWindows(t *testing.T) {
	w := newWorld()
	shop(w)
	for _, s := range []string{"front", "checkout", "pay", "cart", "search"} {
		w.service(s, 1, 1, 1)
	}
	w.in.Findings = []model.Finding{
		{ID: 1, Entity: service("cart"), Kind: model.FindingLimit, OnsetMS: onset, Value: 100, Expected: 80, PValue: .001, Text: "the filesystem of cart is full",
			Signal: model.SignalRef{Name: "filesystem_utilization", Role: model.RoleUtilization, Unit: "%"}},
		{ID: 2, Entity: service("front"), Kind: model.FindingAlert, OnsetMS: onset + step, PValue: .05, Signal: model.SignalRef{Name: "FrontDown", Role: model.RoleAlert}},
	}
	w.in.OnsetMS = 0 // Then it is the first of the findings.
	c := expect(t, rank(w), service("cart"), model.CauseExhaustion)
	if c.For[0].FindingID != 1 {
		t.Errorf("%+v", c.For)
	}
}

func TestOrderAndUnitsDoNotMatter(t *testing.T) {
	for name, w := range map[string]*world{"cpu": cpuFault(), "rollout": rollout(true)} {
		want := rank(w)
		for seed := range uint64(5) {
			if d := cmp.Diff(want, rootcause.Rank(shuffle(w.in, seed), rootcause.Default())); d != "" {
				t.Fatalf("%s, order %d: %s", name, seed, d)
			}
		}
		got := rootcause.Rank(scaled(w.in), rootcause.Default())
		if got.Candidates[0].Entity != want.Candidates[0].Entity || math.Abs(got.Candidates[0].Score-want.Candidates[0].Score) > 1e-6 {
			t.Errorf("%s in other units: %+v", name, got.Candidates[0])
		}
	}
}

func TestUnsoundInput(t *testing.T) {
	w := cpuFault()
	w.in.Windows = append(w.in.Windows,
		model.Window{Entity: service("pay"), Signal: model.SignalRef{Name: "short"}, TimesMS: []int64{1, 2, 3}, Values: []float64{1}},
		model.Window{Entity: service("pay"), Signal: model.SignalRef{Name: "empty"}},
		model.Window{Signal: model.SignalRef{Name: "nobody"}, TimesMS: []int64{1}, Values: []float64{1}})
	w.series(service("cart"), "odd", "", model.RoleOther, nan(), 0, math.Inf(1))
	w.in.Edges = append(w.in.Edges, model.Edge{Kind: model.EdgeCalls, From: service("pay"), To: service("front")}, model.Edge{Kind: model.EdgePartOf, From: service("a"), To: service("b")},
		model.Edge{Kind: model.EdgePartOf, From: service("b"), To: service("a")}, model.Edge{Kind: model.EdgeCalls, From: service("pay"), To: service("pay")})
	w.in.Findings = []model.Finding{{}, {Entity: service("front"), PValue: -1, Score: math.NaN()}}
	w.in.Changes = []model.Change{{}, {ID: "x", Service: "nobody", TimeNS: onset * 1e6}}
	v := rank(w)
	if v.Unknown {
		t.Errorf("%+v", v)
	}
	if v := rootcause.Rank(rootcause.Input{}, rootcause.Default()); !v.Unknown {
		t.Errorf("%+v", v)
	}
}

func TestLimitsOfVictimsAreNoResources(t *testing.T) {
	w := newWorld()
	shop(w)
	for _, s := range []string{"front", "checkout", "pay", "cart", "search"} {
		w.service(s, 1, 1, 1)
	}
	limit := func(id uint64, who string, value float64) {
		w.in.Findings = append(w.in.Findings, model.Finding{ID: id, Entity: service(who), Kind: model.FindingLimit, Direction: 1, OnsetMS: onset, Value: value, PValue: 1e-4, Text: who + " fails",
			Signal: model.SignalRef{Name: "service_error_ratio", Role: model.RoleErrors, Unit: "1", Labels: []model.Label{{Name: "service", Value: who}}}})
	}
	limit(1, "front", .3)
	limit(2, "checkout", .3)
	limit(3, "pay", .31)
	w.in.Findings = append(w.in.Findings, model.Finding{ID: 4, Entity: service("checkout"), Kind: model.FindingShift, Direction: -1, OnsetMS: onset, Value: 1, Expected: 9, PValue: 1e-6,
		Signal: model.SignalRef{Name: "worker_busy", Role: model.RoleUtilization, Unit: "%"}})
	expect(t, rank(w), service("pay"), model.CauseCode)
}

func TestOneEntityForOneName(t *testing.T) {
	w := newWorld()
	w.service("front", 1, 1, 1)
	w.in.Edges = append(w.in.Edges, model.Edge{Kind: model.EdgeCalls, From: service("front"), To: model.Entity{Kind: model.KindExternal, Name: "bank"}})
	w.series(service("bank"), "client_request_duration", "s", model.RoleLatency, .1, .05, 2, model.Label{Name: "client", Value: "front"}, model.Label{Name: "server", Value: "bank"})
	expect(t, rank(w), model.Entity{Kind: model.KindExternal, Name: "bank"}, model.CauseDependency)
}
