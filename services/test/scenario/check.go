package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/model"
)

// Check is what became of one expectation.
type Check struct {
	Expect
	OK bool
	// Why says what there was instead.
	Why string
	// Opened, Rank and Kind are of an expected incident: whether one was there, the place of the entity among its candidates from 1, 0 for none,
	// and whether that candidate has the kind.
	Opened bool
	Rank   int
	KindOK bool
	// EndRank is the place of the entity at the end of the run, in the incidents that were there in time.
	EndRank int
	// Delay is from the fault to the incident.
	Delay time.Duration
}

// Checks compares what was said with what is expected.
func (r *Record) Checks() []Check {
	var out []Check
	for _, e := range r.Scenario.Expects {
		c := Check{Expect: e}
		if c.By == 0 {
			c.By = r.Scenario.Run
		}
		switch e.What {
		case ExpectIncident:
			r.checkIncident(&c)
		case ExpectNo, ExpectAtMost:
			r.checkCount(&c)
		case ExpectFinding:
			r.checkFinding(&c)
		default:
			r.checkVerdict(&c)
		}
		out = append(out, c)
	}
	return out
}

// from is when what an expectation speaks of can have begun: with the fault, unless it says otherwise.
func (r *Record) from(c *Check) time.Duration {
	if c.From == 0 {
		return r.Scenario.Fault
	}
	return c.From
}

// open returns the incidents that rose between from and by, as they were at by.
func (r *Record) open(from, by time.Duration) []*Revision {
	var out []*Revision
	for _, t := range r.Tracks {
		if at := t.Rose(); at < from || at > by {
			continue
		}
		if v := t.At(by); v != nil {
			out = append(out, v)
		}
	}
	return out
}

func (r *Record) checkIncident(c *Check) {
	from := r.from(c)
	best := (*Revision)(nil)
	for _, v := range r.open(from, c.By) {
		rank, kind := r.rank(v, c)
		if !c.Opened || rank > 0 && (c.Rank == 0 || rank < c.Rank) || rank == c.Rank && kind && !c.KindOK {
			c.Rank, c.KindOK, best = rank, kind, v
		}
		c.Opened = true
	}
	if best == nil {
		c.Why = "no incident" + r.instead(from, c.By)
		return
	}
	c.Delay = r.byID[best.ID].Rose() - from
	for _, v := range r.open(from, c.By) {
		if last := r.byID[v.ID].At(r.Scenario.Run); last != nil {
			if rank, _ := r.rank(last, c); rank > 0 && (c.EndRank == 0 || rank < c.EndRank) {
				c.EndRank = rank
			}
		}
	}
	switch {
	case len(c.Entities) > 0 && (c.Rank == 0 || c.Rank > c.Top):
		c.Why = "the cause is not there: " + verdict(best)
	case len(c.Kinds) > 0 && !c.KindOK:
		c.Why = "another kind: " + verdict(best)
	default:
		c.OK = true
	}
}

// rank returns the place of what is expected among the candidates, and whether it has the expected kind.
func (r *Record) rank(v *Revision, c *Check) (rank int, kind bool) {
	for i, x := range v.Verdict.Candidates {
		if len(c.Entities) > 0 && !r.is(x.Entity, c.Entities) || c.Change && x.ChangeID == "" {
			continue
		}
		right := len(c.Kinds) == 0 || slices.Contains(c.Kinds, x.Kind)
		if rank == 0 {
			rank, kind = i+1, right
		}
		if right && i < c.Top {
			return i + 1, true
		}
	}
	return rank, kind
}

// instead says what there was in place of an incident.
func (r *Record) instead(from, by time.Duration) string {
	var names []string
	for _, f := range r.Findings {
		if f.At >= from && f.At <= by && len(names) < 6 {
			names = append(names, fmt.Sprintf("%s %s %s", f.Entity, f.Signal.Name, f.Kind))
		}
	}
	if len(names) == 0 {
		return ", no finding"
	}
	return ", findings: " + strings.Join(names, "; ")
}

// verdict writes the candidates of an incident.
func verdict(v *Revision) string {
	if v.Verdict.Unknown {
		return "unknown (" + v.Title + ")"
	}
	var out []string
	for _, x := range v.Verdict.Candidates {
		s := fmt.Sprintf("%s %s", x.Entity, x.Kind)
		if x.ChangeID != "" {
			s += " by " + x.ChangeID
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return "no candidates (" + v.Title + ")"
	}
	return strings.Join(out, ", ")
}

func (r *Record) checkCount(c *Check) {
	from := c.From
	if from == 0 {
		from = r.Scenario.judged()
	}
	n, first := 0, ""
	switch c.Noun {
	case "finding":
		for _, f := range r.Findings {
			if f.At >= from && f.At <= c.By {
				n++
				first = cmpOr(first, fmt.Sprintf("at %v %s %s %s", f.At, f.Entity, f.Signal.Name, f.Kind))
			}
		}
	default:
		for _, t := range r.Tracks {
			at, ok := t.Began(), t.lasts(c.By)
			if c.Noun == "page" {
				at, ok = t.Paged()
			}
			if ok && at >= from && at <= c.By {
				n++
				first = cmpOr(first, fmt.Sprintf("at %v %s", at, t.At(max(at, t.Began())).title()))
			}
		}
	}
	most := 0
	if c.What == ExpectAtMost {
		most = c.N
	}
	if c.OK = n <= most; !c.OK {
		c.Why = fmt.Sprintf("%d %ss, first %s", n, c.Noun, first)
	}
}

// lasts says that the incident was not taken in by another.
func (t *Track) lasts(by time.Duration) bool { return t.At(by) != nil }

func (v *Revision) title() string {
	if v == nil {
		return "merged"
	}
	return string(v.Severity) + " " + v.Title
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (r *Record) checkFinding(c *Check) {
	from := r.from(c)
	for _, f := range r.Findings {
		if f.At >= from && f.At <= c.By && (c.Finding == "" || f.Kind == c.Finding) && (len(c.Entities) == 0 || r.is(f.Entity, c.Entities)) {
			c.OK = true
			return
		}
	}
	c.Why = "no such finding" + r.instead(from, c.By)
}

// checkVerdict checks what is said of the incidents since the fault.
func (r *Record) checkVerdict(c *Check) {
	all := r.open(r.from(c), c.By)
	if len(all) == 0 {
		c.Why = "no incident" + r.instead(r.from(c), c.By)
		c.OK = c.What == ExpectNotCause // Who says nothing blames nobody.
		return
	}
	any := func(f func(v *Revision) bool) bool { return slices.ContainsFunc(all, f) }
	switch c.What {
	case ExpectFirst:
		c.OK = any(func(v *Revision) bool {
			return slices.ContainsFunc(v.Verdict.FirstFailure, func(e model.Evidence) bool { return r.is(e.Entity, c.Entities) })
		})
	case ExpectUnknown:
		c.OK = any(func(v *Revision) bool { return v.Verdict.Unknown })
	case ExpectNotCause:
		c.OK = !any(func(v *Revision) bool {
			return len(v.Verdict.Candidates) > 0 && r.is(v.Verdict.Candidates[0].Entity, c.Entities) && (!c.Change || v.Verdict.Candidates[0].ChangeID != "")
		})
	case ExpectSeverity:
		c.OK = any(func(v *Revision) bool { return slices.Contains(c.Severities, v.Severity) })
	case ExpectResolved:
		c.OK = !any(func(v *Revision) bool { return v.State != model.IncidentResolved && v.State != model.IncidentQuiet })
	}
	if !c.OK {
		var out []string
		for _, v := range all {
			out = append(out, fmt.Sprintf("%s %s: %s", v.State, v.title(), verdict(v)))
		}
		c.Why = strings.Join(out, " / ")
	}
}
