package scenario

import (
	"fmt"
	"slices"
	"time"
)

// Result is what became of a scenario.
type Result struct {
	*Record
	Checked []Check
}

// State is passed, known (only expectations fail that are known to), fixed (one that is known to fail holds now) or failed.
func (r *Result) State() string {
	state := "passed"
	for _, c := range r.Checked {
		switch {
		case !c.OK && c.Known == "":
			return "failed"
		case !c.OK:
			state = "known"
		case c.Known != "" && state == "passed":
			state = "fixed"
		}
	}
	return state
}

// Failures are the expectations that do not hold, known or not.
func (r *Result) Failures() []Check {
	return slices.DeleteFunc(slices.Clone(r.Checked), func(c Check) bool { return c.OK })
}

// Summary adds up results.
type Summary struct {
	Passed, Known, Fixed, Failed int
	// Opened has 1 for each expected incident that was there in time and 0 for others; Ranks the place of the cause by then and
	// Ends at the end of the run; Kinds likewise.
	Opened, Kinds []float64
	Ranks, Ends   []int
	Delays        []time.Duration
	// Pages in all, and those that speak of a fault of the scenario.
	Pages, True int
	// QuietPages are pages in quiet times, QuietIncidents incidents of any severity, in QuietDays days and EntityDays days of an entity.
	QuietPages, QuietIncidents int
	QuietDays, EntityDays      float64
	Took, Brain                time.Duration
	Samples, Spans, Lines      int
}

// warmUp is the part of the history in which nothing is judged: a brain that has seen nothing yet may be wrong.
const warmUp = 30 * time.Minute

// judged returns from when on pages count where nothing else is said: after the warm-up, and from zero at the latest.
func (s *Scenario) judged() time.Duration { return min(0, warmUp-s.History) }

// Add adds a result.
func (s *Summary) Add(r *Result) {
	switch r.State() {
	case "passed":
		s.Passed++
	case "known":
		s.Known++
	case "fixed":
		s.Fixed++
	default:
		s.Failed++
	}
	for _, c := range r.Checked {
		if c.What == ExpectIncident {
			s.incident(c)
		}
	}
	s.quiet(r)
	s.Took, s.Brain = s.Took+r.Took, s.Brain+r.Record.Brain
	s.Samples, s.Spans, s.Lines = s.Samples+r.Samples, s.Spans+r.Record.Spans, s.Lines+r.Lines
}

func (s *Summary) incident(c Check) {
	s.Opened = append(s.Opened, truth(c.Opened))
	if c.Opened {
		s.Delays = append(s.Delays, c.Delay)
	}
	if len(c.Entities) > 0 {
		s.Ranks, s.Ends = append(s.Ranks, c.Rank), append(s.Ends, c.EndRank)
	}
	if len(c.Kinds) > 0 {
		s.Kinds = append(s.Kinds, truth(c.KindOK))
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// quiet counts pages before the fault, which are false, and after it, which are taken for true: whether they name the cause is counted by
// Ranks.
func (s *Summary) quiet(r *Result) {
	sc := r.Scenario
	from := sc.judged()
	for _, t := range r.Tracks {
		if began := t.Began(); began >= from && began < sc.Fault {
			s.QuietIncidents++
		}
		at, ok := t.Paged()
		switch {
		case !ok || at < from:
		case at < sc.Fault:
			s.QuietPages++
			s.Pages++
		default:
			s.True++
			s.Pages++
		}
	}
	if days := (sc.Fault - from).Hours() / 24; days > 0 {
		s.QuietDays += days
		s.EntityDays += days * float64(len(sc.Spec.Hosts)+len(sc.Spec.Parts))
	}
}

// Median returns the middle of durations, 0 of none.
func Median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

// Details writes, for people, what the brain said in a run: each incident with its steps and the findings that it was made of.
func (r *Result) Details() []string {
	var out []string
	for _, t := range r.Tracks {
		last, first := &t.Revisions[len(t.Revisions)-1], &t.Revisions[0]
		paged := ""
		if at, ok := t.Paged(); ok {
			paged = fmt.Sprintf(", paged at %v", at)
		}
		out = append(out, fmt.Sprintf("incident %s from %v to %v%s: %s %s, at the end %s %s: %s", t.ID, first.At, last.At, paged, first.Severity, first.Title, last.State, last.Severity, verdict(last)))
		for k, m := range last.Members {
			if k == mostMembers {
				out = append(out, fmt.Sprintf("  and %d more", len(last.Members)-k))
				break
			}
			text := m.Name
			if at, ok := r.byFinding[m.FindingID]; ok {
				f := r.Findings[at]
				text = fmt.Sprintf("at %v, %s %s %s %v: %s", f.At, f.Kind, f.Entity, f.Signal.Name, f.Signal.Labels, f.Text)
			}
			out = append(out, "  "+text+" ("+m.Reason+")")
		}
	}
	return out
}

// mostMembers bounds the findings that are written of an incident.
const mostMembers = 25
