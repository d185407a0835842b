package group

import (
	"errors"
	"fmt"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// The kinds of refusals of a command. A refused command changed nothing.
var (
	// ErrInvalid says that the command cannot be understood.
	ErrInvalid = errors.New("invalid command")
	// ErrUnknown says that what it speaks of is not there, or not remembered any more.
	ErrUnknown = errors.New("not known")
	// ErrConflict says that it does not go with the state of the incident.
	ErrConflict = errors.New("does not go with the state")
	// ErrTooMany says that a bound is reached.
	ErrTooMany = errors.New("too many")
)

// Command does what a person asks. It is done at once; incidents that it changes are returned by the next mark. A command whose id was done is
// done already. Errors are of the kinds ErrInvalid, ErrUnknown, ErrConflict and ErrTooMany.
func (g *Grouper) Command(c model.Command) error {
	if c.ID == "" {
		return fmt.Errorf("a command needs an id: %w", ErrInvalid)
	}
	if g.doneSet[c.ID] {
		return nil
	}
	c.Who, c.Text = clip(c.Who, maxName), clip(c.Text, maxLong)
	if err := g.act(&c); err != nil {
		return err
	}
	g.done = append(g.done, c.ID)
	g.doneSet[c.ID] = true
	if over := len(g.done) - g.cfg.MaxCommands; over > 0 {
		for _, id := range g.done[:over] {
			delete(g.doneSet, id)
		}
		g.done = slices.Clone(g.done[over:])
	}
	return nil
}

func (g *Grouper) act(c *model.Command) error {
	switch c.Action {
	case "maintenance":
		return g.maintain(c)
	case "feedback":
		return g.feedback(c)
	case "revoke":
		return g.revoke(c)
	}
	i, err := g.current(c.Incident)
	if err != nil {
		return err
	}
	act := &model.PersonAct{AtMS: c.AtMS, Who: c.Who, Text: c.Text}
	switch c.Action {
	case "acknowledge":
		i.M.Acknowledged = act
		g.note(i, "acknowledged by "+c.Who)
	case "unacknowledge":
		i.M.Acknowledged = nil
		g.note(i, "acknowledgement taken back by "+c.Who)
	case "assign":
		i.M.Assignee = clip(c.Text, maxName)
		g.note(i, "assigned to "+nobody(i.M.Assignee)+" by "+c.Who)
	case "comment":
		if c.Text == "" {
			return fmt.Errorf("a comment needs a text: %w", ErrInvalid)
		}
		if len(i.M.Comments) >= g.cfg.MaxActs {
			return fmt.Errorf("%d comments: %w", len(i.M.Comments), ErrTooMany)
		}
		i.M.Comments = append(i.M.Comments, *act)
		i.told = true
	case "resolve":
		g.resolve(i, c)
	case "reopen":
		g.reopen(i, c)
	case "merge":
		return g.mergeByHand(i, c)
	case "split":
		return g.splitByHand(i, c)
	default:
		return fmt.Errorf("action %q: %w", clip(c.Action, maxName), ErrInvalid)
	}
	return nil
}

func nobody(name string) string {
	if name == "" {
		return "nobody"
	}
	return name
}

// current returns an incident, or the one that took it in.
func (g *Grouper) current(id string) (*incident, error) {
	i := g.incidents[id]
	for n := 0; i != nil && i.M.State == model.IncidentMerged && n < 8; n++ {
		i = g.incidents[i.M.MergedInto]
	}
	if i == nil {
		return nil, fmt.Errorf("incident %q: %w", clip(id, maxName), ErrUnknown)
	}
	return i, nil
}

// resolve ends an incident by a person's word. Its findings stay in it, so that they open nothing; new ones reopen it.
func (g *Grouper) resolve(i *incident, c *model.Command) {
	i.M.Resolution = c.Text
	if !i.alive() {
		i.told = true
		return
	}
	i.EndedByPerson = c.Who
	g.end(i, "resolved by "+c.Who)
}

// reopen takes an end back.
func (g *Grouper) reopen(i *incident, c *model.Command) {
	if i.alive() {
		return
	}
	i.M.State, i.M.EndMS, i.M.QuietMS, i.EndAtMS, i.QuietAtMS = model.IncidentOpen, 0, 0, 0, 0
	i.EndedBy, i.EndedByPerson, i.M.Resolution = "", "", ""
	i.ActiveAtMS = g.nowMS
	i.dirty = true
	g.note(i, "reopened by "+c.Who)
}

// mergeByHand makes one incident of two, whatever their states are: the older one stays.
func (g *Grouper) mergeByHand(i *incident, c *model.Command) error {
	o, err := g.current(c.Other)
	if err != nil {
		return err
	}
	if o == i {
		return nil // Done already.
	}
	drop := func(s []string, id string) []string {
		return slices.DeleteFunc(s, func(x string) bool { return x == id })
	}
	i.Apart, o.Apart = drop(i.Apart, o.M.ID), drop(o.Apart, i.M.ID)
	g.merge(i, o, "by "+c.Who)
	return nil
}

// splitByHand makes an incident of its own of some findings, which then stays apart from the first.
func (g *Grouper) splitByHand(i *incident, c *model.Command) error {
	if !i.alive() {
		return fmt.Errorf("incident %s has ended: %w", i.M.ID, ErrConflict)
	}
	var cells []uint64
	for _, id := range c.Findings {
		f := g.findings[id]
		if f == nil || f.Incident != i.M.ID {
			return fmt.Errorf("finding %d is not in incident %s: %w", id, i.M.ID, ErrUnknown)
		}
		cells = addBounded(cells, f.Cell, g.cfg.MaxMembers)
	}
	var out []*finding
	for _, f := range g.findings {
		if f.Incident == i.M.ID && slices.Contains(cells, f.Cell) {
			out = append(out, f)
		}
	}
	sortFindings(out)
	switch {
	case len(out) == 0:
		return fmt.Errorf("a split needs findings: %w", ErrInvalid)
	case len(cells) >= len(i.Parts):
		return fmt.Errorf("a split must leave something in incident %s: %w", i.M.ID, ErrConflict)
	case !g.room():
		return fmt.Errorf("%d incidents: %w", g.cfg.MaxIncidents, ErrTooMany)
	}
	for _, f := range out {
		g.leave(f)
	}
	i.torn = false
	g.restart(i)
	n := g.open(out, "taken out of "+i.M.ID+" by "+c.Who, newVicinity(nil, g.findings))
	n.M.SplitFrom = i.M.ID
	n.Apart, i.Apart = addBounded(n.Apart, i.M.ID, maxBarred), addBounded(i.Apart, n.M.ID, maxBarred)
	g.note(i, n.M.ID+" was split off by "+c.Who)
	g.stats.Split++
	return nil
}
