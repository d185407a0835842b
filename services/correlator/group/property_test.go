package group_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/correlator/group"
	"github.com/faultline-io/faultline/services/model"
)

// input is what happens between two marks of a random history.
type input struct {
	mark     eventtime.Mark
	findings []model.Finding
	changes  []model.Change
	commands []model.Command
	graph    edges
}

// story makes a random history of a system of a dozen services on four hosts: bursts of findings around a place, lonely ones, flutter, ends, and
// people. Commands speak of the incidents that there are, so each is made when it is its turn; decide is given for that.
type story struct {
	r     *rand.Rand
	graph edges
	open  []model.Finding
	now   int64
	seq   uint64
}

func newStory(seed uint64) *story {
	s := &story{r: rand.New(rand.NewPCG(seed, 7)), now: start}
	for i := range 12 {
		n := fmt.Sprintf("s%d", i)
		s.graph = append(s.graph, partOf(n+"-0", n), partOf(n+"-1", n), runsOn(n+"-0", fmt.Sprintf("h%d", i%4)), runsOn(n+"-1", fmt.Sprintf("h%d", (i+1)%4)))
		for range 2 {
			if j := s.r.IntN(12); j > i {
				s.graph = append(s.graph, calls(n, fmt.Sprintf("s%d", j)))
			}
		}
	}
	return s
}

func (s *story) entity() model.Entity {
	switch n := s.r.IntN(12); s.r.IntN(4) {
	case 0:
		return host(fmt.Sprintf("h%d", n%4))
	case 1:
		return instance(fmt.Sprintf("s%d-%d", n, s.r.IntN(2)))
	default:
		return service(fmt.Sprintf("s%d", n))
	}
}

func (s *story) finding() model.Finding {
	signals := []struct {
		name string
		role model.Role
	}{{"request_error_ratio", model.RoleErrors}, {"request_duration_seconds", model.RoleLatency}, {"cpu_usage", model.RoleUtilization}, {"queue_length", model.RoleQueue}, {"memory_bytes", model.RoleUsage}, {"telemetry", model.RoleState}}
	x := signals[s.r.IntN(len(signals))]
	f := finding(s.entity(), x.name, x.role, s.now-s.r.Int64N(minute))
	f.SeenMS = s.now
	f.PValue, f.Confidence = []float64{1e-6, 1e-4, 1e-2, .3}[s.r.IntN(4)], s.r.Float64()
	f.Value = s.r.Float64()
	switch s.r.IntN(8) {
	case 0:
		f.Kind = model.FindingLimit
	case 1:
		f.Kind, f.Direction = model.FindingSilence, -1
	case 2:
		f = group.FromAlert(group.Alert{Name: "A" + fmt.Sprint(s.r.IntN(5)), StartMS: f.OnsetMS, AtMS: s.now, Labels: []model.Label{{Name: "service_name", Value: f.Entity.Name}, {Name: "severity", Value: "critical"}}})
	}
	return f
}

// step makes what happens until the next mark.
func (s *story) step() input {
	s.now += []int64{5 * second, 15 * second, minute, 10 * minute}[s.r.IntN(4)]
	s.seq++
	in := input{mark: eventtime.Mark{Seq: s.seq, AtMS: s.now + 25*second, WatermarkMS: s.now}, graph: s.graph}
	for range max(0, s.r.IntN(12)-6) {
		f := s.finding()
		in.findings = append(in.findings, f)
		s.open = append(s.open, f)
	}
	for i := len(s.open) - 1; i >= 0; i-- {
		if f := &s.open[i]; s.r.IntN(6) == 0 {
			f.SeenMS = s.now
			f.Value *= 1.5
			if s.r.IntN(2) == 0 {
				f.EndMS = s.now
			}
			in.findings = append(in.findings, *f)
			if f.EndMS != 0 {
				s.open = slices.Delete(s.open, i, i+1)
			}
		}
	}
	if s.r.IntN(40) == 0 {
		in.changes = append(in.changes, model.Change{ID: fmt.Sprint(s.r.IntN(3)), Kind: "maintenance", Host: fmt.Sprintf("h%d", s.r.IntN(4)), TimeNS: s.now * 1e6, EndNS: (s.now + 20*minute) * 1e6})
	}
	return in
}

// command makes a command on what there is.
func (s *story) command(g *group.Grouper, n int) model.Command {
	c := model.Command{ID: fmt.Sprint("c", n), AtMS: s.now, Who: "ann", Text: "text"}
	all := g.Incidents()
	if len(all) == 0 {
		c.Action = "comment"
		return c
	}
	i := all[s.r.IntN(len(all))]
	c.Incident = i.ID
	c.Action = []string{"acknowledge", "unacknowledge", "assign", "comment", "resolve", "reopen", "merge", "split", "feedback", "feedback", "feedback", "revoke", "maintenance"}[s.r.IntN(13)]
	c.Other = all[s.r.IntN(len(all))].ID
	c.Feedback.Target = "incident"
	if len(i.Members) > 0 {
		m := i.Members[s.r.IntN(len(i.Members))]
		c.Findings = []uint64{m.FindingID}
		c.Feedback.Target = []string{"incident", fmt.Sprint("finding:", m.FindingID), "signal:" + m.Entity.String() + "/" + m.Name, "entity:" + m.Entity.String()}[s.r.IntN(4)]
	}
	c.Feedback.Kind = []model.FeedbackKind{model.FeedbackConfirm, model.FeedbackReject, model.FeedbackNotRelated, model.FeedbackExpected, model.FeedbackMute}[s.r.IntN(5)]
	if c.Feedback.Kind == model.FeedbackMute || c.Action == "maintenance" {
		c.Feedback.UntilMS = s.now + 20*minute
	}
	if c.Action == "revoke" {
		c.Feedback.ID = fmt.Sprint("c", s.r.IntN(n+1))
	}
	return c
}

// history makes the inputs of a whole story, with the commands as they were given in a first run.
func history(t *testing.T, seed uint64, steps int) []input {
	t.Helper()
	s, g := newStory(seed), group.New(group.Default(1))
	ids := map[string]bool{}
	alive := map[string]bool{}
	var out []input
	for n := range steps {
		in := s.step()
		if s.r.IntN(4) == 0 {
			in.commands = append(in.commands, s.command(g, n))
		}
		for _, i := range run(t, g, in) {
			if !ids[i.ID] && i.DetectedMS != in.mark.AtMS && len(in.commands) == 0 {
				t.Fatalf("incident %s appears at %d, detected at %d", i.ID, in.mark.AtMS, i.DetectedMS)
			}
			ids[i.ID] = true
		}
		check(t, g, alive)
		out = append(out, in)
	}
	if len(ids) < 3 {
		t.Fatalf("only %d incidents in the story", len(ids))
	}
	return out
}

// run gives an input and returns what changed.
func run(t *testing.T, g *group.Grouper, in input) []*model.Incident {
	t.Helper()
	for _, c := range in.commands {
		err := g.Command(c)
		for _, known := range []error{group.ErrInvalid, group.ErrUnknown, group.ErrConflict, group.ErrTooMany} {
			if errors.Is(err, known) {
				err = nil
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	g.Changes(in.changes)
	g.Findings(in.findings)
	return g.Mark(in.mark, in.graph)
}

// check fails when what must always hold does not. alive has the incidents that were there.
func check(t *testing.T, g *group.Grouper, gone map[string]bool) {
	t.Helper()
	in := map[uint64]string{}
	here := map[string]bool{}
	for _, i := range g.Incidents() {
		here[i.ID] = true
		if gone[i.ID] {
			t.Fatalf("incident %s is used again", i.ID)
		}
		if i.State == model.IncidentMerged {
			if g.Incident(i.MergedInto) == nil || len(i.Members) != 0 {
				t.Fatalf("merged incident %s leads nowhere: %+v", i.ID, i)
			}
			continue
		}
		if i.Title == "" || i.Severity == "" || i.StartMS > i.DetectedMS || len(i.History) == 0 {
			t.Fatalf("incomplete: %s %q %q, start %d, detected %d, %d steps", i.ID, i.Title, i.Severity, i.StartMS, i.DetectedMS, len(i.History))
		}
		for _, m := range i.Members {
			for _, id := range append([]uint64{m.FindingID}, m.Folded...) {
				if had, twice := in[id]; twice {
					t.Fatalf("finding %d is in %s and %s", id, had, i.ID)
				}
				in[id] = i.ID
			}
			if m.Reason == "" || m.Times < 1 {
				t.Fatalf("no reason: %+v", m)
			}
			if m.Open && g.Holder(m.FindingID) != i.ID && len(m.Folded) == 0 {
				t.Fatalf("%d is open in %s and held by %q", m.FindingID, i.ID, g.Holder(m.FindingID))
			}
		}
	}
}

func TestStories(t *testing.T) {
	for seed := range uint64(3) {
		ins := history(t, seed, 220)
		want, _ := replay(t, ins, nil, false)
		shuffled, _ := replay(t, ins, rand.New(rand.NewPCG(seed, 99)), false)
		restored, _ := replay(t, ins, rand.New(rand.NewPCG(seed, 98)), true)
		for name, got := range map[string][][]byte{"shuffled": shuffled, "restored": restored} {
			for n := range want {
				if !bytes.Equal(want[n], got[n]) {
					t.Fatalf("seed %d, %s, mark %d:\n%s\n%s", seed, name, n+1, want[n], got[n])
				}
			}
		}
	}
}

// replay runs inputs again and returns what changed at each mark, as bytes. With r the findings of a mark are shuffled and given in pieces; with
// restart the state goes through a snapshot now and then, before and after the findings of a mark.
func replay(t *testing.T, ins []input, r *rand.Rand, restart bool) (out [][]byte, g *group.Grouper) {
	t.Helper()
	g = group.New(group.Default(1))
	again := func() {
		if !restart || r.IntN(10) != 0 {
			return
		}
		data := g.Snapshot()
		h, err := group.Restore(data, group.Default(1))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(h.Snapshot(), data) {
			t.Fatal("a snapshot of what was restored differs")
		}
		g = h
	}
	for _, in := range ins {
		if r != nil {
			in.findings = slices.Clone(in.findings)
			r.Shuffle(len(in.findings), func(a, b int) { in.findings[a], in.findings[b] = in.findings[b], in.findings[a] })
			for len(in.findings) > 3 {
				g.Findings(in.findings[:2])
				in.findings = in.findings[2:]
				again()
			}
		}
		b, err := json.Marshal(run(t, g, in))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
		again()
	}
	return out, g
}

func FuzzRestore(f *testing.F) {
	w := newWorld(&testing.T{}, shop)
	w.say(errorShare(service("web"), w.now, .2))
	f.Add(w.g.Snapshot())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, b := range [][]byte{data, sealed(data)} {
			g, err := group.Restore(b, group.Default(1))
			if err != nil {
				if !errors.Is(err, group.ErrSnapshot) {
					t.Fatal(err)
				}
				continue
			}
			g.Findings([]model.Finding{errorShare(service("web"), start, .2)})
			g.Mark(eventtime.Mark{Seq: 1, AtMS: start + minute, WatermarkMS: start + minute}, shop)
			g.Snapshot()
		}
	})
}
