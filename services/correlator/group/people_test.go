package group_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/correlator/group"
	"github.com/faultline-io/faultline/services/model"
)

func TestActsOfPeople(t *testing.T) {
	w := newWorld(t, shop)
	w.pass(minute)
	f := errorShare(service("web"), w.now, .2)
	w.say(f)
	id := w.only().ID
	ack := model.Command{ID: "1", Action: "acknowledge", Incident: id, Text: "mine"}
	w.do(ack)
	w.do(model.Command{Action: "assign", Incident: id, Text: "bob"})
	w.do(model.Command{Action: "comment", Incident: id, Text: "rolled back"})
	w.pass(15 * second)
	i := w.last[id]
	if i.Acknowledged == nil || i.Acknowledged.Text != "mine" || i.Acknowledged.Who != "ann" || i.Assignee != "bob" || len(i.Comments) != 1 {
		t.Fatalf("%+v", i)
	}
	w.do(model.Command{Action: "unacknowledge", Incident: id})
	w.do(ack) // The same id again: done already, and so it changes nothing.
	w.pass(15 * second)
	if w.last[id].Acknowledged != nil {
		t.Error("a command was done twice")
	}
	w.do(model.Command{Action: "resolve", Incident: id, Text: "rolled back"})
	w.pass(2 * minute)
	w.none("resolved with its finding still open")
	if i = w.last[id]; i.State != model.IncidentResolved || i.Resolution != "rolled back" {
		t.Errorf("%+v", i)
	}
	w.do(model.Command{Action: "reopen", Incident: id})
	w.pass(15 * second)
	if i = w.only(); i.ID != id || i.State != model.IncidentOpen {
		t.Errorf("%+v", i)
	}
}

func TestCommandsThatAreRefused(t *testing.T) {
	w := newWorld(t, shop)
	w.pass(minute)
	f := errorShare(service("web"), w.now, .2)
	w.say(f)
	id := w.only().ID
	before := len(w.g.Snapshot())
	for _, c := range []struct {
		c    model.Command
		want error
	}{
		{model.Command{Action: "acknowledge", Incident: "nothing"}, group.ErrUnknown},
		{model.Command{Action: "explode", Incident: id}, group.ErrInvalid},
		{model.Command{Action: "comment", Incident: id}, group.ErrInvalid},
		{model.Command{Action: "merge", Incident: id, Other: "nothing"}, group.ErrUnknown},
		{model.Command{Action: "split", Incident: id}, group.ErrInvalid},
		{model.Command{Action: "split", Incident: id, Findings: []uint64{7}}, group.ErrUnknown},
		{model.Command{Action: "split", Incident: id, Findings: []uint64{f.ID}}, group.ErrConflict},
		{model.Command{Action: "feedback", Incident: id, Feedback: model.Feedback{Kind: "hm"}}, group.ErrInvalid},
		{model.Command{Action: "feedback", Incident: id, Feedback: model.Feedback{Kind: model.FeedbackMute, Target: "finding:x"}}, group.ErrInvalid},
		{model.Command{Action: "feedback", Incident: id, Feedback: model.Feedback{Kind: model.FeedbackMute, Target: "signal:web"}}, group.ErrInvalid},
		{model.Command{Action: "feedback", Incident: id, Feedback: model.Feedback{Kind: model.FeedbackMute, Target: "all"}}, group.ErrInvalid},
		{model.Command{Action: "feedback", Incident: id, Feedback: model.Feedback{Kind: model.FeedbackMute, Target: "finding:7"}}, group.ErrUnknown},
		{model.Command{Action: "feedback", Incident: id, Feedback: model.Feedback{Kind: model.FeedbackNotRelated, Target: fmt.Sprint("finding:", f.ID)}}, group.ErrConflict},
		{model.Command{Action: "feedback", Feedback: model.Feedback{Kind: model.FeedbackConfirm}}, group.ErrUnknown},
		{model.Command{Action: "revoke"}, group.ErrInvalid},
		{model.Command{Action: "revoke", Feedback: model.Feedback{ID: "no"}}, group.ErrUnknown},
		{model.Command{Action: "maintenance", Feedback: model.Feedback{Target: "incident"}}, group.ErrInvalid},
		{model.Command{Action: "maintenance", Feedback: model.Feedback{Target: "all", UntilMS: 5}}, group.ErrInvalid},
	} {
		if err := w.try(c.c); !errors.Is(err, c.want) {
			t.Errorf("%s %+v: %v, want %v", c.c.Action, c.c.Feedback, err, c.want)
		}
	}
	if err := w.g.Command(model.Command{Action: "comment", Incident: id, Text: "x"}); !errors.Is(err, group.ErrInvalid) {
		t.Errorf("without id: %v", err)
	}
	if after := len(w.g.Snapshot()); after != before {
		t.Errorf("a refused command left something: %d bytes became %d", before, after)
	}
}

func TestMuteOpensNothingUntilItEnds(t *testing.T) {
	w := newWorld(t, shop)
	w.pass(minute)
	w.do(model.Command{ID: "m", Action: "feedback", Feedback: model.Feedback{
		Kind: model.FeedbackMute, Target: "signal:service:web/request_error_ratio", UntilMS: w.now + 30*minute, PersonAct: model.PersonAct{Text: "known"},
	}})
	f := errorShare(service("web"), w.now, .2)
	w.say(f)
	w.pass(20 * minute)
	w.none("muted")
	if r := w.g.Rules(); len(r) != 1 || r[0].Who != "ann" || r[0].Why != "known" || r[0].Target != "signal:service:web/request_error_ratio" {
		t.Errorf("%+v", r)
	}
	w.pass(10 * minute)
	if i := w.only(); i.Members[0].FindingID != f.ID {
		t.Errorf("%+v", i.Members)
	}
	if len(w.g.Rules()) != 0 {
		t.Error("the mute outlives its end")
	}
}

func TestMuteAndItsRevocationInAnIncident(t *testing.T) {
	w := newWorld(t, shop)
	w.pass(minute)
	f := errorShare(service("web"), w.now, .2)
	w.say(f)
	id := w.only().ID
	m := w.judge(id, model.FeedbackMute, fmt.Sprint("finding:", f.ID))
	w.pass(90 * second)
	if i := w.only(); i.State != model.IncidentQuiet || i.Members[0].Held != "muted by ann" || i.Members[0].Open {
		t.Fatalf("%s %+v", i.State, i.Members)
	}
	w.revoke(m)
	w.pass(15 * second)
	i := w.only()
	if i.State != model.IncidentOpen || i.Members[0].Held != "" || !i.Members[0].Open || i.Feedback[0].RevokedMS == 0 {
		t.Errorf("%s %+v %+v", i.State, i.Members, i.Feedback)
	}
}

func TestExpectedAtThisHourOfTheWeek(t *testing.T) {
	w := newWorld(t, shop)
	w.pass(minute)
	f := errorShare(service("web"), w.now, .2)
	w.say(f)
	id := w.only().ID
	w.judge(id, model.FeedbackExpected, "incident")
	w.pass(10 * minute)
	w.none("expected")
	if r := w.g.Rules(); len(r) != 1 || r[0].HourOfWeek != 2*24+10 { // start is a Wednesday, ten o'clock.
		t.Errorf("%+v", r)
	}
	w.say(w.end(f))
	w.now += 7 * 24 * hour
	w.say(errorShare(service("web"), w.now, .2))
	w.pass(minute)
	w.none("a week later")
	w.now += 6 * hour
	w.say(errorShare(service("web"), w.now, .2))
	w.only()
}

func TestRejectionsTeach(t *testing.T) {
	w := newWorld(t, append(slices.Clone(shop), calls("admin", "audit"))).grow()
	open := func() bool {
		f := errorShare(service("web"), w.now, .02)
		w.say(f)
		l := w.live()
		opened := len(l) == 1
		if opened {
			w.judge(l[0].ID, model.FeedbackReject, "incident")
		}
		w.pass(minute)
		w.say(w.end(f))
		w.none("rejected")
		w.now += 3 * 24 * hour
		w.say()
		return opened
	}
	n := 0
	for open() {
		if n++; n > 5 {
			t.Fatal("five rejections change nothing")
		}
	}
	if n < 2 {
		t.Errorf("%d rejections were enough", n)
	}
	if s := w.g.Stats(); s.Rejected != n || s.Confirmed != 0 {
		t.Errorf("%+v", s)
	}
	// The same at another entity opens all the same.
	w.say(errorShare(service("admin"), w.now, .02))
	w.only()
}

func TestRejectionIsTakenBack(t *testing.T) {
	w := newWorld(t, shop)
	w.pass(minute)
	w.say(errorShare(service("web"), w.now, .2))
	id := w.only().ID
	r := w.judge(id, model.FeedbackReject, "incident")
	w.pass(15 * second)
	w.none("rejected")
	w.revoke(r)
	w.pass(15 * second)
	if i := w.only(); i.ID != id || i.State != model.IncidentOpen {
		t.Errorf("%+v", i)
	}
	if s := w.g.Stats(); s.Rejected != 0 {
		t.Errorf("%+v", s)
	}
}

func TestNotRelatedLeavesAndSplits(t *testing.T) {
	// a – b – c in a row: without b, c has nothing to do with a.
	g := edges{calls("a", "b"), calls("b", "c"), calls("c", "d"), calls("d", "e")}
	w := newWorld(t, g).grow()
	a, b, e := errorShare(service("a"), w.now, .2), finding(service("c"), "requests_failed", model.RoleErrors, w.now+second), finding(service("e"), "requests_failed", model.RoleErrors, w.now+2*second)
	e2 := finding(service("e"), "queue_length", model.RoleQueue, w.now+3*second)
	w.now += 5 * second
	w.say(a, b, e, e2)
	i := w.only()
	if len(i.Members) != 4 {
		t.Fatalf("%+v", i.Members)
	}
	fb := w.judge(i.ID, model.FeedbackNotRelated, fmt.Sprint("finding:", b.ID))
	w.pass(15 * second)
	l := w.live()
	if len(l) != 2 {
		t.Fatalf("%d incidents", len(l))
	}
	rest, other := l[0], l[1]
	if rest.ID != i.ID {
		rest, other = other, rest
	}
	if rest.ID != i.ID || len(rest.Members) != 1 || rest.Members[0].FindingID != a.ID {
		t.Errorf("%+v", rest.Members)
	}
	if other.SplitFrom != i.ID || slices.ContainsFunc(other.Members, func(m model.Member) bool { return m.FindingID == a.ID }) {
		t.Errorf("%+v", other)
	}
	if w.g.Holder(b.ID) == i.ID {
		t.Error("it came back")
	}
	w.revoke(fb)
	w.pass(15 * second)
	if f := w.last[i.ID].Feedback[0]; f.RevokedMS == 0 {
		t.Errorf("%+v", f)
	}
}

func TestNotRelatedIsTakenBack(t *testing.T) {
	w := newWorld(t, shop).grow()
	a, b := errorShare(service("web"), w.now, .2), finding(service("cart"), "memory_bytes", model.RoleUsage, w.now)
	w.say(a, b)
	id := w.only().ID
	fb := w.judge(id, model.FeedbackNotRelated, fmt.Sprint("finding:", b.ID))
	w.pass(minute)
	if i := w.only(); len(i.Members) != 1 || w.g.Holder(b.ID) != "" {
		t.Fatalf("%+v", i.Members)
	}
	w.revoke(fb)
	w.pass(15 * second)
	if i := w.only(); len(i.Members) != 2 || w.g.Holder(b.ID) != id || !strings.Contains(i.Members[1].Reason, "put back") {
		t.Fatalf("%+v", i.Members)
	}
}

func TestSplitAndMergeByHand(t *testing.T) {
	w := newWorld(t, shop).grow()
	a, b := errorShare(service("web"), w.now, .2), finding(service("cart"), "requests_failed", model.RoleErrors, w.now)
	w.say(a, b)
	id := w.only().ID
	w.do(model.Command{Action: "split", Incident: id, Findings: []uint64{b.ID}})
	w.pass(5 * minute)
	l := w.live()
	if len(l) != 2 {
		t.Fatalf("%d incidents: what was split by hand went together again", len(l))
	}
	other := l[0]
	if other.ID == id {
		other = l[1]
	}
	if other.SplitFrom != id || len(other.Members) != 1 || other.Members[0].FindingID != b.ID {
		t.Errorf("%+v", other)
	}
	w.do(model.Command{Action: "merge", Incident: other.ID, Other: id})
	w.pass(15 * second)
	if i := w.only(); i.ID != id || len(i.Members) != 2 || w.last[other.ID].MergedInto != id {
		t.Errorf("%+v", i)
	}
	// A command on the one that was taken in means the other.
	w.do(model.Command{Action: "acknowledge", Incident: other.ID})
	if w.g.Incident(id).Acknowledged == nil {
		t.Error("not acknowledged")
	}
}

func TestMaintenance(t *testing.T) {
	for name, announce := range map[string]func(w *world){
		"change": func(w *world) {
			w.g.Changes([]model.Change{{ID: "c", Kind: "Maintenance", Host: "n1", TimeNS: w.now * 1e6, EndNS: (w.now + hour) * 1e6}})
		},
		"command": func(w *world) {
			w.do(model.Command{Action: "maintenance", Feedback: model.Feedback{Target: "entity:host:n1", UntilMS: w.now + hour}})
		},
	} {
		w := newWorld(t, shop)
		w.pass(minute)
		announce(w)
		w.pass(minute)
		in := errorShare(instance("web-1"), w.now, .2) // Runs on n1.
		w.say(in)
		w.none(name)
		out := errorShare(service("admin"), w.now, .2)
		w.say(out)
		w.only()
		w.pass(hour)
		if n := len(w.live()); n != 1 {
			t.Errorf("%s: %d incidents within the grace", name, n)
		}
		w.pass(10 * minute)
		if n := len(w.live()); n != 2 {
			t.Errorf("%s: %d incidents, but what is still broken afterwards is one", name, n)
		}
	}
}

func TestAlertsOfOthers(t *testing.T) {
	alert := func(w *world, severity string, end int64) model.Finding {
		return group.FromAlert(group.Alert{
			Name: "BackupFailed", StartMS: start, EndMS: end, AtMS: w.now, Text: "backup failed",
			Labels: []model.Label{{Name: "severity", Value: severity}, {Name: "service_name", Value: "backup"}, {Name: "alertname", Value: "BackupFailed"}},
		})
	}
	for severity, want := range map[string]model.Severity{"critical": model.SeverityHigh, "warning": model.SeverityMedium, "info": ""} {
		w := newWorld(t, shop)
		w.pass(minute)
		w.say(alert(w, severity, 0))
		w.pass(minute)
		w.say(alert(w, severity, 0)) // Told again: the same.
		if want == "" {
			w.none(severity)
			continue
		}
		i := w.only()
		if i.Severity != want || i.Title != "backup: BackupFailed" || i.Members[0].Times != 1 {
			t.Errorf("%s: %s %q %+v", severity, i.Severity, i.Title, i.Members)
		}
		w.say(alert(w, severity, w.now))
		w.pass(10 * minute)
		w.none("over")
	}
}
