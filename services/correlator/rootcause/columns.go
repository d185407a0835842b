package rootcause

import (
	"cmp"
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

const (
	// manyPower is the power of the number of series by which the best of them is corrected. One would be Bonferroni's for independent series; those
	// of one entity move together, and the square root stands between that and no correction.
	manyPower = 0.5
	// nextShare is what the next signal of a column adds: half, a quarter, … of its own evidence, since signals of one entity are no
	// independent witnesses.
	nextShare = 0.5
	// maxColumn bounds a column.
	maxColumn = 8
)

// gather sorts items into the columns of their nodes and combines them.
func (c *incident) gather() {
	lists := make([][columns][]int, len(c.nodes))
	for i := range c.items {
		it := &c.items[i]
		lists[it.node][it.rule.column] = append(lists[it.node][it.rule.column], i)
	}
	for n := range lists {
		for col, list := range lists[n] {
			if len(list) == 0 {
				continue
			}
			c.strongest(list)
			cell := &c.nodes[n].cells[col]
			cell.items = list
			switch column(col) {
			case colGap: // By edge, see gaps.
			case colSelf:
				cell.raw = max(c.damped(list), c.stouffer(list))
			default:
				cell.raw = c.damped(list)
			}
			cell.w = cell.raw
		}
	}
}

// strongest sorts items by evidence; ties by deviation, then by their order, which is that of names.
func (c *incident) strongest(list []int) {
	slices.SortStableFunc(list, func(a, b int) int {
		return cmp.Or(cmp.Compare(c.items[b].w, c.items[a].w), cmp.Compare(c.items[b].d.z, c.items[a].d.z), cmp.Compare(a, b))
	})
}

// damped combines the signals of a column: the best one corrected for how many there are, and shares of the following ones. A signal that several
// instances have is one, see alike.
func (c *incident) damped(list []int) float64 {
	var names []string
	byName := map[string][]int{}
	for _, i := range list {
		name := c.nameOf(i)
		if _, ok := byName[name]; !ok {
			names = append(names, name)
		}
		byName[name] = append(byName[name], i)
	}
	ws := make([]float64, 0, len(names))
	for _, name := range names {
		if w := c.alike(byName[name]); w > 0 {
			ws = append(ws, w)
		}
	}
	slices.SortFunc(ws, func(a, b float64) int { return cmp.Compare(b, a) })
	sum, share := 0.0, 1.0
	for _, w := range ws {
		sum += w * share
		share *= nextShare
	}
	return min(max(0, sum-manyPower*math.Log10(float64(len(names)))), maxColumn)
}

// alike combines the same signal of several instances: one that is far off, corrected for how many there are, or all of them together.
func (c *incident) alike(list []int) float64 {
	if len(list) == 1 {
		return c.items[list[0]].w
	}
	best := 0.0
	for _, i := range list {
		best = max(best, c.items[i].w)
	}
	return max(best-manyPower*math.Log10(float64(len(list))), min(best, c.stouffer(list)))
}

// stouffer combines series that are measured independently of each other (operations, edges): a small break in all of them is as telling as a
// large one in one.
func (c *incident) stouffer(list []int) float64 {
	sum := 0.0
	for _, i := range list {
		sum += c.items[i].w
	}
	return min(sum/math.Sqrt(float64(len(list))), maxColumn)
}

func (c *incident) nameOf(i int) string {
	it := &c.items[i]
	switch {
	case it.win >= 0:
		return c.windows[it.win].Signal.Name
	case it.finding >= 0:
		return c.Findings[it.finding].Signal.Name
	}
	return ""
}

// gaps gives the time between a caller and a called one to the service whose calls are all slow on the way: each edge speaks for both of its
// ends, the end that explains most edges takes them, and what it took counts little for the other ends.
func (c *incident) gaps() {
	type edge struct {
		ends [2]int
		item int
	}
	best := map[[2]int]int{}
	var edges []edge
	for i := range c.items {
		it := &c.items[i]
		if it.rule.column != colGap {
			continue
		}
		key := [2]int{it.from, it.node}
		if j, ok := best[key]; ok {
			if it.w > c.items[edges[j].item].w {
				edges[j].item = i
			}
			continue
		}
		best[key] = len(edges)
		edges = append(edges, edge{[2]int{it.from, it.node}, i})
	}
	of := make([][]int, len(c.nodes))
	for i, e := range edges {
		for _, end := range e.ends {
			if end >= 0 {
				of[end] = append(of[end], i)
			}
		}
	}
	taken := make([]bool, len(edges))
	done := make([]bool, len(c.nodes))
	for {
		top, topW, topCalled := -1, 0.0, false
		for n := range of {
			if !done[n] && len(of[n]) > 0 {
				w, called := c.gapWeight(of[n], n, func(i int) (int, bool) { return edges[i].item, taken[i] })
				// Of two ends that explain the same, the called one: a caller with one slow call among many is no network fault.
				if w > topW+0.1 || w > topW-0.1 && w > 0 && called && !topCalled {
					top, topW, topCalled = n, w, called
				}
			}
		}
		if top < 0 {
			return
		}
		done[top] = true
		cell := &c.nodes[top].cells[colGap]
		cell.items = cell.items[:0:0]
		for _, i := range of[top] {
			cell.items = append(cell.items, edges[i].item)
			taken[i] = true
		}
		c.strongest(cell.items)
		cell.raw, cell.w = topW, topW
	}
}

// takenShare is what an edge still says of one end after the other end explained it.
const takenShare = 0.3

// gapWeight combines the edges of a node, as alike does with instances, and says whether the node is the called one in the strongest.
func (c *incident) gapWeight(list []int, n int, edge func(int) (int, bool)) (weight float64, called bool) {
	sum, best := 0.0, 0.0
	for _, i := range list {
		item, taken := edge(i)
		w := c.items[item].w
		if taken {
			w *= takenShare
		}
		sum += w
		if w > best {
			best, called = w, c.items[item].node == n
		}
	}
	many := float64(len(list))
	return min(max(sum/math.Sqrt(many), best-manyPower*math.Log10(many)), maxColumn), called
}

// load returns the factor by which the traffic of a node grew, 1 when nothing is known. The median of its series is taken, so that one that counts
// something else does not decide.
func (c *incident) load(n int) float64 {
	var factors []float64
	for _, i := range c.nodes[n].cells[colTraffic].items {
		it := &c.items[i]
		if it.win < 0 || it.d.level <= 0 || it.from >= 0 || isBytes(&c.windows[it.win].Signal) {
			continue
		}
		factors = append(factors, it.mid/it.d.level)
	}
	if len(factors) == 0 {
		return 1
	}
	slices.Sort(factors)
	return quantile(factors, .5)
}

// traffic takes off what load explains: a resource that grew as its requests did is doing its work, and one that fell with them has none. And an
// entry whose load grew beyond its past is a candidate itself.
func (c *incident) traffic() {
	for n := range c.nodes {
		factor := c.load(n)
		if factor < surgeFactor && factor > 1/surgeFactor {
			continue
		}
		resource := &c.nodes[n].cells[colResource]
		for _, i := range resource.items {
			it := &c.items[i]
			if it.d.level <= 0 || it.w <= 0 {
				continue
			}
			// In proportion to the load, with a quarter more for what queues make of it.
			moved := it.d.value / it.d.level
			if factor > 1 && it.d.dir > 0 && moved <= factor*1.25 || factor < 1 && it.d.dir < 0 {
				it.w *= 0.2
			}
		}
		if len(resource.items) > 0 {
			c.strongest(resource.items)
			resource.raw = c.damped(resource.items)
			resource.w = resource.raw
		}
		if factor > 1 && len(c.nodes[n].callers) == 0 && c.nodes[n].cells[colTraffic].raw >= c.cfg.MinEvidence {
			c.nodes[n].surge = factor
		}
	}
}

// surgeFactor is the growth of load from which it explains anything: a system that cannot take half as much again has no reserve, and less is the
// weather of every day.
const surgeFactor = 1.5

// delta returns the change of an item in seconds, bytes, points or whatever its unit is.
func (it *item) delta() float64 { return math.Abs(it.d.value - it.d.level) }

// unit returns the unit of an item.
func (c *incident) unit(it *item) string {
	if it.win >= 0 {
		return c.windows[it.win].Signal.Unit
	}
	if it.finding >= 0 {
		return c.Findings[it.finding].Signal.Unit
	}
	return ""
}

// signal returns the signal of an item, nil when it has none.
func (c *incident) signal(it *item) *model.SignalRef {
	if it.win >= 0 {
		return &c.windows[it.win].Signal
	}
	if it.finding >= 0 {
		return &c.Findings[it.finding].Signal
	}
	return nil
}
