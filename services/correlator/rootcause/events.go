package rootcause

import (
	"cmp"
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

const (
	// maxEvents bounds the events of one entity that are compared with each other.
	maxEvents = 120
	// minCases is how often an event must have been seen to be expected beside another one.
	minCases = 5
	// sameShare is how much of two counts must have come in the same windows, of two events that belong together: the past may hold another time when they
	// came apart.
	sameShare = 0.7
	// maxSlots bounds the windows of the past that are compared, two hours of ten seconds each.
	maxSlots = 720
	// newCases is how often something never seen before must be seen.
	newCases = 2
)

// event is something that is counted at an entity: lines of a template, calls of a dependency, requests of an operation.
type event struct {
	win           int
	before, after float64
	// counts are by window of the past, counted back from the onset.
	counts []float64
}

// events finds what used to come together at an entity and does not any more, and lines that are new. Two events that were counted equally often, window
// by window, belong to one way through the code; when one of them comes without the other, the way leads elsewhere between the two.
// Source: Lou et al., "Mining Invariants from Console Logs for System Problem Detection", USENIX ATC 2010, §4; differs: only equal counts, and a
// binomial tail instead of a threshold.
func (c *incident) events() {
	byNode := map[int][]int{}
	for i := range c.windows {
		w := &c.windows[i]
		if n, ok := c.eventOf(w); ok && len(byNode[n]) < maxEvents {
			byNode[n] = append(byNode[n], i)
		}
	}
	nodes := make([]int, 0, len(byNode))
	for n := range byNode {
		nodes = append(nodes, n)
	}
	slices.Sort(nodes)
	for _, n := range nodes {
		list := make([]event, 0, len(byNode[n]))
		for _, i := range byNode[n] {
			list = append(list, c.event(i))
		}
		c.together(n, list)
		c.unseen(n, list)
	}
}

// eventOf returns the node at which a window counts something, ours by its unit and role.
func (c *incident) eventOf(w *model.Window) (int, bool) {
	if w.Entity.Kind == "" || w.Signal.Unit != perSecond || len(w.TimesMS) < 3 {
		return 0, false
	}
	role := roleOf(&w.Signal)
	switch {
	case role == model.RoleLog:
		return c.fold(c.nodeOf(w.Entity)), model.Lookup(w.Signal.Labels, "template") != ""
	case role == model.RoleTraffic && isOurs(&w.Signal): // Others count by outcome and by side as well.
		for _, e := range model.EdgesOf(w.Signal.Name, w.Signal.Labels) {
			if e.Kind == model.EdgeCalls {
				return c.fold(c.nodeOf(e.From)), true
			}
		}
		return 0, false // What comes in is decided by others.
	}
	return 0, false
}

// perSecond is the unit of counts.
const perSecond = "1/s"

// event turns rates back into counts.
func (c *incident) event(i int) event {
	w := &c.windows[i]
	e := event{win: i}
	p := c.s.cut(w, c.OnsetMS, c.NowMS, c.cfg.HistoryMS)
	step := max(p.step, 1)
	for k, t := range w.TimesMS {
		x := w.Values[k] * span(w.TimesMS, k, step)
		switch {
		case math.IsNaN(x) || t > c.NowMS || t < c.OnsetMS-c.cfg.HistoryMS:
		case t < c.OnsetMS:
			if c.s.during(t) {
				continue
			}
			e.before += x
			slot := int((c.OnsetMS - 1 - t) / step)
			if slot >= maxSlots {
				continue
			}
			for len(e.counts) <= slot { // The first sample is the furthest back: once.
				e.counts = append(e.counts, make([]float64, slot+1-len(e.counts))...)
			}
			e.counts[slot] += x
		default:
			e.after += x
		}
	}
	return e
}

// together adds the pair of events that came apart most clearly.
func (c *incident) together(n int, list []event) {
	slices.SortStableFunc(list, func(a, b event) int { return cmp.Compare(a.before, b.before) })
	pairs := 0
	best, bestP := [2]int{-1, -1}, 1.0
	for i := range list {
		for j := i + 1; j < len(list) && list[j].before <= list[i].before*2; j++ {
			a, b := &list[i], &list[j]
			if a.before < minCases || c.isLog(a.win) != c.isLog(b.win) {
				continue
			}
			if math.Abs(a.before-b.before) > (1-sameShare)*(a.before+b.before) {
				continue
			}
			pairs++
			most, least := max(a.after, b.after), min(a.after, b.after)
			if most-least <= 1 {
				continue
			}
			apart := countsApart(a, b)
			if apart > (1-sameShare)*(a.before+b.before) {
				continue
			}
			// One more failure than was seen, as Laplace does; a request that the onset cuts in two is one as well.
			q := max((max(math.Abs(a.before-b.before), apart/2)+1)/(max(a.before, b.before)+2), apartBefore(a, b))
			if p := binomialTail(int(most-least-1), int(most), q); p < bestP {
				bestP = p
				best = [2]int{i, j}
				if a.after > b.after {
					best = [2]int{j, i} // The one that is missing first.
				}
			}
		}
	}
	if best[0] < 0 {
		return
	}
	missing, still := &list[best[0]], &list[best[1]]
	w := evidence(bestP * math.Pow(float64(pairs), manyPower))
	if w <= 0 {
		return
	}
	c.items = append(c.items, item{win: missing.win, finding: -1, node: n, instance: n, from: -1, role: roleStructure, rule: ruleOf(roleStructure, ""), w: w,
		beside: still.win + 1,
		d:      deviation{level: 1, low: 1, high: 1, value: missing.after / max(still.after, 1), z: w, dir: -1, p: bestP, onset: c.firstMiss(missing.win), before: int(missing.before), after: int(still.after)}})
}

// countsApart returns how much of two counts did not come in the same windows.
func countsApart(a, b *event) float64 {
	apart := 0.0
	for i := range max(len(a.counts), len(b.counts)) {
		apart += math.Abs(at(a.counts, i) - at(b.counts, i))
	}
	return apart
}

func at(counts []float64, i int) float64 {
	if i < len(counts) {
		return counts[i]
	}
	return 0
}

// stretch is how many windows of the past are compared with the time after the onset at once, apartQuantile which of these stretches stands for
// the past: some of it may be another incident.
const (
	stretch       = 6
	apartQuantile = 0.75
)

// apartBefore returns the share of cases that came apart in a stretch of the past: what comes in bursts is no coin.
func apartBefore(a, b *event) float64 {
	var shares []float64
	var x, y float64
	n := 0
	for i := range max(len(a.counts), len(b.counts)) {
		p, q := at(a.counts, i), at(b.counts, i)
		if p == 0 && q == 0 {
			continue
		}
		x, y = x+p, y+q
		if n++; n == stretch {
			if most := max(x, y); most >= minCases {
				shares = append(shares, math.Abs(x-y)/most)
			}
			x, y, n = 0, 0, 0
		}
	}
	slices.Sort(shares)
	return quantile(shares, apartQuantile)
}

// firstMiss returns the time of the first window after the onset, since that is as exact as counts are.
func (c *incident) firstMiss(win int) int64 {
	for _, t := range c.windows[win].TimesMS {
		if t >= c.OnsetMS {
			return t
		}
	}
	return c.OnsetMS
}

// unseen adds the line that was never seen before and is seen most often now, by the share of all lines of the entity.
func (c *incident) unseen(n int, list []event) {
	var before, after float64
	for i := range list {
		if c.isLog(list[i].win) {
			before, after = before+list[i].before, after+list[i].after
		}
	}
	best, w := -1, 0.0
	fresh := 0
	for i := range list {
		e := &list[i]
		if e.before > 0 || e.after < newCases || !c.isLog(e.win) {
			continue
		}
		fresh++
		if x := evidence(binomialTail(int(e.after), int(after), 1/(before+2))); x > w {
			best, w = i, x
		}
	}
	if best < 0 {
		return
	}
	e := &list[best]
	w -= manyPower * math.Log10(float64(len(list)))
	if w <= 0 {
		return
	}
	c.items = append(c.items, item{win: e.win, finding: -1, node: n, instance: n, from: -1, role: model.RoleLog, rule: ruleOf(model.RoleLog, ""), w: min(w, newWeight),
		fresh: true, d: deviation{value: e.after, z: w, dir: 1, p: math.Pow(10, -w), onset: c.firstMiss(e.win), after: int(e.after)}})
}

// newWeight bounds what a new line can say: callers of a broken service write new lines as well.
const newWeight = 4

func (c *incident) isLog(win int) bool { return roleOf(&c.windows[win].Signal) == model.RoleLog }

// binomialTail returns the probability of k or more of n at probability p each.
func binomialTail(k, n int, p float64) float64 {
	if k <= 0 {
		return 1
	}
	if k > n {
		return 0
	}
	if p >= 1 {
		return 1
	}
	sum := 0.0
	for i := k; i <= n; i++ {
		x := math.Exp(logChoose(n, i) + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
		sum += x
		if i > k && x < sum*1e-12 {
			break
		}
	}
	return min(1, sum)
}
