package scenario

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/test/scenario/world"
)

// Brain is what is tried: inputs in order of arrival, marks, and what is found.
type Brain interface {
	Metrics(m *model.Metrics)
	Logs(l *model.Logs)
	Spans(s *model.Spans)
	Changes(c *model.Changes)
	Findings(fs []model.Finding)
	Mark(k eventtime.Mark) (Output, error)
}

// Output is what a mark brought: findings that are new or have changed, and incidents likewise.
type Output struct {
	Findings  []model.Finding
	Incidents []*model.Incident
}

// Options are how scenarios are run.
type Options struct {
	// Rename gives hosts, parts and instances other names; nil leaves them.
	Rename func(string) string
	// NoTypes leaves out types and units of metrics.
	NoTypes bool
	// Seed is added to the scenarios' own.
	Seed uint64
}

// Record is what the brain said in a run.
type Record struct {
	Scenario *Scenario
	Findings []Seen
	Tracks   []*Track
	// Took is the time of the whole run, Brain the part of it that was spent in the brain; Samples, Spans and Lines are what it was given.
	Took, Brain           time.Duration
	Samples, Spans, Lines int
	names                 map[string]map[string]bool
	byID                  map[string]*Track
	byFinding             map[uint64]int
}

// Seen is a finding with the time at which it was first told, counted from zero.
type Seen struct {
	At time.Duration
	model.Finding
}

// Track is an incident with what was known of it when.
type Track struct {
	ID        string
	Revisions []Revision
}

// Revision is an incident as it was from a time on.
type Revision struct {
	At time.Duration
	model.Incident
}

// maxRevisions bounds what is kept of an incident; in the middle some are left out then.
const maxRevisions = 2000

// At returns the incident as it was at a time; nil where there was none, or another one had taken it in.
func (t *Track) At(d time.Duration) *Revision {
	n, _ := slices.BinarySearchFunc(t.Revisions, d, func(r Revision, d time.Duration) int {
		if r.At <= d {
			return -1
		}
		return 1
	})
	if n == 0 {
		return nil
	}
	if r := &t.Revisions[n-1]; r.State != model.IncidentMerged {
		return r
	}
	return nil
}

// Began returns when the incident was told of first.
func (t *Track) Began() time.Duration { return t.Revisions[0].At }

// Paged returns when it first paged.
func (t *Track) Paged() (time.Duration, bool) {
	for _, r := range t.Revisions {
		if r.PagedMS != 0 {
			return r.At, true
		}
	}
	return 0, false
}

// Rose returns when the incident became one to look at: when it paged, else when it was told of. One that was small before a fault and
// grows with it counts from there.
func (t *Track) Rose() time.Duration {
	if at, ok := t.Paged(); ok {
		return at
	}
	return t.Began()
}

// Run lets a brain live through a scenario.
func Run(ctx context.Context, s *Scenario, brain Brain, o Options) (*Record, error) {
	spec := s.Spec
	spec.Sends.NoTypes = spec.Sends.NoTypes || o.NoTypes
	spec.Sends.Name = o.Rename
	w, err := world.New(spec, s.Plan, s.Zero, s.History, s.Seed+o.Seed)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	r := &Record{Scenario: s, byID: map[string]*Track{}, byFinding: map[uint64]int{}}
	r.accept(spec, o.Rename)
	clock := eventtime.NewClock(eventtime.DefaultClockConfig(), eventtime.Mark{})
	start, zero := time.Now(), s.Zero.UnixMilli()
	for end := zero + s.Run.Milliseconds(); w.NowMS() < end; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		messages := w.Step()
		began := time.Now()
		for i := range messages {
			r.feed(&messages[i], brain, clock)
		}
		out, err := brain.Mark(clock.Tick(w.NowMS()))
		r.Brain += time.Since(began)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		r.note(out, time.Duration(w.NowMS()-zero)*time.Millisecond)
	}
	r.Took = time.Since(start)
	return r, nil
}

// feed gives the brain one message, and its times to the clock.
func (r *Record) feed(m *world.Message, brain Brain, clock *eventtime.Clock) {
	switch {
	case m.Metrics != nil:
		r.Samples += len(m.Metrics.Values)
		clock.Batch(m.Metrics)
		brain.Metrics(m.Metrics)
	case m.Logs != nil:
		r.Lines += m.Logs.Len()
		brain.Logs(m.Logs)
	case m.Spans != nil:
		r.Spans += m.Spans.Len()
		brain.Spans(m.Spans)
	case m.Changes != nil:
		brain.Changes(m.Changes)
	case m.Findings != nil:
		brain.Findings(m.Findings)
	}
}

// note keeps what a mark brought.
func (r *Record) note(out Output, at time.Duration) {
	for _, f := range out.Findings {
		if k, ok := r.byFinding[f.ID]; ok {
			r.Findings[k].Finding = f
			continue
		}
		r.byFinding[f.ID] = len(r.Findings)
		r.Findings = append(r.Findings, Seen{At: at, Finding: f})
	}
	for _, i := range out.Incidents {
		t := r.byID[i.ID]
		if t == nil {
			t = &Track{ID: i.ID}
			r.byID[i.ID] = t
			r.Tracks = append(r.Tracks, t)
		}
		c := *i
		c.Members, c.Entities, c.Verdict.Candidates = slices.Clone(i.Members), slices.Clone(i.Entities), slices.Clone(i.Verdict.Candidates)
		if len(t.Revisions) >= maxRevisions {
			t.Revisions = slices.Delete(t.Revisions, maxRevisions/2, maxRevisions/2+1)
		}
		t.Revisions = append(t.Revisions, Revision{At: at, Incident: c})
	}
}

// mostInstances is how many instances of a part a run can have made.
const mostInstances = 60

// accept works out by which names what is expected may be called: a part by that of each of its instances too.
func (r *Record) accept(spec world.Spec, rename func(string) string) {
	if rename == nil {
		rename = func(s string) string { return s }
	}
	r.names = map[string]map[string]bool{}
	for _, e := range r.Scenario.Expects {
		for _, n := range e.Entities {
			set := map[string]bool{rename(n): true}
			for _, p := range spec.Parts {
				if p.Name != n {
					continue
				}
				for k := range mostInstances {
					set[rename(fmt.Sprintf("%s-%d", n, k+1))] = true
				}
			}
			r.names[n] = set
		}
	}
}

// is says whether an entity is one of the expected ones.
func (r *Record) is(e model.Entity, expected []string) bool {
	return slices.ContainsFunc(expected, func(n string) bool {
		name := e.Name
		if _, after, ok := strings.Cut(name, "/"); ok {
			name = after // A service in a name space.
		}
		return r.names[n][e.Name] || r.names[n][name]
	})
}
