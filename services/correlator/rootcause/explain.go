package rootcause

import (
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

const (
	// coveredFrom and coveredAt are the shares of a change that a dependency's own change must reach to explain a part of it and all of it: calls
	// are repeated and run beside each other, so that the two are never equal.
	coveredFrom, coveredAt = 0.1, 0.6
	// blindHops is how many entities without telemetry an explanation may cross.
	blindHops = 3
	// logShare is how much of the logs and the structure of a caller the trouble of a dependency explains: it writes errors and leaves out steps because of
	// it.
	logShare = 0.8
	// maxVisited bounds the search for cycles.
	maxVisited = 256
)

// explain takes off each node what its dependencies explain. Latency and errors of a dependency explain as much as they cover; logs, structure
// and self time of callers are explained in part by any trouble below them.
func (c *incident) explain() {
	for v := range c.nodes {
		n := &c.nodes[v]
		below := append(c.below(v), c.namesakes(v)...)
		if len(below) == 0 {
			continue
		}
		for _, col := range [...]column{colLatency, colErrors} {
			cell := &n.cells[col]
			if cell.raw <= 0 {
				continue
			}
			left := 1.0
			for _, u := range below {
				if s := 1 - c.covers(v, u, col); s < left {
					left, cell.by = s, u
				}
			}
			cell.w = cell.raw * left
		}
		for _, col := range [...]column{colLog, colStructure, colSelf} {
			c.explainOwn(v, col, below)
		}
		if items := n.cells[colResource].items; len(items) > 0 && c.held(&c.items[items[0]]) {
			c.explainOwn(v, colResource, below)
		}
	}
}

// explainOwn takes a part off a local column of a caller where a dependency has at least as much to answer for.
func (c *incident) explainOwn(v int, col column, below []int) {
	cell := &c.nodes[v].cells[col]
	if cell.raw <= 0 {
		return
	}
	lead := &c.items[cell.items[0]]
	most := 0.0
	for _, u := range below {
		d := &c.nodes[u]
		// A dependency that fails is written about, and what would have followed is left out.
		w := max(d.cells[colLog].raw, d.cells[colStructure].raw, d.cells[colState].raw, d.cells[colErrors].raw)
		switch {
		case col == colSelf:
			// Work goes up while a call is waited for where the wait is not seen as such.
			w = max(d.cells[colSelf].raw, d.cells[colState].raw, cell.raw*c.waited(lead, v, u))
		case col == colResource:
			w = max(d.cells[colLatency].raw, d.cells[colErrors].raw, d.cells[colState].raw, d.cells[colGap].raw)
		case col == colStructure && c.callOf(lead, u):
			// The call that is missing is one of a dependency that is in trouble itself.
			w = max(w, d.cells[colResource].raw, d.cells[colLatency].raw, d.cells[colErrors].raw)
		}
		if w > most {
			most, cell.by = w, u
		}
	}
	cell.w = cell.raw * (1 - logShare*min(1, most/cell.raw))
	if most == 0 {
		cell.by = -1
	}
}

// held reports whether an item counts what is held while something is waited for: connections, descriptors, threads, requests under way. Work and memory
// are none of it.
func (c *incident) held(it *item) bool {
	if it.role != model.RoleUsage && it.role != model.RoleQueue && it.role != model.RoleOther {
		return false
	}
	kind, _ := unitOf(c.unit(it))
	return kind == unitNone
}

// waited returns the share of a change in self time that calls from v to u account for, as others measured them.
func (c *incident) waited(self *item, v, u int) float64 {
	most := 0.0
	for _, col := range [...]column{colLatency, colGap} {
		for _, i := range c.nodes[u].cells[col].items {
			if b := &c.items[i]; b.from == v && b.node == u && b.w > seen {
				most = max(most, b.delta()/max(self.delta(), 1e-12))
			}
		}
	}
	return min(1, max(0, (most-coveredFrom)/(coveredAt-coveredFrom)))
}

// callOf reports whether an event is a call of u.
func (c *incident) callOf(it *item, u int) bool {
	if it.win < 0 || it.beside == 0 {
		return false
	}
	i, ok := c.byName[c.windows[it.win].Entity]
	return ok && c.fold(i) == u && !c.isLog(it.win)
}

// below returns the dependencies that can be seen: those that are called, and behind those of them without telemetry what they call. A dependency that
// depends on v itself explains nothing.
func (c *incident) below(v int) []int {
	if !c.hasSymptoms(v) {
		return nil
	}
	var out, frontier []int
	seen := map[int]bool{v: true}
	frontier = append(frontier, v)
	for hop := 0; hop < blindHops && len(frontier) > 0; hop++ {
		var next []int
		for _, n := range frontier {
			for _, u := range c.nodes[n].calls {
				if seen[u] {
					continue
				}
				seen[u] = true
				switch {
				case !c.blind(u):
					if !c.reaches(u, v) {
						out = append(out, u)
					}
				default:
					next = append(next, u)
				}
			}
		}
		frontier = next
	}
	return out
}

// namesakes returns services that an endpoint may be another name of: it is only seen from its callers, and all of those call the service, which has
// dependencies of its own, as well. Load balancers, gateways and names of hosts look like that where a trace does not get through them.
func (c *incident) namesakes(v int) []int {
	n := &c.nodes[v]
	if len(n.calls)+len(n.hosts)+len(n.parts) > 0 || len(n.callers) == 0 || !c.hasSymptoms(v) {
		return nil
	}
	for col := colResource; col < firstSymptom; col++ {
		if col != colGap && slices.ContainsFunc(n.cells[col].items, func(i int) bool { return c.items[i].role != model.RoleOther }) {
			return nil
		}
	}
	var out []int
	for _, u := range c.nodes[n.callers[0]].calls {
		if u == v || len(c.nodes[u].calls) == 0 || c.blind(u) {
			continue
		}
		if !slices.ContainsFunc(n.callers, func(w int) bool { return !slices.Contains(c.nodes[w].calls, u) }) {
			out = append(out, u)
		}
	}
	return out
}

func (c *incident) hasSymptoms(v int) bool {
	for _, col := range [...]column{colLatency, colErrors, colLog, colStructure, colSelf} {
		if c.nodes[v].cells[col].raw > 0 {
			return true
		}
	}
	return false
}

// blind reports whether nothing is known of a node but that it is called.
func (c *incident) blind(u int) bool {
	for i := range c.nodes[u].cells {
		if len(c.nodes[u].cells[i].items) > 0 {
			return false
		}
	}
	return true
}

// reaches reports whether from calls to, directly or not.
func (c *incident) reaches(from, to int) bool {
	seen := map[int]bool{from: true}
	queue := []int{from}
	for len(queue) > 0 && len(seen) < maxVisited {
		n := queue[0]
		queue = queue[1:]
		for _, u := range c.nodes[n].calls {
			if u == to {
				return true
			}
			if !seen[u] {
				seen[u] = true
				queue = append(queue, u)
			}
		}
	}
	return false
}

// covers returns the share in [0,1] of v's change in a column that u's change explains.
func (c *incident) covers(v, u int, col column) float64 {
	mine, theirs := &c.nodes[v].cells[col], &c.nodes[u].cells[col]
	if c.nodes[u].cells[colState].raw >= troubleFrom {
		return 1 // Who calls what is not there fails, and waits until it gives up.
	}
	most := 0.0
	compared := false
	for _, i := range mine.items {
		a := &c.items[i]
		if a.w <= 0 {
			break
		}
		for _, j := range theirs.items {
			b := &c.items[j]
			if a.role != b.role || c.unit(a) != c.unit(b) || a.delta() == 0 {
				continue
			}
			compared = true
			// Half of quiet windows have less than 0.3. Another quantile or another name must have moved for sure.
			if b.w > seen || b.w > 0.3 && c.nameOf(i) == c.nameOf(j) {
				most = max(most, c.ratio(a, b, v, u))
			}
		}
		break // The strongest signal of the caller is what has to be explained.
	}
	if !compared && mine.raw > 0 {
		most = coveredAt * min(1, theirs.raw/mine.raw)
	}
	if col == colLatency {
		// What is lost between the two is part of what the caller waits for.
		for _, j := range c.nodes[u].cells[colGap].items {
			b := &c.items[j]
			if b.from == v && b.w > 1 && len(mine.items) > 0 {
				most = max(most, b.delta()/max(c.items[mine.items[0]].delta(), 1e-12))
			}
		}
	}
	return min(1, max(0, (most-coveredFrom)/(coveredAt-coveredFrom)))
}

// ratio returns by how much b's change covers a's. Shares of failures count by the load they are shares of, where both loads are known.
func (c *incident) ratio(a, b *item, v, u int) float64 {
	r := b.delta() / a.delta()
	if a.role != model.RoleSuccess && a.role != model.RoleErrors {
		return r
	}
	la, lb := c.volume(v), c.volume(u)
	if la > 0 && lb > 0 {
		// A request calls a dependency several times, and fails when one of them does: half of what the loads say is enough.
		r *= max(min(2*lb/la, 4), .25)
	}
	return r
}

// volume returns the load of a node now, 0 when nothing is known.
func (c *incident) volume(n int) float64 {
	most := 0.0
	for _, i := range c.nodes[n].cells[colTraffic].items {
		it := &c.items[i]
		if it.win >= 0 && it.from < 0 && !isBytes(&c.windows[it.win].Signal) && !math.IsNaN(it.mid) {
			most = max(most, it.mid)
		}
	}
	return most
}
