package group

import (
	"cmp"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// quietAfterMS is how long nothing must last or come before an incident is quiet: less would be a pause between two samples.
const quietAfterMS = minute

// wake makes an incident open, if it was quiet or had ended, and learns from how long it was.
func (g *Grouper) wake(i *incident, why string) {
	i.ActiveAtMS = g.nowMS
	if i.M.State == model.IncidentOpen || i.M.State == model.IncidentMerged {
		return
	}
	gap := g.nowMS - i.QuietAtMS
	i.GapMS = max(i.GapMS, gap)
	for _, e := range i.M.Entities {
		g.memory.flapped(e.String(), gap, g.nowMS)
	}
	if i.M.State == model.IncidentResolved {
		g.stats.Reopened++
		i.EndedBy, i.EndedByPerson, i.EndAtMS, i.M.EndMS = "", "", 0, 0
		g.note(i, "reopened after "+duration(gap)+": "+why)
	} else {
		g.note(i, "back after "+duration(gap)+" of quiet: "+why)
	}
	i.M.State, i.M.QuietMS, i.QuietAtMS = model.IncidentOpen, 0, 0
	i.dirty = true
}

// takesBack says whether a finding of one of an incident's signals belongs to it again.
func (g *Grouper) takesBack(i *incident, onsetMS int64) bool {
	switch i.M.State {
	case model.IncidentOpen, model.IncidentQuiet:
		return true
	case model.IncidentResolved:
		if i.EndedBy != "" {
			return false // People said that it was nothing.
		}
		window := min(max(g.cfg.ReopenMS, 2*g.gap(i)), 4*g.cfg.MaxResolveAfterMS)
		return g.nowMS-i.EndAtMS <= window && onsetMS > i.EndAtMS-window
	}
	return false
}

// gap returns the longest quiet time after which trouble of an incident's entities came back, as it is remembered.
func (g *Grouper) gap(i *incident) int64 {
	gap := i.GapMS
	for _, e := range i.M.Entities {
		gap = max(gap, g.memory.Flaps[e.String()].left(g.nowMS))
	}
	return gap
}

// resolveAfter returns how long an incident has to stay quiet to end: longer than what has flapped before was quiet.
func (g *Grouper) resolveAfter(i *incident) int64 {
	return min(max(g.cfg.ResolveAfterMS, 2*g.gap(i)), g.cfg.MaxResolveAfterMS)
}

// live moves incidents through their states, and ends findings that nobody speaks of any more.
func (g *Grouper) live() {
	lasting := map[string]bool{}
	for _, f := range g.findings {
		if f.open() && g.nowMS-f.HeardMS > g.cfg.StaleMS {
			f.F.EndMS = max(f.HeardMS, f.F.OnsetMS)
			if i := g.incidents[f.Incident]; i != nil {
				i.dirty = true
			}
		}
		if f.lasts() {
			lasting[f.Incident] = true
		}
	}
	for _, i := range g.sorted() {
		if !i.alive() {
			continue
		}
		switch {
		case len(i.Parts) == 0:
			g.end(i, "ended: nothing is left in it")
		case lasting[i.M.ID] && i.M.State == model.IncidentQuiet:
			g.wake(i, "a finding counts again")
		case lasting[i.M.ID]:
			i.ActiveAtMS = g.nowMS
			// What an effect means can depend on how long it lasts.
			i.dirty = i.dirty || g.atMS-i.M.DetectedMS < 2*lostWhile
		case i.M.State == model.IncidentOpen && g.nowMS-i.ActiveAtMS >= quietAfterMS:
			i.M.State, i.M.QuietMS, i.QuietAtMS = model.IncidentQuiet, g.atMS, g.nowMS
			i.dirty = true
			g.note(i, "quiet: all signals are as usual; ends after "+duration(g.resolveAfter(i)))
		case i.M.State == model.IncidentQuiet && g.nowMS-i.QuietAtMS >= g.resolveAfter(i):
			g.end(i, "ended: quiet for "+duration(g.nowMS-i.QuietAtMS))
		}
	}
}

// end resolves an incident.
func (g *Grouper) end(i *incident, why string) {
	if i.QuietAtMS == 0 {
		i.QuietAtMS = g.nowMS
	}
	i.M.State, i.M.EndMS, i.EndAtMS = model.IncidentResolved, g.atMS, g.nowMS
	if i.M.QuietMS == 0 {
		i.M.QuietMS = g.atMS
	}
	i.dirty = true
	g.note(i, why)
}

// forget drops what is over: findings that nothing can join any more, incidents beyond their time or their number.
func (g *Grouper) forget() {
	for id, f := range g.findings {
		if f.open() {
			continue
		}
		i := g.incidents[f.Incident]
		over := g.nowMS - f.F.EndMS
		switch {
		case i == nil && over > keepLooseMS, i != nil && !i.alive() && !g.takesBack(i, g.nowMS) && over > keepLooseMS:
			delete(g.findings, id)
		}
	}
	var ended []*incident
	for _, i := range g.incidents {
		if !i.alive() && !i.told {
			ended = append(ended, i)
		}
	}
	slices.SortFunc(ended, func(a, b *incident) int {
		return cmp.Or(cmp.Compare(b.EndAtMS, a.EndAtMS), cmp.Compare(a.M.ID, b.M.ID))
	})
	for n, i := range ended {
		if n >= g.cfg.MaxEnded || g.nowMS-i.EndAtMS > g.cfg.KeepEndedMS {
			delete(g.incidents, i.M.ID)
		}
	}
}

// changed refreshes what is written of incidents that changed, and returns copies of those that people would see change.
func (g *Grouper) changed(v *vicinity) []*model.Incident {
	var dirty []*incident
	for _, i := range g.sorted() {
		if i.dirty || i.told {
			dirty = append(dirty, i)
		}
	}
	if len(dirty) == 0 {
		return nil
	}
	findings := map[string][]*finding{}
	for _, f := range g.findings {
		if f.Incident != "" {
			findings[f.Incident] = append(findings[f.Incident], f)
		}
	}
	var out []*model.Incident
	for _, i := range dirty {
		fs := findings[i.M.ID]
		sortFindings(fs)
		if i.dirty && i.M.State != model.IncidentMerged {
			g.refresh(i, fs, v)
		}
		if i.told {
			i.M.UpdatedMS = g.atMS
			out = append(out, clone(&i.M))
		}
		i.dirty, i.told = false, false
	}
	slices.SortFunc(out, func(a, b *model.Incident) int {
		return cmp.Or(cmp.Compare(a.StartMS, b.StartMS), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// refresh works out what follows from an incident's findings: members, entities, severity and title.
func (g *Grouper) refresh(i *incident, fs []*finding, v *vicinity) {
	var entities []model.Entity
	members := make([]model.Member, 0, len(i.Parts))
	byCell := map[uint64][]*finding{}
	for _, f := range fs {
		byCell[f.Cell] = append(byCell[f.Cell], f)
	}
	for n := range i.Parts {
		p := &i.Parts[n]
		m := model.Member{FindingID: p.IDs[0], Entity: p.Entity, Name: p.Name, JoinedMS: p.JoinedMS, Reason: p.Reason, Times: p.Times}
		m.Folded = slices.Clone(p.IDs[1:])
		for n, f := range byCell[p.Cell] {
			m.Open = m.Open || f.lasts()
			if n == 0 || f.HeldBy == "" {
				m.Held = f.HeldBy
			}
		}
		members = append(members, m)
		entities = append(entities, p.Entity)
	}
	slices.SortFunc(entities, model.Entity.Compare)
	entities = slices.Compact(entities)
	if !slices.EqualFunc(members, i.M.Members, equalMembers) {
		i.told = true
	}
	i.M.Members, i.M.Entities = members, entities
	fs = slices.DeleteFunc(slices.Clone(fs), func(f *finding) bool { return f.HeldBy != "" })
	if len(fs) == 0 {
		return // What is held only counts for nothing, and what was known stays.
	}
	m := assess(fs, v, g.nowMS)
	if title := titleOf(m, i.More); title != i.M.Title {
		i.M.Title, i.told = title, true
	}
	if order(m.severity) < order(i.M.Severity) && !i.fall {
		m.severity = i.M.Severity // What was affected was affected.
	}
	i.fall = false
	if m.severity != i.M.Severity {
		if i.M.Severity != "" {
			g.note(i, "severity "+string(i.M.Severity)+" → "+string(m.severity)+": "+m.why)
		}
		i.M.Severity, i.told = m.severity, true
	}
	if i.M.PagedMS == 0 && i.M.State == model.IncidentOpen && pages(m.severity) {
		i.M.PagedMS, i.told = g.atMS, true
		g.note(i, "pages: "+m.why)
	}
}

func equalMembers(a, b model.Member) bool {
	return a.FindingID == b.FindingID && a.Open == b.Open && a.Held == b.Held && a.Times == b.Times && a.Reason == b.Reason
}

// clone returns a copy that shares nothing that changes. Verdicts are replaced as a whole and never changed.
func clone(m *model.Incident) *model.Incident {
	c := *m
	c.Members = slices.Clone(m.Members)
	for n := range c.Members {
		c.Members[n].Folded = slices.Clone(c.Members[n].Folded)
	}
	c.Entities, c.Comments = slices.Clone(m.Entities), slices.Clone(m.Comments)
	c.Feedback, c.History = slices.Clone(m.Feedback), slices.Clone(m.History)
	if m.Acknowledged != nil {
		a := *m.Acknowledged
		c.Acknowledged = &a
	}
	return &c
}
