package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/model"
)

// The forms of expectations.
const (
	ExpectIncident = "incident"
	ExpectNo       = "no"
	ExpectAtMost   = "at most"
	ExpectFirst    = "first_failure"
	ExpectUnknown  = "unknown"
	ExpectFinding  = "finding"
	ExpectNotCause = "not"
	ExpectSeverity = "severity"
	ExpectResolved = "resolved"
)

// Expect is one expectation.
type Expect struct {
	Line int
	Text string
	What string
	// Known is why it is known to fail, "" for one that must hold.
	Known string
	// By and From bound the time; By is 0 where none was said.
	By, From time.Duration
	// Entities are alternatives: names of parts, hosts or instances.
	Entities []string
	Kinds    []model.CauseKind
	Top      int
	// Change says that a change must be named as the cause.
	Change bool
	// Noun is page, incident or finding for "no" and "at most"; N is the number of the latter.
	Noun       string
	N          int
	Finding    model.FindingKind
	Severities []model.Severity
}

// expect reads one expectation.
func (p *parser) expect(w *words, known string) {
	e := Expect{Line: w.line, Known: known, Text: strings.Join(w.all[w.at-1:], " "), What: w.next("what is expected")}
	switch e.What {
	case ExpectIncident:
		p.incident(w, &e)
	case ExpectNo:
		e.Noun = p.noun(w)
		between(w, &e)
	case "at":
		e.What = ExpectAtMost
		if !w.opt("most") {
			w.fail("at most N is expected")
		}
		e.N = w.count("the number")
		e.Noun = p.noun(w)
		between(w, &e)
	case ExpectFirst:
		w.opt("entity")
		e.Entities = p.entities(w)
		between(w, &e)
	case ExpectUnknown, ExpectResolved:
		between(w, &e)
	case ExpectFinding:
		p.finding(w, &e)
	case ExpectNotCause:
		w.opt("entity")
		e.Entities = p.entities(w)
		e.Change = w.opt("change")
		between(w, &e)
	case ExpectSeverity:
		for _, s := range strings.Split(w.next("the severity"), "|") {
			e.Severities = append(e.Severities, model.Severity(s))
		}
		between(w, &e)
	default:
		w.fail("%q is none of incident, no, at most, first_failure, unknown, finding, not, severity, resolved", e.What)
	}
	p.s.Expects = append(p.s.Expects, e)
}

// between reads [from TIME] [by TIME] [to TIME].
func between(w *words, e *Expect) {
	for w.more() {
		switch {
		case w.opt("from"):
			e.From = w.duration("from")
		case w.opt("by"), w.opt("to"):
			e.By = w.duration("by")
		default:
			return
		}
	}
}

func (p *parser) noun(w *words) string {
	n := strings.TrimSuffix(w.next("page, incident or finding"), "s")
	if !slices.Contains([]string{"page", "incident", "finding"}, n) {
		w.fail("%q is none of page, incident, finding", n)
	}
	return n
}

// incident reads: by TIME [from TIME] [entity A|B] [change] [kind K|L] [within top N].
func (p *parser) incident(w *words, e *Expect) {
	e.Top = 3
	for w.more() {
		switch {
		case w.opt("by"):
			e.By = w.duration("by")
		case w.opt("from"):
			e.From = w.duration("from")
		case w.opt("entity"):
			e.Entities = p.entities(w)
		case w.opt("change"):
			e.Change = true
		case w.opt("kind"):
			for _, k := range strings.Split(w.next("the kind"), "|") {
				if !slices.Contains(causes(), model.CauseKind(k)) {
					w.fail("%q is no kind of cause: %v", k, causes())
				}
				e.Kinds = append(e.Kinds, model.CauseKind(k))
			}
		case w.opt("within"), w.opt("top"):
			w.opt("top")
			e.Top = w.count("top")
		default:
			w.fail("%q says nothing of an incident", w.peek())
			return
		}
	}
	if e.By == 0 {
		w.fail("an incident is expected by a time")
	}
}

func causes() []model.CauseKind {
	return []model.CauseKind{
		model.CauseDeploy, model.CauseTraffic, model.CauseSaturation, model.CauseExhaustion, model.CauseNetwork, model.CauseDependency, model.CauseHost,
		model.CauseCrash, model.CauseCode, model.CauseCertificate, model.CauseJob, model.CauseClock, model.CauseUnknown,
	}
}

// entities reads A|B and checks that the world has them.
func (p *parser) entities(w *words) []string {
	out := strings.Split(w.next("an entity"), "|")
	for _, n := range out {
		if !p.named(n) {
			w.fail("the world has no %q", n)
		}
	}
	return out
}

// named says whether a name is a part, a host, or an instance of a part.
func (p *parser) named(n string) bool {
	for _, h := range p.s.Spec.Hosts {
		if h.Name == n {
			return true
		}
	}
	for _, x := range p.s.Spec.Parts {
		if x.Name == n || strings.HasPrefix(n, x.Name+"-") {
			return true
		}
	}
	return false
}

// finding reads: [KIND] [entity A|B] [by TIME] [from TIME].
func (p *parser) finding(w *words, e *Expect) {
	for w.more() {
		switch {
		case w.opt("entity"):
			e.Entities = p.entities(w)
		case w.opt("by"):
			e.By = w.duration("by")
		case w.opt("from"):
			e.From = w.duration("from")
		case e.Finding == "":
			e.Finding = model.FindingKind(w.next("the kind"))
			if !slices.Contains(findings(), e.Finding) {
				w.fail("%q is no kind of finding: %v", e.Finding, findings())
			}
		default:
			w.fail("%q says nothing of a finding", w.peek())
			return
		}
	}
}

func findings() []model.FindingKind {
	return []model.FindingKind{
		model.FindingShift, model.FindingDrift, model.FindingLimit, model.FindingPeer, model.FindingSilence, model.FindingNew, model.FindingGone,
		model.FindingForecast, model.FindingAlert,
	}
}

// String says where it stands.
func (e Expect) String() string { return fmt.Sprintf("line %d: %s", e.Line, e.Text) }
