// Package topology keeps what is known of how entities hang together, with time: which service calls which, what runs on which host, which
// instances a service is made of. An incident is judged on the map of its moment (At), not on today's.
//
// It is pure: no clock, no I/O, no goroutines, and the order in which edges are seen between two calls of At or Prune has no influence. An edge
// costs about 200 bytes; a sight of a known one one look into a map; At reads all edges once and gives the same Graph again while
// nothing has changed. It does not find edges itself beyond what labels say: spans' edges come from the span stage.
package topology

import (
	"cmp"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// Config bounds a Map.
type Config struct {
	// ForgetMS is how long an edge holds after it was last seen. A day: what is called once a night is still a dependency in the evening.
	ForgetMS int64
	// MaxEdges bounds the edges; those seen longest ago go first.
	MaxEdges int
	// MaxResources bounds the memory of which resources were looked at lately.
	MaxResources int
}

// Default returns a day and 100,000 edges, which is twenty for each of 5,000 entities: about 20 MB when full.
func Default() Config {
	return Config{ForgetMS: 24 * 3_600_000, MaxEdges: 100_000, MaxResources: 50_000}
}

// Known is an edge with when it was seen.
type Known struct {
	Edge            model.Edge
	FirstMS, LastMS int64
}

type record struct {
	Known
	live bool // In the Graph that was made last.
}

// Map is what is known. The zero value is not usable; see New.
type Map struct {
	cfg   Config
	edges map[model.Edge]*record
	// sorted has all edges by kind, from and to; it is made anew when dirty.
	sorted []*record
	dirty  bool
	graph  *Graph
	// resources is when a resource was last looked at, by its id.
	resources map[uint64]int64
	dropped   uint64
}

// New returns an empty map.
func New(cfg Config) *Map {
	return &Map{cfg: cfg, edges: map[model.Edge]*record{}, resources: map[uint64]int64{}}
}

// See notes that an edge was there at a moment of event time. Edges of an entity with itself, or with nothing, are none.
func (m *Map) See(e model.Edge, atMS int64) {
	if e.From == e.To || e.From.Name == "" || e.To.Name == "" {
		return
	}
	if r := m.edges[e]; r != nil {
		r.FirstMS, r.LastMS = min(r.FirstMS, atMS), max(r.LastMS, atMS)
		return
	}
	if len(m.edges) >= 2*m.cfg.MaxEdges {
		m.dropped++ // More new edges between two prunings than could ever be kept.
		return
	}
	r := &record{Known: Known{e, atMS, atMS}}
	m.edges[e] = r
	m.sorted = append(m.sorted, r)
	m.dirty = true
}

// resourceEveryMS is the step in which the sights of a resource are counted: fine enough that last sights are right within minutes.
const resourceEveryMS = 300_000

// Resource notes what the attributes of a resource say. It costs one look-up for one that was looked at in these five minutes. Times are those of
// the step, so that it does not matter which of several batches came first.
func (m *Map) Resource(r *model.Resource, atMS int64) {
	step := atMS - (atMS%resourceEveryMS+resourceEveryMS)%resourceEveryMS
	last, known := m.resources[r.ID]
	if known && last == step {
		return
	}
	if !known && len(m.resources) < m.cfg.MaxResources || known && step > last {
		m.resources[r.ID] = step
	}
	for _, e := range EdgesOf(r.Attributes) {
		m.See(e, step)
	}
}

// EdgesOf returns what resource attributes say: the service is made of its instances, these run in a container or on a host, a container runs
// on a host.
func EdgesOf(attrs []model.Label) []model.Edge {
	out := model.EdgesOf("", attrs)
	id := model.Lookup(attrs, model.AttrContainerID)
	if id == "" {
		return out
	}
	container := model.Entity{Kind: model.KindContainer, Name: id}
	if e := model.EntityOf("", attrs); e.Kind == model.KindService || e.Kind == model.KindInstance {
		out = append(out, model.Edge{Kind: model.EdgeRunsOn, From: e, To: container})
	}
	host := model.ResolveHost(attrs)
	if n := model.Lookup(attrs, "k8s.node.name"); n != "" {
		host = n // The host name within a pod is the pod's.
	}
	if host != "" {
		out = append(out, model.Edge{Kind: model.EdgeRunsOn, From: container, To: model.Entity{Kind: model.KindHost, Name: host}})
	}
	return out
}

// Len returns how many edges are known; Dropped how many were refused because there were too many.
func (m *Map) Len() int { return len(m.edges) }

// Dropped returns how many sights of new edges were refused for want of room.
func (m *Map) Dropped() uint64 { return m.dropped }

// Prune forgets what was not seen for too long, and the edges seen longest ago when there are too many. To be called now and then, as once a
// minute of marks.
func (m *Map) Prune(nowMS int64) {
	m.order()
	keep := len(m.sorted)
	if over := keep - m.cfg.MaxEdges; over > 0 {
		byAge := slices.Clone(m.sorted)
		slices.SortFunc(byAge, func(a, b *record) int {
			return cmp.Or(cmp.Compare(a.LastMS, b.LastMS), a.Edge.Compare(b.Edge))
		})
		for _, r := range byAge[:over] {
			delete(m.edges, r.Edge)
		}
	}
	for _, r := range m.sorted {
		if r.LastMS+m.cfg.ForgetMS < nowMS {
			delete(m.edges, r.Edge)
		}
	}
	if len(m.edges) < keep {
		m.sorted = slices.DeleteFunc(m.sorted, func(r *record) bool { return m.edges[r.Edge] != r })
		m.graph = nil
	}
	for id, at := range m.resources {
		if at+m.cfg.ForgetMS < nowMS {
			delete(m.resources, id)
		}
	}
}

// Each calls f for every edge that is known, in order.
func (m *Map) Each(f func(Known)) {
	m.order()
	for _, r := range m.sorted {
		f(r.Known)
	}
}

func (m *Map) order() {
	if m.dirty {
		slices.SortFunc(m.sorted, func(a, b *record) int { return a.Edge.Compare(b.Edge) })
		m.dirty = false
		m.graph = nil
	}
}

// At returns the map as it was at a moment: edges seen before it and not forgotten by then. Of the places that an instance or container ran at,
// those count that it had not left: one is left when it was last seen there before it was first seen elsewhere. The Graph does not
// change afterwards and may be read by others. O(edges).
func (m *Map) At(ms int64) *Graph {
	m.order()
	changed := m.graph == nil
	n := 0
	for i, r := range m.sorted {
		live := r.FirstMS <= ms && r.LastMS+m.cfg.ForgetMS >= ms && !(placed(r) && m.left(i, ms))
		changed = changed || live != r.live
		r.live = live
		if live {
			n++
		}
	}
	if changed {
		m.graph = newGraph(m.sorted, n)
	}
	return m.graph
}

// placed reports whether an edge is one of a kind of which an entity has one at a time.
func placed(r *record) bool {
	return r.Edge.Kind == model.EdgeRunsOn && (r.Edge.From.Kind == model.KindInstance || r.Edge.From.Kind == model.KindContainer)
}

// left reports whether the entity of the edge at i was at another place of the same kind since. Such edges lie together.
func (m *Map) left(i int, ms int64) bool {
	r := m.sorted[i]
	elsewhere := func(o *record) bool {
		return o.Edge.To.Kind == r.Edge.To.Kind && o.FirstMS <= ms && (o.FirstMS > r.LastMS || o.FirstMS == r.LastMS && o.LastMS > r.LastMS)
	}
	for j := i - 1; j >= 0 && m.sorted[j].Edge.Kind == r.Edge.Kind && m.sorted[j].Edge.From == r.Edge.From; j-- {
		if elsewhere(m.sorted[j]) {
			return true
		}
	}
	for j := i + 1; j < len(m.sorted) && m.sorted[j].Edge.Kind == r.Edge.Kind && m.sorted[j].Edge.From == r.Edge.From; j++ {
		if elsewhere(m.sorted[j]) {
			return true
		}
	}
	return false
}
