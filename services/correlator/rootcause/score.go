package rootcause

import (
	"cmp"
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

const (
	// symptomShare is what latency and errors that no dependency explains are worth beside local evidence: what is not seen of a dependency
	// may still explain them.
	symptomShare = 0.8
	// otherSymptom is what the other kind of symptom is worth when it is known which one users feel.
	otherSymptom = 0.6
	// outsideCone is what an entity is worth that no symptom depends on, as far as edges are known. They are never known in full.
	outsideCone = 0.5
	// minOrder is the least difference in time that orders two breaks.
	minOrder = 30_000
)

// score combines the columns of each node. The best column counts whole, each next one half of the one before it: columns are different
// witnesses of one thing.
func (c *incident) score() {
	symptom := c.cone()
	for i := range c.nodes {
		n := &c.nodes[i]
		if n.whole >= 0 {
			continue
		}
		var ws []float64
		for col := range n.cells {
			w := n.cells[col].w
			switch column(col) {
			case colTraffic:
				w = 0
				if n.surge > 0 {
					w = n.cells[col].raw * symptomShare
				}
			case colLatency:
				w *= symptomShare
				if symptom == colErrors {
					w *= otherSymptom
				}
			case colErrors:
				w *= symptomShare
				if symptom == colLatency {
					w *= otherSymptom
				}
			}
			ws = append(ws, w)
		}
		n.score = series(ws)
		if s := n.shared; s != nil {
			own := n.score
			n.score = evidence(s.p)
			if own > 1 || c.blind(i) {
				n.score += own
			} else {
				n.score *= outsideCone // It has telemetry, and that is quiet.
				n.score = max(n.score, own)
			}
		}
		if !n.inCone {
			n.score *= outsideCone
		}
		n.onset = c.onsetOf(n)
	}
}

// series adds values, largest first, each with half the weight of the one before.
func series(ws []float64) float64 {
	slices.SortFunc(ws, func(a, b float64) int { return cmp.Compare(b, a) })
	sum, share := 0.0, 1.0
	for _, w := range ws {
		sum += w * share
		share /= 2
	}
	return sum
}

// onsetOf returns the earliest break among what speaks most for a node.
func (c *incident) onsetOf(n *node) int64 {
	first := int64(0)
	for col := range n.cells {
		if column(col) == colTraffic || n.cells[col].w < 1 {
			continue
		}
		for _, i := range n.cells[col].items {
			it := &c.items[i]
			if it.w >= 1 && it.d.onset > 0 && (first == 0 || it.d.onset < first) {
				first = it.d.onset
			}
		}
	}
	return first
}

// cone marks what the symptoms depend on, sets the depth below the entries, and returns the column of the symptom, or colTraffic when both or none are
// known.
func (c *incident) cone() column {
	var queue []int
	latency, errors := false, false
	add := func(e model.Entity, role model.Role) {
		i, ok := c.byName[c.known(e)]
		if !ok {
			return
		}
		queue = append(queue, c.fold(i))
		switch role {
		case model.RoleLatency, model.RoleSelfTime, model.RoleGap:
			latency = true
		case model.RoleErrors, model.RoleSuccess:
			errors = true
		}
	}
	for _, s := range c.Symptoms {
		add(s.Entity, s.Role)
	}
	if len(queue) == 0 {
		for i := range c.Findings {
			if role := roleOf(&c.Findings[i].Signal); role == model.RoleLatency || role == model.RoleErrors || role == model.RoleSuccess || role == model.RoleAlert {
				add(c.Findings[i].Entity, role)
			}
		}
	}
	everything := len(queue) == 0
	connected := slices.ContainsFunc(c.nodes, func(n node) bool { return len(n.calls) > 0 })
	for i := range c.nodes {
		n := &c.nodes[i]
		// Without a known symptom everything may be the cause that anybody depends on; where calls are known, that is who takes part in some.
		n.inCone = everything && (!connected || len(n.calls)+len(n.callers)+len(n.tenants) > 0)
		c.nodes[i].depth = -1
	}
	c.walk(queue, func(n *node) bool {
		if n.inCone {
			return false
		}
		n.inCone = true
		return true
	})
	c.depths()
	switch {
	case latency && !errors:
		return colLatency
	case errors && !latency:
		return colErrors
	}
	return colTraffic
}

// walk visits dependencies from the given nodes on; visit says whether to go on from a node.
func (c *incident) walk(queue []int, visit func(*node) bool) {
	for len(queue) > 0 {
		n := &c.nodes[queue[0]]
		queue = queue[1:]
		if !visit(n) {
			continue
		}
		queue = append(append(append(queue, n.calls...), n.hosts...), n.parts...)
		for _, p := range n.parts {
			queue = append(queue, c.nodes[p].hosts...)
		}
	}
}

// depths sets how many calls lie between an entry and a node, the longest way that a search by levels finds first.
func (c *incident) depths() {
	var level []int
	for i := range c.nodes {
		if len(c.nodes[i].callers) == 0 && c.nodes[i].whole < 0 {
			c.nodes[i].depth = 0
			level = append(level, i)
		}
	}
	for d := 1; len(level) > 0; d++ {
		var next []int
		for _, i := range level {
			for _, u := range c.nodes[i].calls {
				if c.nodes[u].depth < 0 {
					c.nodes[u].depth = d
					next = append(next, u)
				}
			}
		}
		level = next
	}
}

// ranked returns the nodes with a score, best first. Scores that differ by less than a tenth are equal; then the earliest break decides, then
// depth, then the name.
func (c *incident) ranked() []int {
	var out []int
	for i := range c.nodes {
		if c.nodes[i].whole < 0 && c.nodes[i].score > 0 {
			out = append(out, i)
		}
	}
	grade := func(i int) float64 { return math.Round(c.nodes[i].score * 10) }
	// Breaks within two steps of sampling came at the same time, as far as can be told.
	late := func(i int) int64 {
		if c.nodes[i].onset == 0 {
			return math.MaxInt64
		}
		return (c.nodes[i].onset - c.OnsetMS) / max(2*c.step, minOrder)
	}
	slices.SortFunc(out, func(a, b int) int {
		return cmp.Or(cmp.Compare(grade(b), grade(a)), cmp.Compare(late(a), late(b)), cmp.Compare(c.nodes[b].depth, c.nodes[a].depth),
			c.nodes[a].entity.Compare(c.nodes[b].entity))
	})
	return out
}
