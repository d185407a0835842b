package scenario

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/model"
)

// told is a brain that says what the test wants at given times from zero.
type told struct {
	deaf
	zeroMS int64
	says   map[time.Duration]Output
}

func (b *told) Mark(k eventtime.Mark) (Output, error) {
	return b.says[time.Duration(k.AtMS-b.zeroMS)*time.Millisecond], nil
}

func incident(id string, c model.Candidate, page bool) *model.Incident {
	i := &model.Incident{ID: id, State: model.IncidentOpen, Severity: model.SeverityHigh, Title: "t", Verdict: model.Verdict{Candidates: []model.Candidate{
		{Entity: model.Entity{Kind: model.KindHost, Name: "b"}, Kind: model.CauseHost}, c,
	}}}
	if page {
		i.PagedMS = 1
	}
	return i
}

// TestExpectations checks each form with a brain that is right, and with ones that are wrong in one way each.
func TestExpectations(t *testing.T) {
	web := model.Candidate{Entity: model.Entity{Kind: model.KindInstance, Name: "web-2"}, Kind: model.CauseCode}
	deploy := web
	deploy.ChangeID = "change-1"
	resolved := incident("i", web, true)
	resolved.State = model.IncidentResolved
	unknown := incident("i", web, true)
	unknown.Verdict = model.Verdict{Unknown: true, FirstFailure: []model.Evidence{{Entity: model.Entity{Kind: model.KindService, Name: "web"}}}}
	finding := model.Finding{ID: 7, Kind: model.FindingNew, Entity: model.Entity{Kind: model.KindService, Name: "web"}}
	one := func(at time.Duration, i *model.Incident) map[time.Duration]Output {
		return map[time.Duration]Output{at: {Incidents: []*model.Incident{i}}}
	}
	for _, c := range []struct {
		expect string
		says   map[time.Duration]Output
		ok     bool
		why    string
	}{
		{"incident by 8m entity web kind code top 2", one(7*time.Minute, incident("i", web, true)), true, ""},
		{"incident by 8m entity web kind code top 1", one(7*time.Minute, incident("i", web, true)), false, "the cause is not there: host:b host, instance:web-2 code"},
		{"incident by 8m entity web kind traffic", one(7*time.Minute, incident("i", web, true)), false, "another kind"},
		{"incident by 8m entity store", one(7*time.Minute, incident("i", web, true)), false, "the cause is not there"},
		{"incident by 8m entity web", one(9*time.Minute, incident("i", web, true)), false, "no incident"},
		{"incident by 8m entity web", one(4*time.Minute, incident("i", web, true)), false, "no incident"}, // Before the fault.
		{"incident by 8m entity web change", one(7*time.Minute, incident("i", web, true)), false, "the cause is not there"},
		{"incident by 8m entity web change", one(7*time.Minute, incident("i", deploy, true)), true, ""},
		{"no page", one(7*time.Minute, incident("i", web, true)), false, "1 pages, first at 7m0s high t"},
		{"no page", one(7*time.Minute, incident("i", web, false)), true, ""},
		{"no page to 6m", one(7*time.Minute, incident("i", web, true)), true, ""},
		{"no incident", one(7*time.Minute, incident("i", web, false)), false, "1 incidents"},
		{"at most 1 incident", one(7*time.Minute, incident("i", web, false)), true, ""},
		{"not entity b", one(7*time.Minute, incident("i", web, false)), false, ""},
		{"not entity web", one(7*time.Minute, incident("i", web, false)), true, ""},
		{"severity critical|high by 8m", one(7*time.Minute, incident("i", web, true)), true, ""},
		{"severity critical by 8m", one(7*time.Minute, incident("i", web, true)), false, ""},
		{"resolved", one(7*time.Minute, incident("i", web, true)), false, ""},
		{"resolved", one(7*time.Minute, resolved), true, ""},
		{"unknown", one(7*time.Minute, incident("i", web, true)), false, ""},
		{"unknown", one(7*time.Minute, unknown), true, ""},
		{"first_failure entity web", one(7*time.Minute, unknown), true, ""},
		{"first_failure entity store", one(7*time.Minute, unknown), false, ""},
		{"finding new entity web by 8m", map[time.Duration]Output{6 * time.Minute: {Findings: []model.Finding{finding}}}, true, ""},
		{"finding gone entity web by 8m", map[time.Duration]Output{6 * time.Minute: {Findings: []model.Finding{finding}}}, false, "findings: service:web"},
		{"finding new entity web by 5m30s", map[time.Duration]Output{6 * time.Minute: {Findings: []model.Finding{finding}}}, false, "no such finding"},
	} {
		for _, rename := range []func(string) string{nil, func(s string) string { return "n" + s + "x" }} {
			s := parse(t, "load small history 1m\nat 5m fail web 20%\nrun 12m\nexpect incident by 11m\nexpect "+c.expect+"\n")
			s.Fault = 5 * time.Minute
			says := c.says
			if rename != nil {
				says = renamed(says, rename)
			}
			r, err := Run(context.Background(), s, &told{zeroMS: s.Zero.UnixMilli(), says: says}, Options{Rename: rename})
			if err != nil {
				t.Fatal(err)
			}
			got := r.Checks()[1]
			if got.OK != c.ok || rename == nil && !strings.Contains(got.Why, c.why) {
				t.Errorf("%s: %v %q, want %v %q", c.expect, got.OK, got.Why, c.ok, c.why)
			}
		}
	}
}

func renamed(says map[time.Duration]Output, f func(string) string) map[time.Duration]Output {
	out := map[time.Duration]Output{}
	for at, o := range says {
		var n Output
		for _, x := range o.Findings {
			x.Entity.Name = f(x.Entity.Name)
			n.Findings = append(n.Findings, x)
		}
		for _, i := range o.Incidents {
			c := *i
			c.Verdict.Candidates, c.Verdict.FirstFailure = nil, nil
			for _, x := range i.Verdict.Candidates {
				x.Entity.Name = f(x.Entity.Name)
				c.Verdict.Candidates = append(c.Verdict.Candidates, x)
			}
			for _, x := range i.Verdict.FirstFailure {
				x.Entity.Name = f(x.Entity.Name)
				c.Verdict.FirstFailure = append(c.Verdict.FirstFailure, x)
			}
			n.Incidents = append(n.Incidents, &c)
		}
		out[at] = n
	}
	return out
}

func TestSummary(t *testing.T) {
	s := parse(t, "load small history 90m\nat 5m fail web 20%\nrun 12m\nexpect incident by 11m entity web kind code\nknown \"a reason\" expect severity critical\n")
	web := model.Candidate{Entity: model.Entity{Kind: model.KindService, Name: "web"}, Kind: model.CauseCode}
	r, err := Run(context.Background(), s, &told{zeroMS: s.Zero.UnixMilli(), says: map[time.Duration]Output{
		-20 * time.Minute: {Incidents: []*model.Incident{incident("false", web, true)}},
		7 * time.Minute:   {Incidents: []*model.Incident{incident("true", web, true)}},
	}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var sum Summary
	res := &Result{Record: r, Checked: r.Checks()}
	sum.Add(res)
	if res.State() != "known" || sum.Known != 1 || sum.Pages != 2 || sum.True != 1 || sum.QuietPages != 1 || sum.Ranks[0] != 2 || sum.Kinds[0] != 1 || sum.Delays[0] != 2*time.Minute {
		t.Errorf("%s %+v", res.State(), sum)
	}
	if want := 65. / 60 / 24; sum.QuietDays < want-1e-9 || sum.QuietDays > want+1e-9 {
		t.Errorf("%v quiet days, want %v", sum.QuietDays, want)
	}
}
