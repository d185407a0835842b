package topology

import (
	"cmp"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// Graph is the map of one moment. It does not change; the slices that it returns belong to it.
type Graph struct {
	out []model.Edge // By from, kind, to.
	in  []model.Edge // By to, kind, from.
}

// newGraph makes a graph of the n live ones among records.
func newGraph(records []*record, n int) *Graph {
	g := &Graph{out: make([]model.Edge, 0, n), in: make([]model.Edge, 0, n)}
	for _, r := range records {
		if r.live {
			g.out = append(g.out, r.Edge)
		}
	}
	return g.index()
}

// GraphOf returns a graph of edges that are known from elsewhere.
func GraphOf(edges []model.Edge) *Graph {
	g := &Graph{out: slices.Clone(edges)}
	return g.index()
}

func (g *Graph) index() *Graph {
	g.in = append(g.in, g.out...)
	slices.SortFunc(g.out, func(a, b model.Edge) int {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Kind, b.Kind), a.To.Compare(b.To))
	})
	slices.SortFunc(g.in, func(a, b model.Edge) int {
		return cmp.Or(a.To.Compare(b.To), cmp.Compare(a.Kind, b.Kind), a.From.Compare(b.From))
	})
	g.out, g.in = slices.Compact(g.out), slices.Compact(g.in)
	return g
}

// Len returns the number of edges.
func (g *Graph) Len() int { return len(g.out) }

// Edges returns all edges by from, kind and to.
func (g *Graph) Edges() []model.Edge { return g.out }

// Out returns the edges that lead from e: what it needs. O(log edges).
func (g *Graph) Out(e model.Entity) []model.Edge {
	return span(g.out, e, func(x model.Edge) model.Entity { return x.From })
}

// In returns the edges that lead to e: who needs it. O(log edges).
func (g *Graph) In(e model.Entity) []model.Edge {
	return span(g.in, e, func(x model.Edge) model.Entity { return x.To })
}

func span(edges []model.Edge, e model.Entity, end func(model.Edge) model.Entity) []model.Edge {
	lo, found := slices.BinarySearchFunc(edges, e, func(x model.Edge, e model.Entity) int { return end(x).Compare(e) })
	if !found {
		return nil
	}
	hi := lo
	for hi < len(edges) && end(edges[hi]) == e {
		hi++
	}
	return edges[lo:hi:hi]
}

// Distance returns the least number of edges between two entities, whichever way they lead, 0 for the same one, and -1 when there are more than
// limit. O(edges within limit).
func (g *Graph) Distance(a, b model.Entity, limit int) int {
	if a == b {
		return 0
	}
	seen := map[model.Entity]bool{a: true}
	front := []model.Entity{a}
	for d := 1; d <= limit && len(front) > 0; d++ {
		var next []model.Entity
		for _, e := range front {
			for _, x := range g.Out(e) {
				if x.To == b {
					return d
				}
				if !seen[x.To] {
					seen[x.To] = true
					next = append(next, x.To)
				}
			}
			for _, x := range g.In(e) {
				if x.From == b {
					return d
				}
				if !seen[x.From] {
					seen[x.From] = true
					next = append(next, x.From)
				}
			}
		}
		front = next
	}
	return -1
}

// Reach is an entity with how many edges away it is.
type Reach struct {
	Entity model.Entity
	Depth  int
}

// Closure returns what can explain trouble of e: what it needs, and what that needs, up to limit edges away, by depth and entity, without e
// itself. O(edges within limit).
func (g *Graph) Closure(e model.Entity, limit int) []Reach {
	return walk(e, limit, g.Out, func(x model.Edge) model.Entity { return x.To })
}

// Affected returns who has trouble when e fails: who needs it, and who needs those, as Closure does.
func (g *Graph) Affected(e model.Entity, limit int) []Reach {
	return walk(e, limit, g.In, func(x model.Edge) model.Entity { return x.From })
}

// Needs returns how many edges lead from a to b on the shortest way that a's dependencies go, 0 for the same one, -1 for more than limit.
func (g *Graph) Needs(a, b model.Entity, limit int) int {
	if a == b {
		return 0
	}
	for _, r := range g.Closure(a, limit) {
		if r.Entity == b {
			return r.Depth
		}
	}
	return -1
}

func walk(e model.Entity, limit int, edges func(model.Entity) []model.Edge, end func(model.Edge) model.Entity) []Reach {
	seen := map[model.Entity]bool{e: true}
	var out []Reach
	front := []model.Entity{e}
	for d := 1; d <= limit && len(front) > 0; d++ {
		var next []model.Entity
		for _, f := range front {
			for _, x := range edges(f) {
				if t := end(x); !seen[t] {
					seen[t] = true
					next = append(next, t)
				}
			}
		}
		slices.SortFunc(next, model.Entity.Compare)
		for _, t := range next {
			out = append(out, Reach{t, d})
		}
		front = next
	}
	return out
}
