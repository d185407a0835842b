package group

import (
	"fmt"
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// What links are judged by: a likelihood ratio. Above the bar it is that many times likelier to see the later finding at its lag if it has to do
// with the earlier one than if it came by itself, at the rate at which its signal is found anyway. So the time that two findings may be apart
// adapts by itself: it is long for what is hardly ever found, and nothing for what flutters.
//
// linkBar is ten, since around a finding there are hundreds of signals, and of so many one comes by chance now and then.
const (
	linkBar = 10
	// lastingMS: as long as the earlier finding lasts, another one of the same trouble may come at any time, in two hours or so; but only one in ten
	// comes as late as that.
	lastingMS   = 2 * hour
	lastingPart = 0.1
	// atOnceMS: below it a lag says nothing, since findings are judged at intervals of up to a minute.
	atOnceMS = 15 * second
)

// chances are how likely it is that trouble at one entity shows at another, by distance; togetherChance for signals that were seen to come
// together, templateChance for the same kind of log line somewhere else.
var chances = [mostSteps + 1]float64{0.5, 0.3, 0.1}

const togetherChance, templateChance = 0.5, 0.3

// link is one finding's reason to belong to another.
type link struct {
	to    *finding
	ratio float64
	// direct says that it may join two incidents: one step at most, or known together.
	direct bool
	how    string
}

// relate returns how f belongs to a, if the likelihood ratio is at the bar or above. The way is written out only when words is set.
func (g *Grouper) relate(f, a *finding, v *vicinity, bar float64, words bool) (link, bool) {
	times, never := g.memory.together(f.Cell, a.Cell, g.nowMS)
	if never {
		return link{}, false
	}
	dist, near := v.distance(f.F.Entity, a.F.Entity)
	chance := 0.0
	switch {
	case f.Cell == a.Cell:
		chance = 1
	case near:
		chance = chances[dist]
	}
	l := link{to: a, direct: near && dist <= 1}
	known := times > 0 && togetherChance > chance
	if known {
		chance, l.direct = togetherChance, true
	}
	alike := !near && !known && templateOf(f) != "" && templateOf(f) == templateOf(a)
	if alike {
		chance = templateChance
	}
	if chance == 0 {
		return link{}, false
	}
	first, later := f, a
	if compareFindings(f.F, a.F) > 0 {
		first, later = a, f
	}
	l.ratio = g.ratio(first, later, chance)
	if l.ratio < bar {
		return link{}, false
	}
	if words {
		switch {
		case known:
			l.how = fmt.Sprintf("found together with %s of %s %d times before", a.F.Signal.Name, a.F.Entity.Name, times)
		case alike:
			l.how = "same kind of log line as at " + a.F.Entity.Name
		default:
			l.how = v.way(f.F.Entity, a.F.Entity)
		}
		l.how += ", " + lagText(f.F.OnsetMS-a.F.OnsetMS)
	}
	return l, true
}

// ratio returns the likelihood ratio of a later finding: exponential lags after an earlier one's onset, and a small even chance as long as it
// lasts, against the rate of the more frequent of the two: next to what comes every few minutes everything happens. How long the earlier one lasted
// before it ended is no nearness: detectors are slow to call a signal normal again.
func (g *Grouper) ratio(first, later *finding, chance float64) float64 {
	lag := later.F.OnsetMS - first.F.OnsetMS
	usual := g.memory.lagMS()
	density := math.Exp(-float64(max(lag, atOnceMS)-atOnceMS)/usual) / usual
	if first.until(g.nowMS) >= later.F.OnsetMS {
		density = max(density, lastingPart*math.Exp(-float64(lag)/float64(lastingMS))/float64(lastingMS))
	}
	return chance * density / max(first.FoundMS, later.FoundMS)
}

// templateOf returns the kind of log line that a finding speaks of, "" for none.
func templateOf(f *finding) string {
	if f.F.Signal.Role != model.RoleLog {
		return ""
	}
	return model.Lookup(f.F.Signal.Labels, "template")
}

// index finds findings by what they may be linked by.
type index struct {
	entities map[model.Entity][]*finding // Each list by onset and id.
	cells    map[uint64]model.Entity
	template map[string][]model.Entity
}

// newIndex returns the index of findings that are in order.
func newIndex(fs []*finding) *index {
	x := &index{map[model.Entity][]*finding{}, map[uint64]model.Entity{}, map[string][]model.Entity{}}
	for _, f := range fs {
		e := f.F.Entity
		x.entities[e] = append(x.entities[e], f)
		x.cells[f.Cell] = e
		if t := templateOf(f); t != "" && !slices.Contains(x.template[t], e) {
			x.template[t] = append(x.template[t], e)
		}
	}
	return x
}

// members returns the findings of incidents that have not ended, but for what is held.
func (g *Grouper) members() []*finding {
	var out []*finding
	for _, f := range g.findings {
		if i := g.incidents[f.Incident]; i != nil && i.alive() && f.HeldBy == "" {
			out = append(out, f)
		}
	}
	sortFindings(out)
	return out
}

// maxCompared bounds the findings of one entity that a new one is compared with: the newest.
const maxCompared = 64

// links returns the links of f to others, strongest first; at most one for each incident, and one for all that is loose.
func (g *Grouper) links(f *finding, others *index, v *vicinity) []link {
	best := map[string]link{}
	try := func(fs []*finding) {
		for _, a := range fs[max(0, len(fs)-maxCompared):] {
			if a == f || a.Incident != "" && slices.Contains(f.Barred, a.Incident) {
				continue
			}
			l, ok := g.relate(f, a, v, linkBar, false)
			if !ok {
				continue
			}
			had, known := best[a.Incident]
			if !known || stronger(l, had) {
				l.direct = l.direct || known && had.direct
				best[a.Incident] = l
			} else if l.direct {
				had.direct = true
				best[a.Incident] = had
			}
		}
	}
	for _, e := range g.reach(f, others, v) {
		try(others.entities[e])
	}
	out := make([]link, 0, len(best))
	for _, l := range best {
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b link) int {
		if stronger(a, b) {
			return -1
		}
		return 1
	})
	return out
}

// stronger orders links: by ratio, then by the earlier finding.
func stronger(a, b link) bool {
	if a.ratio != b.ratio {
		return a.ratio > b.ratio
	}
	return compareFindings(a.to.F, b.to.F) < 0
}

// reach returns the entities of others that f may be linked with, in order: those near, those of signals known to occur with it, and for log
// lines those with the same kind.
func (g *Grouper) reach(f *finding, others *index, v *vicinity) []model.Entity {
	var out []model.Entity
	for e := range others.entities {
		if _, near := v.distance(f.F.Entity, e); near {
			out = append(out, e)
		}
	}
	if e, ok := others.cells[f.Cell]; ok {
		out = append(out, e)
	}
	if h := g.memory.Signals[f.Cell]; h != nil {
		for i := range h.Partners {
			if e, ok := others.cells[h.Partners[i].Cell]; ok {
				out = append(out, e)
			}
		}
	}
	if t := templateOf(f); t != "" {
		out = append(out, others.template[t]...)
	}
	slices.SortFunc(out, model.Entity.Compare)
	return slices.Compact(out)
}

// attach puts loose findings to the incidents that they belong to. What joined may be what the next one belongs to, so it is repeated until
// nothing joins.
func (g *Grouper) attach(v *vicinity) {
	for {
		loose := g.loose()
		if len(loose) == 0 {
			return
		}
		members := g.members()
		if len(members) == 0 {
			return
		}
		others := newIndex(slices.DeleteFunc(members, (*finding).weak))
		joined := false
		for _, f := range loose {
			ls := g.links(f, others, v)
			if len(ls) == 0 {
				continue
			}
			l, _ := g.relate(f, ls[0].to, v, 0, true)
			into := g.incidents[ls[0].to.Incident]
			g.join(into, f, l.how, l.to)
			g.wake(into, f.F.Signal.Name+" of "+f.F.Entity.Name)
			joined = true
			g.bridge(into, f, ls)
		}
		if !joined {
			return
		}
	}
}

// bridge merges the incidents that a finding has direct links to: it belongs to both, so they are one.
func (g *Grouper) bridge(into *incident, f *finding, ls []link) {
	if !ls[0].direct || f.weak() {
		return
	}
	for _, l := range ls[1:] {
		if other := g.incidents[l.to.Incident]; l.direct && other != nil && mayMerge(into, other) {
			into = g.merge(into, other, f.F.Signal.Name+" of "+f.F.Entity.Name+" belongs to both")
		}
	}
}
