package rootcause

import (
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// changeVerdict is what speaks for and against a change of a node.
type changeVerdict struct {
	change *model.Change
	// atMS is when it began to have effect.
	atMS int64
	// recency is in [0,1], 1 for a change at the onset.
	recency float64
	// newer and older count instances; differ is the evidence that the new ones are worse than the old ones, by item.
	newer, older int
	differ       float64
	item         int
	newValue     float64
	oldValue     float64
	innocent     bool
}

const (
	// afterOnset is how much later than the onset a change may be told of: clocks and onsets are not that exact.
	afterOnset = 2 * 60_000
	// changePrior is the evidence of a change by itself, at the onset: of all incidents about a half to two thirds follow a change within the hour,
	// and an entity without trouble is none of them.
	changePrior = 1.0
	// innocentBelow is the difference of new and old instances below which a change is explained away, where both can be seen.
	innocentBelow = 0.5
	// innocentShare is what then is left of the score of the change's entity: the trouble may have come with the change and show elsewhere.
	innocentShare = 0.5
	// warmUp is left out after the start of an instance: caches and compilers are cold.
	warmUp = 60_000
)

// changes weighs the changes before the onset and adds them to the score of what they changed.
func (c *incident) changes() {
	best := map[int]*changeVerdict{}
	var order []int
	for i := range c.Changes {
		ch := &c.Changes[i]
		at := ch.TimeNS / 1e6
		if at < c.OnsetMS-c.cfg.LookbackMS || at > c.OnsetMS+afterOnset {
			continue
		}
		n, ok := c.changed(ch)
		if !ok {
			continue
		}
		v := &changeVerdict{change: ch, atMS: at, item: -1}
		v.recency = 1 - math.Max(0, float64(c.OnsetMS-at))/float64(c.cfg.LookbackMS)
		c.compare(n, v)
		if old, ok := best[n]; !ok {
			order = append(order, n)
			best[n] = v
		} else if v.differ+v.recency > old.differ+old.recency {
			best[n] = v
		}
	}
	c.suspects(order, best)
	for _, i := range order {
		n, v := &c.nodes[i], best[i]
		n.change = v
		prior := changePrior * v.recency
		if !n.inCone {
			prior *= outsideCone
		}
		switch {
		case v.innocent:
			n.score *= innocentShare
		case v.newer > 0 && v.older > 0:
			n.score += prior + v.differ*c.unexplained(n, v)
		default:
			// Old and new cannot be told apart: the change adds to what the entity has, and is little without it.
			n.score += prior * (0.2 + 0.8*min(1, n.score))
		}
	}
}

// suspects hands on trouble that nothing explains to what was changed below it: an entity that fails although neither it nor anything that can be seen
// of its dependencies has a reason is most likely failed by the dependency that was just changed.
func (c *incident) suspects(order []int, best map[int]*changeVerdict) {
	var given []struct {
		to int
		w  float64
	}
	for v := range c.nodes {
		n := &c.nodes[v]
		left := max(n.cells[colErrors].w, n.cells[colLatency].w)
		if n.whole >= 0 || left < seen || best[v] != nil && !best[v].innocent {
			continue
		}
		var below []int
		weight := 0.0
		for _, u := range n.calls {
			if b := best[u]; b != nil {
				below = append(below, u)
				weight += suspicion(b)
			}
		}
		for _, u := range below {
			given = append(given, struct {
				to int
				w  float64
			}{u, left * suspectShare * suspicion(best[u]) / weight})
		}
		if len(below) > 0 {
			n.score *= suspectShare
		}
	}
	for _, g := range given {
		c.nodes[g.to].score += g.w
	}
}

// suspectShare is how much of unexplained trouble goes to changed dependencies, and how much of its score the troubled one keeps.
const suspectShare = 0.6

// suspicion weighs a changed dependency against others: by how near the change is, and less when its new instances behave.
func suspicion(v *changeVerdict) float64 {
	w := 0.2 + v.recency
	if v.innocent {
		w *= innocentShare
	}
	return w
}

// unexplained returns the share of a change's difference that the dependencies of its service leave to it.
func (c *incident) unexplained(n *node, v *changeVerdict) float64 {
	if v.item < 0 {
		return 1
	}
	s := &c.windows[v.item].Signal
	cell := &n.cells[ruleOf(roleOf(s), s.Unit).column]
	if cell.raw <= 0 {
		return 1
	}
	return cell.w / cell.raw
}

// changed returns the node that a change was made to.
func (c *incident) changed(ch *model.Change) (int, bool) {
	for _, k := range [...]model.EntityKind{model.KindService, model.KindDatabase, model.KindQueue, model.KindInstance, model.KindExternal} {
		if i, ok := c.byName[model.Entity{Kind: k, Name: ch.Service}]; ok && ch.Service != "" {
			return c.fold(i), true
		}
	}
	if i, ok := c.byName[model.Entity{Kind: model.KindHost, Name: ch.Host}]; ok && ch.Host != "" {
		return i, true
	}
	return 0, false
}

// compare sets new instances of a service beside its old ones: those whose data began with the change, and those that were there before.
func (c *incident) compare(n int, v *changeVerdict) {
	parts := c.nodes[n].parts
	if len(parts) < 2 {
		return
	}
	first := map[int]int64{}
	for i := range c.windows {
		w := &c.windows[i]
		if len(w.TimesMS) == 0 {
			continue
		}
		p, ok := c.partOf(w, n)
		if !ok {
			continue
		}
		if t, ok := first[p]; !ok || w.TimesMS[0] < t {
			first[p] = w.TimesMS[0]
		}
	}
	isNew := map[int]bool{}
	for _, p := range parts {
		t, ok := first[p]
		if !ok {
			continue
		}
		// Data may begin a little before the change is told of, and never with the beginning of all data.
		if t >= v.atMS-warmUp && t > c.begin+warmUp {
			isNew[p] = true
			v.newer++
		} else {
			v.older++
		}
	}
	if v.newer == 0 || v.older == 0 {
		return
	}
	c.differ(n, v, isNew)
	v.innocent = v.differ < innocentBelow
}

// partOf returns the instance of service n that a window speaks of: its entity, or the instance that its labels name, which for a call is the one
// that made it.
func (c *incident) partOf(w *model.Window, n int) (int, bool) {
	if p, ok := c.byName[w.Entity]; ok && c.nodes[p].whole >= 0 && c.fold(p) == n {
		return p, true
	}
	if e := model.InstanceOf(w.Signal.Labels); e.Kind != "" {
		if p, ok := c.byName[e]; ok && c.nodes[p].whole >= 0 && c.fold(p) == n {
			return p, true
		}
	}
	return 0, false
}

// group are the values of one signal of a service by age of its instances.
type group struct {
	first          int // A window that stands for the group.
	role           model.Role
	before, oldNow []float64
	newNow         []float64
}

// differ finds the signal in which new instances differ most from old ones at the same time, in spreads of the old ones before.
func (c *incident) differ(n int, v *changeVerdict, isNew map[int]bool) {
	groups := c.groups(n, isNew)
	var ws []float64
	for _, g := range groups {
		if len(g.newNow) < 2 || len(g.before) < minBefore {
			continue
		}
		r := ruleOf(g.role, c.windows[g.first].Signal.Unit)
		if r.column == colTraffic || r.column == colStructure {
			continue // Load is shared out among instances, and moves when there are more of them.
		}
		slices.Sort(g.before)
		level := quantile(g.before, .5)
		spread := max((quantile(g.before, .9)-quantile(g.before, .1))/2.563, r.floor(level, g.before))
		// Beside the old ones now where they still are, else beside them before.
		base := level
		if len(g.oldNow) >= 2 {
			slices.Sort(g.oldNow)
			base = quantile(g.oldNow, .5)
		}
		z, dir := c.s.persistent(g.newNow, base, spread, r.direction)
		w := evidence(tail(min(z, model.MaxScore), nil, c.pooled[g.role]))
		ws = append(ws, w)
		if w > v.differ {
			v.differ, v.item = w, g.first
			v.newValue, v.oldValue = base+z*spread*float64(dir), base
		}
	}
	if len(ws) > 0 {
		v.differ = max(0, v.differ-manyPower*math.Log10(float64(len(ws))))
	}
}

// groups collects the values of a service's instances by signal, leaving out what instances without a number have.
func (c *incident) groups(n int, isNew map[int]bool) []*group {
	var out []*group
	byKey := map[string]*group{}
	for i := range c.windows {
		w := &c.windows[i]
		p, ok := c.partOf(w, n)
		if !ok || len(w.TimesMS) == 0 {
			continue
		}
		key := w.Signal.Name + "\x00" + model.Lookup(w.Signal.Labels, "client") + "\x00" + model.Lookup(w.Signal.Labels, "server") + "\x00" + string(roleOf(&w.Signal))
		g := byKey[key]
		if g == nil {
			g = &group{first: i, role: roleOf(&w.Signal)}
			byKey[key] = g
			out = append(out, g)
		}
		for k, t := range w.TimesMS {
			x := w.Values[k]
			switch {
			case math.IsNaN(x) || t > c.NowMS:
			case isNew[p]:
				if t >= w.TimesMS[0]+warmUp {
					g.newNow = append(g.newNow, x)
				}
			case t < c.OnsetMS:
				g.before = append(g.before, x)
			default:
				g.oldNow = append(g.oldNow, x)
			}
		}
	}
	return out
}
