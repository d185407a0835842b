package group

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/faultline-io/faultline/services/model"
)

// incident is an incident with what is needed to go on with it. M.Members are made from Parts when it is published.
type incident struct {
	M     model.Incident
	Parts []part
	// ActiveAtMS is the watermark up to which something lasted or came, QuietAtMS that at which it went quiet, EndAtMS that of its end.
	// GapMS is the longest quiet time after which it came back.
	ActiveAtMS, QuietAtMS, EndAtMS, GapMS int64
	// Kinds are the kinds of openings that it was opened by: what a judgement on it is remembered by.
	Kinds []uint64
	// EndedBy is the feedback that ended it, EndedByPerson the one who did.
	EndedBy, EndedByPerson string
	// More counts findings beyond the bound of members, Left the steps of history that were left out.
	More, Left int
	// Apart are incidents that a person took this one apart from.
	Apart []string

	// torn says that something was taken out, fall that it may be less severe for that.
	dirty, told, torn, fall bool
}

// part is one signal of an incident with the findings of it.
type part struct {
	Cell     uint64
	Entity   model.Entity
	Name     string
	IDs      []uint64 // The first one names the member.
	Via      uint64   // The cell that it belongs to the incident by; 0 for the first.
	JoinedMS int64
	Reason   string
	Times    int
}

// alive says whether it has not ended.
func (i *incident) alive() bool {
	return i.M.State == model.IncidentOpen || i.M.State == model.IncidentQuiet
}

// part returns the part of a signal, nil if it has none.
func (i *incident) part(cell uint64) *part {
	for p := range i.Parts {
		if i.Parts[p].Cell == cell {
			return &i.Parts[p]
		}
	}
	return nil
}

// openNew makes incidents of loose findings that hang together and are enough.
func (g *Grouper) openNew(v *vicinity) {
	loose := g.loose()
	for _, fs := range g.components(loose, v) {
		if !slices.ContainsFunc(fs, func(f *finding) bool { return f.lasts() || f.HeardMS == g.nowMS }) {
			continue // It was not enough when it came.
		}
		why, ok := g.opening(fs, v)
		if !ok || !g.room() {
			continue
		}
		g.open(fs, why, v)
	}
}

// components returns the findings that hang together, each list and the lists by onset and id. Weak ones connect nothing.
func (g *Grouper) components(fs []*finding, v *vicinity) [][]*finding {
	place := make(map[*finding]int, len(fs))
	root := make([]int, len(fs))
	for i, f := range fs {
		place[f], root[i] = i, i
	}
	find := func(i int) int {
		for root[i] != i {
			root[i] = root[root[i]]
			i = root[i]
		}
		return i
	}
	x := newIndex(slices.DeleteFunc(slices.Clone(fs), (*finding).weak))
	for i, f := range fs {
		if f.weak() {
			// It goes with what it belongs to most, and brings nothing else along.
			if ls := g.links(f, x, v); len(ls) > 0 {
				root[i] = find(place[ls[0].to])
			}
			continue
		}
		for _, e := range g.reach(f, x, v) {
			near := x.entities[e]
			for _, a := range near[max(0, len(near)-maxCompared):] {
				j := place[a]
				if find(i) == find(j) {
					continue
				}
				if _, ok := g.relate(f, a, v, linkBar, false); ok {
					root[max(find(i), find(j))] = min(find(i), find(j))
				}
			}
		}
	}
	var out [][]*finding
	at := map[int]int{}
	for i, f := range fs {
		r := find(i)
		n, ok := at[r]
		if !ok {
			n = len(out)
			at[r] = n
			out = append(out, nil)
		}
		out[n] = append(out[n], f)
	}
	return out
}

// room makes room for another incident, and says whether there is: quiet ones end early, others do not.
func (g *Grouper) room() bool {
	n := 0
	var quiet *incident
	for _, i := range g.sorted() {
		if !i.alive() {
			continue
		}
		n++
		if i.M.State == model.IncidentQuiet && (quiet == nil || i.QuietAtMS < quiet.QuietAtMS) {
			quiet = i
		}
	}
	switch {
	case n < g.cfg.MaxIncidents:
		return true
	case quiet == nil:
		g.stats.Dropped++
		return false
	}
	g.end(quiet, "ended early: too many incidents at once")
	return true
}

// open makes an incident of findings that hang together.
func (g *Grouper) open(fs []*finding, why string, v *vicinity) *incident {
	fs = slices.Clone(fs)
	// An incident begins with what makes it one, not with what may have been there before.
	slices.SortStableFunc(fs, func(a, b *finding) int { return cmp.Compare(weight(a.weak()), weight(b.weak())) })
	first := fs[0]
	i := &incident{M: model.Incident{
		ID: g.name(first), Tenant: g.cfg.Tenant, State: model.IncidentOpen, StartMS: first.F.OnsetMS, DetectedMS: g.atMS,
	}}
	g.incidents[i.M.ID] = i
	g.stats.Opened++
	g.note(i, "opened: "+why)
	g.join(i, first, "first", nil)
	left := slices.Clone(fs[1:])
	for len(left) > 0 {
		joined := g.joinNext(i, left, v)
		left = slices.DeleteFunc(left, func(f *finding) bool { return slices.Contains(joined, f) })
		if len(joined) == 0 {
			// The usual lag is learnt on the way, so that a link may be just below the bar by now.
			for _, f := range left {
				g.join(i, f, g.reason(f, fs, v), first)
			}
			break
		}
	}
	effects := effectsOf(fs, v, g.nowMS)
	for n, f := range fs {
		if e := effects[n]; e.opens(f, g.nowMS) || len(i.Kinds) == 0 {
			i.Kinds = addBounded(i.Kinds, kindOf(&f.F), maxBarred)
		}
	}
	return i
}

func weight(weak bool) int {
	if weak {
		return 1
	}
	return 0
}

// reason says how a finding belongs to others, by its strongest link.
func (g *Grouper) reason(f *finding, fs []*finding, v *vicinity) string {
	best, how := 0.0, "with the others"
	for _, a := range fs {
		if l, ok := g.relate(f, a, v, 0, true); ok && a != f && l.ratio > best {
			best, how = l.ratio, l.how
		}
	}
	return how
}

// joinNext joins those of left that have a link to what is in already.
func (g *Grouper) joinNext(i *incident, left []*finding, v *vicinity) []*finding {
	var in []*finding
	for _, p := range i.Parts {
		for _, id := range p.IDs {
			if f := g.findings[id]; f != nil {
				in = append(in, f)
			}
		}
	}
	sortFindings(in)
	x := newIndex(in)
	var joined []*finding
	for _, f := range left {
		if ls := g.links(f, x, v); len(ls) > 0 {
			l, _ := g.relate(f, ls[0].to, v, 0, true)
			g.join(i, f, l.how, l.to)
			joined = append(joined, f)
		}
	}
	return joined
}

// name returns the id of the incident that a finding is the first of. A finding can be that again, after it was taken out; then the id has the
// number of times in it, so that no id comes twice.
func (g *Grouper) name(f *finding) string {
	for {
		h := f.F.ID
		if f.Named > 0 {
			h = model.Hash64(strconv.FormatUint(f.F.ID, 16) + "/" + strconv.Itoa(f.Named))
		}
		f.Named++
		if id := fmt.Sprintf("%016x", h); g.incidents[id] == nil {
			return id
		}
	}
}

// join puts a finding into an incident, with the reason.
func (g *Grouper) join(i *incident, f *finding, reason string, via *finding) {
	f.Incident = i.M.ID
	i.dirty = true
	i.ActiveAtMS = g.nowMS
	if !f.weak() {
		i.M.StartMS = min(i.M.StartMS, f.F.OnsetMS)
	}
	if via != nil {
		g.memory.learnLag(f.F.OnsetMS - via.F.OnsetMS)
	}
	if p := i.part(f.Cell); p != nil {
		p.IDs = append(p.IDs, f.F.ID)
		if len(p.IDs) > maxFolded {
			p.IDs = slices.Delete(p.IDs, 1, 2)
		}
		p.Times++
		g.stats.Folded++
		return
	}
	if len(i.Parts) >= g.cfg.MaxMembers {
		i.More++
		return
	}
	p := part{Cell: f.Cell, Entity: f.F.Entity, Name: f.F.Signal.Name, IDs: []uint64{f.F.ID}, JoinedMS: g.atMS, Reason: reason, Times: 1}
	if via != nil {
		p.Via = via.Cell
	}
	i.Parts = append(i.Parts, p)
	i.told = true
	if len(i.Parts) > 1 && i.M.DetectedMS != g.atMS {
		g.note(i, f.F.Signal.Name+" of "+f.F.Entity.Name+" joins: "+reason)
	}
}

// leave takes a finding, and with it its signal, out of its incident. The finding is loose then.
func (g *Grouper) leave(f *finding) {
	i := g.incidents[f.Incident]
	f.Incident = ""
	if i == nil {
		return
	}
	i.dirty, i.told, i.torn, i.fall = true, true, true, true
	p := i.part(f.Cell)
	if p == nil {
		i.More = max(0, i.More-1)
		return
	}
	p.IDs = slices.DeleteFunc(p.IDs, func(id uint64) bool { return id == f.F.ID })
	if len(p.IDs) == 0 {
		i.Parts = slices.DeleteFunc(i.Parts, func(q part) bool { return q.Cell == f.Cell })
	}
}

// note adds a step to the history. When it is full, steps after the first few go.
func (g *Grouper) note(i *incident, text string) {
	const begin = 20 // How it came about is worth more than the middle.
	i.told = true
	i.M.History = append(i.M.History, model.Revision{AtMS: g.atMS, Text: clip(text, maxText)})
	if len(i.M.History) > g.cfg.MaxHistory {
		at := min(begin, g.cfg.MaxHistory-1)
		i.M.History = slices.Delete(i.M.History, at, at+1)
		i.Left++
	}
}

// addBounded appends x if it is not there and there is room.
func addBounded[T comparable](s []T, x T, limit int) []T {
	if slices.Contains(s, x) || len(s) >= limit {
		return s
	}
	return append(s, x)
}
