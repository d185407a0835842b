package group

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/model"
)

const (
	// kindMaintenance is the kind of a change, and the action of a command, that announces work.
	kindMaintenance = "maintenance"
	// graceMS is how long after a maintenance window its findings count for nothing yet: what was restarted has to come up.
	graceMS = 5 * minute
	// maxWindowMS ends a window of which nobody said when it ends: forgotten work must not blind anybody for long.
	maxWindowMS = day
	// expectedHours is how many hours before and after the hour of a judgement a signal is expected.
	expectedHours = 1
	weekHours     = 7 * 24
	anyName       = "*"
)

// rule is why findings count for nothing: a mute, an expectation, a maintenance window.
type rule struct {
	ID string
	// Kind is mute, expected or maintenance.
	Kind string
	Who  string
	Why  string
	// Entity and Name are the signal; Name is * for all of an entity. All is every entity.
	Entity model.Entity
	Name   string
	All    bool
	// Finding is the one that the judgement was on: it is held at any hour.
	Finding uint64
	// Hour is the hour of the week of an expectation, in UTC from Thursday on, as unix time counts.
	Hour int
	// FromMS and UntilMS bound it in event time; UntilMS is 0 for ever.
	FromMS, UntilMS int64
}

// Rule is why findings count for nothing, for people to see.
type Rule struct {
	ID, Kind, Who, Why string
	// Target is as in model.Feedback.
	Target string
	// HourOfWeek is 0 for Monday, midnight, UTC; −1 where the hour does not matter.
	HourOfWeek      int
	FromMS, UntilMS int64
}

// Rules returns the mutes, expectations and maintenance windows that are in force or to come, in the order in which they were made.
func (g *Grouper) Rules() []Rule {
	out := make([]Rule, 0, len(g.rules))
	for i := range g.rules {
		r := &g.rules[i]
		o := Rule{ID: r.ID, Kind: r.Kind, Who: r.Who, Why: r.Why, HourOfWeek: -1, FromMS: r.FromMS, UntilMS: r.UntilMS}
		switch {
		case r.All:
			o.Target = "all"
		case r.Kind == kindMaintenance:
			o.Target = "entity:" + r.Entity.String()
		default:
			o.Target = "signal:" + r.Entity.String() + "/" + r.Name
		}
		if r.Kind == string(model.FeedbackExpected) {
			o.HourOfWeek = (r.Hour + 3*24) % weekHours
		}
		out = append(out, o)
	}
	return out
}

// Changes takes changes. Those of the kind maintenance are windows: what is found at their service or host, or at what runs on it, counts for
// nothing until they are over. Of two with one id the later stands. Other kinds are for the search for the cause.
func (g *Grouper) Changes(cs []model.Change) {
	for i := range cs {
		c := &cs[i]
		if !strings.EqualFold(c.Kind, kindMaintenance) {
			continue
		}
		r := rule{ID: "change:" + clip(c.ID, maxName), Kind: kindMaintenance, Who: clip(c.Actor, maxName), Why: clip(c.Title, maxText), FromMS: c.TimeNS / 1e6, UntilMS: c.EndNS / 1e6}
		switch {
		case c.Service != "":
			r.Entity = model.Entity{Kind: model.KindService, Name: clip(c.Service, maxName)}
		case c.Host != "":
			r.Entity = model.Entity{Kind: model.KindHost, Name: clip(c.Host, maxName)}
		default:
			r.All = true
		}
		if r.UntilMS == 0 {
			r.UntilMS = r.FromMS + maxWindowMS
		}
		g.dropRule(r.ID)
		// What there are too many of is not kept; that it was said is in the table of changes.
		_ = g.addRule(r)
	}
}

// addRule adds a rule, if there is room.
func (g *Grouper) addRule(r rule) error {
	if len(g.rules) >= g.cfg.MaxRules {
		return fmt.Errorf("%d mutes, expectations and windows are in force: %w", len(g.rules), ErrTooMany)
	}
	g.rules = append(g.rules, r)
	return nil
}

// dropRule removes a rule and says whether it was there.
func (g *Grouper) dropRule(id string) bool {
	for i := range g.rules {
		if g.rules[i].ID == id {
			g.rules = append(g.rules[:i:i], g.rules[i+1:]...)
			return true
		}
	}
	return false
}

// hold works out which findings count for nothing now.
func (g *Grouper) hold(v *vicinity) {
	kept := g.rules[:0:0]
	for _, r := range g.rules {
		if r.UntilMS == 0 || g.nowMS < r.UntilMS+graceOf(&r) {
			kept = append(kept, r)
		}
	}
	g.rules = kept
	for _, f := range g.findings {
		had := f.HeldBy
		g.holdOne(f, v)
		if had != f.HeldBy {
			if i := g.incidents[f.Incident]; i != nil {
				i.dirty, i.fall = true, true
			}
		}
	}
}

// holdOne works it out for one finding.
func (g *Grouper) holdOne(f *finding, v *vicinity) {
	f.HeldBy = ""
	if f.Rejected {
		f.HeldBy = "rejected"
		return
	}
	for i := range g.rules {
		r := &g.rules[i]
		if !r.covers(f, v) || !r.inForce(f, g.nowMS) {
			continue
		}
		f.HeldBy = map[string]string{string(model.FeedbackMute): "muted", string(model.FeedbackExpected): "expected", kindMaintenance: kindMaintenance}[r.Kind]
		if r.Who != "" {
			f.HeldBy += " by " + r.Who
		}
		return
	}
}

// inForce says whether a rule holds for a finding's time.
func (r *rule) inForce(f *finding, nowMS int64) bool {
	onset := f.F.OnsetMS
	switch r.Kind {
	case kindMaintenance:
		// A finding that was there before, or that is still there when all should be up again, is real.
		return onset >= r.FromMS-minute && onset < r.UntilMS+graceMS && nowMS < r.UntilMS+graceMS
	case string(model.FeedbackExpected):
		d := abs(hourOfWeek(onset) - int64(r.Hour))
		return min(d, weekHours-d) <= expectedHours || f.F.ID == r.Finding && r.Finding != 0
	}
	return nowMS < r.UntilMS || r.UntilMS == 0
}

// covers says whether a rule speaks of a finding.
func (r *rule) covers(f *finding, v *vicinity) bool {
	e := f.F.Entity
	switch {
	case r.All:
		return true
	case r.Kind != kindMaintenance:
		return e == r.Entity && (r.Name == anyName || r.Name == f.F.Signal.Name)
	case e == r.Entity, same(v.owner(e), r.Entity):
		return true
	case r.Entity.Kind != model.KindHost:
		return false
	}
	for _, at := range []model.Entity{e, v.owner(e)} {
		for _, edge := range v.edges(at) {
			if edge.Kind == model.EdgeRunsOn && edge.From == at && edge.To == r.Entity {
				return true
			}
		}
	}
	return false
}

// same says whether a service is the one that a window names; who announces work may leave out the namespace.
func same(e, named model.Entity) bool {
	return e.Kind == named.Kind && (e.Name == named.Name || strings.HasSuffix(e.Name, "/"+named.Name))
}

func graceOf(r *rule) int64 {
	if r.Kind == kindMaintenance {
		return graceMS
	}
	return 0
}

// hourOfWeek counts from Thursday, midnight, UTC, as unix time does.
func hourOfWeek(ms int64) int64 { return (ms/hour%weekHours + weekHours) % weekHours }

// target is what a judgement is on.
type target struct {
	incident, all bool
	finding       uint64
	entity        model.Entity
	name          string // Of the signal; "" for the entity as such.
}

// parseTarget reads the target of feedback, see model.Feedback.
func parseTarget(s string) (target, error) {
	kind, rest, _ := strings.Cut(s, ":")
	switch kind {
	case "", "incident":
		return target{incident: true}, nil
	case "all":
		return target{all: true}, nil
	case "finding":
		id, err := strconv.ParseUint(rest, 10, 64)
		if err != nil || id == 0 {
			return target{}, fmt.Errorf("target %q names no finding: %w", s, ErrInvalid)
		}
		return target{finding: id}, nil
	case "candidate", "entity":
		if e, ok := model.ParseEntity(rest); ok {
			return target{entity: e}, nil
		}
	case "signal":
		at := strings.LastIndexByte(rest, '/') // Names of services may have one, names of signals have none.
		if at < 0 || at+1 == len(rest) {
			break
		}
		if e, ok := model.ParseEntity(rest[:at]); ok {
			return target{entity: e, name: rest[at+1:]}, nil
		}
	}
	return target{}, fmt.Errorf("target %q is not incident, finding:ID, candidate:ENTITY, signal:ENTITY/NAME, entity:ENTITY or all: %w", s, ErrInvalid)
}
