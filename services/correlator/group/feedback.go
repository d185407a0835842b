package group

import (
	"fmt"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// maintain announces work as a command: Feedback.Target says where, AtMS and Feedback.UntilMS when.
func (g *Grouper) maintain(c *model.Command) error {
	t, err := parseTarget(c.Feedback.Target)
	if err != nil {
		return err
	}
	if !t.all && (t.entity == model.Entity{} || t.name != "") {
		return fmt.Errorf("maintenance needs the target entity:ENTITY or all: %w", ErrInvalid)
	}
	until := c.Feedback.UntilMS
	if until == 0 {
		until = c.AtMS + maxWindowMS
	}
	if until <= c.AtMS {
		return fmt.Errorf("maintenance ends before it begins: %w", ErrInvalid)
	}
	return g.addRule(rule{ID: c.ID, Kind: kindMaintenance, Who: c.Who, Why: c.Text, Entity: t.entity, All: t.all, FromMS: c.AtMS, UntilMS: until})
}

// feedback takes a person's judgement. On an incident it is kept with it; mutes and expectations of signals need none.
func (g *Grouper) feedback(c *model.Command) error {
	fb := c.Feedback
	if fb.ID == "" {
		fb.ID = c.ID
	}
	fb.RevokedMS, fb.AtMS = 0, c.AtMS
	fb.Who, fb.Text, fb.Target = c.Who, clip(firstOf(fb.Text, c.Text), maxLong), clip(fb.Target, 2*maxName)
	t, err := parseTarget(fb.Target)
	if err != nil {
		return err
	}
	if t.incident {
		fb.Target = "incident"
	}
	var i *incident
	if c.Incident != "" || t.incident {
		if i, err = g.current(c.Incident); err != nil {
			return err
		}
		if len(i.M.Feedback) >= g.cfg.MaxActs {
			return fmt.Errorf("%d judgements on incident %s: %w", len(i.M.Feedback), i.M.ID, ErrTooMany)
		}
		if slices.ContainsFunc(i.M.Feedback, func(o model.Feedback) bool { return o.ID == fb.ID }) {
			return fmt.Errorf("there is a judgement %q: %w", fb.ID, ErrConflict)
		}
	}
	if err := g.judge(i, &fb, t); err != nil {
		return err
	}
	if i != nil {
		i.M.Feedback = append(i.M.Feedback, fb)
		i.dirty = true
		g.note(i, fmt.Sprintf("%s said %q of %s", fb.Who, fb.Kind, fb.Target))
	}
	return nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// judge does what a judgement means.
func (g *Grouper) judge(i *incident, fb *model.Feedback, t target) error {
	switch fb.Kind {
	case model.FeedbackConfirm, model.FeedbackReject:
		return g.judgeWorth(i, fb, t)
	case model.FeedbackNotRelated:
		return g.judgeUnrelated(i, fb, t)
	case model.FeedbackExpected, model.FeedbackMute:
		return g.judgeSignals(i, fb, t)
	}
	return fmt.Errorf("judgement %q: %w", clip(string(fb.Kind), maxName), ErrInvalid)
}

// judgeWorth takes "that was something" and "that was nothing".
func (g *Grouper) judgeWorth(i *incident, fb *model.Feedback, t target) error {
	switch {
	case t.incident:
		g.judgeIncident(i, fb.Kind, 1)
		if fb.Kind == model.FeedbackConfirm {
			for _, p := range i.Parts {
				g.memory.unlearn(p.Cell, 1)
			}
		}
		if fb.Kind == model.FeedbackReject && i.alive() {
			g.end(i, "ended: "+fb.Who+" said that it is nothing")
			i.EndedBy = fb.ID
		}
	case t.finding != 0:
		f := g.findings[t.finding]
		if f == nil {
			return fmt.Errorf("finding %d: %w", t.finding, ErrUnknown)
		}
		g.memory.judge(kindOf(&f.F), fb.Kind, 1, g.nowMS)
		if fb.Kind == model.FeedbackReject {
			f.Rejected = true
		}
	case i == nil:
		return fmt.Errorf("a judgement on %q needs an incident: %w", fb.Target, ErrInvalid)
	}
	return nil // On a candidate it is for the search for the cause, which finds it with the incident.
}

// judgeIncident counts a judgement on an incident, or takes it back (by = −1).
func (g *Grouper) judgeIncident(i *incident, as model.FeedbackKind, by int) {
	for _, k := range i.Kinds {
		g.memory.judge(k, as, by, g.nowMS)
	}
	if as == model.FeedbackConfirm {
		g.stats.Confirmed += by
	} else {
		g.stats.Rejected += by
	}
}

// judgeUnrelated takes "that does not belong here": the finding, or all of an entity, leaves, never comes back into this incident, and its signal is
// not linked with the others' by habit any more.
func (g *Grouper) judgeUnrelated(i *incident, fb *model.Feedback, t target) error {
	if i == nil || t.incident || t.all {
		return fmt.Errorf("%s needs an incident and a finding, signal or entity in it: %w", fb.Kind, ErrInvalid)
	}
	out := g.meant(i, t)
	if len(out) == 0 {
		return fmt.Errorf("%s is not in incident %s: %w", fb.Target, i.M.ID, ErrUnknown)
	}
	rest := g.restOf(i, out)
	if len(rest) == 0 {
		return fmt.Errorf("nothing else is in incident %s: %w", i.M.ID, ErrConflict)
	}
	for _, f := range out {
		for _, o := range rest {
			g.memory.deny(f.Cell, o, 1, g.nowMS)
		}
		g.leave(f)
		f.Barred = addBounded(f.Barred, i.M.ID, maxBarred)
		f.Out = addBounded(f.Out, fb.ID, maxBarred)
	}
	g.restart(i)
	return nil
}

// meant returns the findings of an incident that a target speaks of, with the others of their signals.
func (g *Grouper) meant(i *incident, t target) []*finding {
	var cells []uint64
	for _, f := range g.findings {
		if f.Incident == i.M.ID && (f.F.ID == t.finding || t.finding == 0 && f.F.Entity == t.entity && (t.name == "" || t.name == anyName || t.name == f.F.Signal.Name)) {
			cells = append(cells, f.Cell)
		}
	}
	var out []*finding
	for _, f := range g.findings {
		if f.Incident == i.M.ID && slices.Contains(cells, f.Cell) {
			out = append(out, f)
		}
	}
	sortFindings(out)
	return out
}

// restOf returns the signals of an incident without those of some findings.
func (g *Grouper) restOf(i *incident, out []*finding) []uint64 {
	var rest []uint64
	for _, p := range i.Parts {
		if !slices.ContainsFunc(out, func(f *finding) bool { return f.Cell == p.Cell }) {
			rest = append(rest, p.Cell)
		}
	}
	return rest
}

// judgeSignals takes mutes and expectations: of a signal, of the signal of a finding, or of all that an incident has.
func (g *Grouper) judgeSignals(i *incident, fb *model.Feedback, t target) error {
	r := rule{ID: fb.ID, Kind: string(fb.Kind), Who: fb.Who, Why: fb.Text, FromMS: fb.AtMS}
	at := fb.AtMS
	if fb.Kind == model.FeedbackMute {
		r.UntilMS = fb.UntilMS
		if fb.UntilMS != 0 && fb.UntilMS <= fb.AtMS {
			return fmt.Errorf("a mute ends before it begins: %w", ErrInvalid)
		}
	}
	var rules []rule
	switch {
	case t.incident:
		for _, p := range i.Parts {
			s := r
			s.Entity, s.Name, s.Finding = p.Entity, p.Name, p.IDs[0]
			s.Hour = int(hourOfWeek(i.M.StartMS))
			rules = append(rules, s)
		}
	case t.finding != 0:
		f := g.findings[t.finding]
		if f == nil {
			return fmt.Errorf("finding %d: %w", t.finding, ErrUnknown)
		}
		r.Entity, r.Name, r.Finding = f.F.Entity, f.F.Signal.Name, f.F.ID
		r.Hour = int(hourOfWeek(f.F.OnsetMS))
		rules = append(rules, r)
	case t.entity != model.Entity{}:
		r.Entity, r.Name = t.entity, firstOf(t.name, anyName)
		r.Hour = int(hourOfWeek(at))
		rules = append(rules, r)
	default:
		return fmt.Errorf("%s needs a finding, a signal, an entity or an incident: %w", fb.Kind, ErrInvalid)
	}
	if len(g.rules)+len(rules) > g.cfg.MaxRules {
		return fmt.Errorf("%d mutes, expectations and windows are in force: %w", len(g.rules), ErrTooMany)
	}
	g.rules = append(g.rules, rules...)
	return nil
}

// revoke takes a judgement, a mute or a maintenance window back: Feedback.ID names it.
func (g *Grouper) revoke(c *model.Command) error {
	id := c.Feedback.ID
	if id == "" {
		return fmt.Errorf("a revocation needs the id of what it takes back: %w", ErrInvalid)
	}
	dropped := false
	for g.dropRule(id) {
		dropped = true
	}
	for _, i := range g.sorted() {
		for n := range i.M.Feedback {
			fb := &i.M.Feedback[n]
			if fb.ID != id {
				continue
			}
			if fb.RevokedMS == 0 {
				fb.RevokedMS = c.AtMS
				i.dirty = true
				g.note(i, fmt.Sprintf("%s took back %q of %s", c.Who, fb.Kind, fb.Target))
				g.undo(i, fb)
			}
			return nil
		}
	}
	if dropped {
		return nil
	}
	return fmt.Errorf("judgement %q: %w", clip(id, maxName), ErrUnknown)
}

// undo takes back what a judgement did.
func (g *Grouper) undo(i *incident, fb *model.Feedback) {
	t, err := parseTarget(fb.Target)
	if err != nil {
		return // It was parsed when it came.
	}
	switch fb.Kind {
	case model.FeedbackConfirm, model.FeedbackReject:
		if f := g.findings[t.finding]; f != nil {
			g.memory.judge(kindOf(&f.F), fb.Kind, -1, g.nowMS)
			f.Rejected = f.Rejected && fb.Kind != model.FeedbackReject
			return
		}
		if !t.incident {
			return
		}
		g.judgeIncident(i, fb.Kind, -1)
		if i.EndedBy == fb.ID {
			g.reopen(i, &model.Command{Who: "the judgement being taken back"})
		}
	case model.FeedbackNotRelated:
		g.rejoin(i, fb.ID)
	}
}

// rejoin puts back what a judgement took out, as far as it is still loose.
func (g *Grouper) rejoin(i *incident, id string) {
	var back []*finding
	for _, f := range g.findings {
		if slices.Contains(f.Out, id) {
			back = append(back, f)
		}
	}
	sortFindings(back)
	for _, f := range back {
		f.Out = slices.DeleteFunc(f.Out, func(x string) bool { return x == id })
		f.Barred = slices.DeleteFunc(f.Barred, func(x string) bool { return x == i.M.ID })
		for _, o := range g.restOf(i, back) {
			g.memory.deny(f.Cell, o, -1, g.nowMS)
		}
		if f.Incident == "" && i.alive() {
			g.join(i, f, "put back: the judgement was taken back", nil)
		}
	}
}
