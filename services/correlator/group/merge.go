package group

import (
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// youngMS is how long after its opening an incident may turn out to be a part of another by itself: what is learnt of the topology later than that
// is no reason to change what people are working on.
const youngMS = 10 * minute

// mayMerge says whether two incidents may become one by themselves.
func mayMerge(a, b *incident) bool {
	return a != b && a.alive() && b.alive() && !slices.Contains(a.Apart, b.M.ID) && !slices.Contains(b.Apart, a.M.ID)
}

// merge makes one incident of two: the older one stays, the other points to it. It returns the one that stays.
func (g *Grouper) merge(a, b *incident, why string) *incident {
	if compareIncidents(a, b) > 0 {
		a, b = b, a
	}
	for _, p := range b.Parts {
		had := a.part(p.Cell)
		if had == nil && len(a.Parts) >= g.cfg.MaxMembers {
			a.More++
			continue
		}
		if had != nil {
			had.Times += p.Times
			had.IDs = append(had.IDs, p.IDs...)
			if over := len(had.IDs) - maxFolded; over > 0 {
				had.IDs = slices.Delete(had.IDs, 1, 1+over)
			}
			continue
		}
		p.Reason = clip("merged from "+b.M.ID+": "+p.Reason, maxText)
		a.Parts = append(a.Parts, p)
	}
	for _, f := range g.findings {
		if f.Incident == b.M.ID {
			f.Incident = a.M.ID
		}
	}
	a.More += b.More
	a.M.StartMS = min(a.M.StartMS, b.M.StartMS)
	a.GapMS = max(a.GapMS, b.GapMS)
	for _, k := range b.Kinds {
		a.Kinds = addBounded(a.Kinds, k, maxBarred)
	}
	for _, c := range b.M.Comments {
		if len(a.M.Comments) < g.cfg.MaxActs {
			a.M.Comments = append(a.M.Comments, c)
		}
	}
	if b.M.State == model.IncidentOpen {
		g.wake(a, "merged with "+b.M.ID)
	}
	b.Parts, b.M.Members, b.More = nil, nil, 0
	b.M.State, b.M.MergedInto, b.M.EndMS, b.EndAtMS = model.IncidentMerged, a.M.ID, g.atMS, g.nowMS
	for _, o := range g.incidents {
		if o.M.MergedInto == b.M.ID {
			o.M.MergedInto, o.told = a.M.ID, true
		}
	}
	g.note(a, "took in "+b.M.ID+": "+why)
	g.note(b, "merged into "+a.M.ID+": "+why)
	a.dirty = true
	g.stats.Merged++
	return a
}

// mergeNear merges young incidents into others that turn out to be direct neighbours, as edges become known.
func (g *Grouper) mergeNear(v *vicinity) {
	var members []*finding
	var x *index
	for _, i := range g.sorted() {
		if !i.alive() || g.atMS-i.M.DetectedMS > youngMS || i.M.DetectedMS == g.atMS {
			continue
		}
		if x == nil {
			members = slices.DeleteFunc(g.members(), (*finding).weak)
			x = newIndex(members)
		}
		for _, f := range members {
			if f.Incident != i.M.ID {
				continue
			}
			for _, l := range g.links(f, x, v) {
				other := g.incidents[l.to.Incident]
				if l.direct && other != nil && i.alive() && mayMerge(i, other) {
					g.merge(i, other, f.F.Signal.Name+" of "+f.F.Entity.Name+" "+v.way(f.F.Entity, l.to.F.Entity))
				}
			}
		}
	}
}

// splitTorn looks at incidents that a finding was taken out of. Where what is left does not hang together, the pieces become incidents of their own
// if they are enough for one, and loose findings otherwise.
func (g *Grouper) splitTorn(v *vicinity) {
	for _, i := range g.sorted() {
		if !i.torn {
			continue
		}
		i.torn = false
		if !i.alive() {
			continue
		}
		pieces := g.pieces(i, v)
		if len(pieces) < 2 {
			continue
		}
		keep := 0
		for n, fs := range pieces {
			if _, ok := g.opening(fs, v); ok {
				keep = n // The first one that is enough has the id.
				break
			}
		}
		for n, fs := range pieces {
			if n != keep {
				g.cut(i, fs, v)
			}
		}
	}
}

// pieces returns the findings of an incident that hang together, with the links by which they joined taken as good.
func (g *Grouper) pieces(i *incident, v *vicinity) [][]*finding {
	var fs []*finding
	for _, f := range g.findings {
		if f.Incident == i.M.ID && f.HeldBy == "" {
			fs = append(fs, f)
		}
	}
	sortFindings(fs)
	pieces := g.components(fs, v)
	for merged := true; merged; {
		merged = false
		for a := 0; a < len(pieces); a++ {
			for b := len(pieces) - 1; b > a; b-- {
				if i.tied(pieces[a], pieces[b]) {
					pieces[a] = append(pieces[a], pieces[b]...)
					sortFindings(pieces[a])
					pieces = slices.Delete(pieces, b, b+1)
					merged = true
				}
			}
		}
	}
	return pieces
}

// tied says whether a finding of one piece joined by one of the other.
func (i *incident) tied(a, b []*finding) bool {
	has := func(fs []*finding, cell uint64) bool {
		return slices.ContainsFunc(fs, func(f *finding) bool { return f.Cell == cell })
	}
	for _, fs := range [][2][]*finding{{a, b}, {b, a}} {
		for _, f := range fs[0] {
			if p := i.part(f.Cell); p != nil && p.Via != 0 && has(fs[1], p.Via) {
				return true
			}
		}
	}
	return false
}

// cut takes a piece out of an incident.
func (g *Grouper) cut(i *incident, fs []*finding, v *vicinity) *incident {
	for _, f := range fs {
		g.leave(f)
	}
	i.torn = false
	g.restart(i)
	why, ok := g.opening(fs, v)
	if !ok || !g.room() {
		g.note(i, fs[0].F.Signal.Name+" of "+fs[0].F.Entity.Name+" is not connected with the rest any more")
		return nil
	}
	n := g.open(fs, why, v)
	n.M.SplitFrom = i.M.ID
	g.note(n, "split from "+i.M.ID)
	g.note(i, n.M.ID+" split off: not connected with the rest")
	g.stats.Split++
	return n
}

// restart sets the start of an incident from what is in it.
func (g *Grouper) restart(i *incident) {
	start := int64(0)
	for _, f := range g.findings {
		if f.Incident == i.M.ID && !f.weak() && (start == 0 || f.F.OnsetMS < start) {
			start = f.F.OnsetMS
		}
	}
	if start != 0 { // What it was opened by may be gone; it began before it was opened all the same.
		i.M.StartMS = min(start, i.M.DetectedMS)
	}
}
