package group

import (
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

const (
	// mostSteps is how far two findings may be apart in the topology to have to do with each other.
	mostSteps = 2
	// maxNear bounds the entities around one; crowded is how many edges an entity may have and still be gone through: what half of a
	// system hangs on connects nothing, unless it has a finding itself.
	maxNear, crowded = 2000, 256
)

// vicinity answers what is near, from the topology of the moment and from what the labels of findings say themselves. It lives for one mark.
type vicinity struct {
	graph    Graph
	findings map[uint64]*finding
	// own is made when it is first asked for: most marks bring nothing.
	own map[model.Entity][]model.Edge
	// What was worked out already.
	all  map[model.Entity][]model.Edge
	near map[model.Entity]map[model.Entity]step
}

// step is how an entity was reached: at which distance, from where, over which edge.
type step struct {
	dist int
	from model.Entity
	edge model.Edge
}

func newVicinity(graph Graph, fs map[uint64]*finding) *vicinity {
	return &vicinity{graph: graph, findings: fs, all: map[model.Entity][]model.Edge{}, near: map[model.Entity]map[model.Entity]step{}}
}

// learn takes what the labels of all findings say.
func (v *vicinity) learn() {
	v.own = map[model.Entity][]model.Edge{}
	all := make([]*finding, 0, len(v.findings))
	for _, f := range v.findings {
		if len(f.Edges) > 0 {
			all = append(all, f)
		}
	}
	sortFindings(all)
	for _, f := range all {
		v.add(f)
	}
}

// add takes what the labels of a finding say.
func (v *vicinity) add(f *finding) {
	if v.own == nil {
		return // It will be there when all are.
	}
	for _, e := range f.Edges {
		for _, end := range []model.Entity{e.From, e.To} {
			if len(v.own[end]) < crowded && !slices.Contains(v.own[end], e) {
				v.own[end] = append(v.own[end], e)
				delete(v.all, end)
				clear(v.near)
			}
		}
	}
}

// edges returns all edges at an entity.
func (v *vicinity) edges(e model.Entity) []model.Edge {
	if v.own == nil {
		v.learn()
	}
	if out, ok := v.all[e]; ok {
		return out
	}
	var out []model.Edge
	if v.graph != nil {
		out = append(append(out, v.graph.Out(e)...), v.graph.In(e)...)
	}
	out = append(out, v.own[e]...)
	v.all[e] = out
	return out
}

// around returns the entities within mostSteps of one. From a part to its whole is no step: instances are near what their service is near.
func (v *vicinity) around(e model.Entity) map[model.Entity]step {
	if m, ok := v.near[e]; ok {
		return m
	}
	m := map[model.Entity]step{e: {}}
	level := []model.Entity{e}
	for dist := 0; dist <= mostSteps && len(level) > 0; dist++ {
		var next []model.Entity
		for i := 0; i < len(level); i++ { // Grows while it is walked, by what is no step away.
			at := level[i]
			if m[at].dist < dist {
				continue // Reached on a shorter way meanwhile.
			}
			edges := v.edges(at)
			if at != e && len(edges) > crowded {
				continue
			}
			for _, edge := range edges {
				to, cost := edge.To, 1
				if edge.To == at {
					to = edge.From
					if edge.Kind == model.EdgePartOf {
						cost = 0
					}
				}
				had, known := m[to]
				if dist+cost > mostSteps || known && had.dist <= dist+cost || !known && len(m) >= maxNear {
					continue
				}
				m[to] = step{dist + cost, at, edge}
				if cost == 0 {
					level = append(level, to)
				} else {
					next = append(next, to)
				}
			}
		}
		level = next
	}
	v.near[e] = m
	return m
}

// distance returns how far two entities are apart, in the direction in which it is less; ok is false beyond mostSteps. The zero entity is near
// nothing, not even itself: nothing is known of it.
func (v *vicinity) distance(a, b model.Entity) (int, bool) {
	none := model.Entity{}
	if a == none || b == none {
		return 0, false
	}
	if a == b {
		return 0, true
	}
	there, ok1 := v.around(a)[b]
	back, ok2 := v.around(b)[a]
	switch {
	case ok1 && ok2:
		return min(there.dist, back.dist), true
	case ok1:
		return there.dist, true
	}
	return back.dist, ok2
}

// owner returns the service of an instance, and what has no service itself.
func (v *vicinity) owner(e model.Entity) model.Entity {
	if e.Kind != model.KindInstance && e.Kind != model.KindContainer {
		return e
	}
	for _, edge := range v.edges(e) {
		if edge.Kind == model.EdgePartOf && edge.To == e {
			return edge.From
		}
	}
	return e
}

// host returns what an entity runs on, itself or by one of its parts; the entity as it is where that is not known.
func (v *vicinity) host(e model.Entity) model.Entity {
	on := func(e model.Entity) (model.Entity, bool) {
		for _, edge := range v.edges(e) {
			if edge.Kind == model.EdgeRunsOn && edge.From == e {
				return edge.To, true
			}
		}
		return e, false
	}
	if h, ok := on(e); ok {
		return h
	}
	for _, edge := range v.edges(e) {
		if edge.Kind == model.EdgePartOf && edge.From == e {
			if h, ok := on(edge.To); ok {
				return h
			}
		}
	}
	return e
}

// place is where an entity stands as users see it.
type place int

const (
	inside  place = iota // Others call it.
	unknown              // No calls are seen at all.
	entry                // Users come in here.
)

// place says whether users come in at an entity: nobody that we see calls it though it calls others, or somebody from outside does. What takes its
// work from a queue is no entry. Where no calls are seen, nothing is known.
func (v *vicinity) place(e model.Entity) place {
	if e.Kind != model.KindService && e.Kind != model.KindInstance {
		return inside
	}
	out := unknown
	for _, edge := range v.edges(e) {
		switch {
		case edge.Kind != model.EdgeCalls || edge.From == edge.To:
		case edge.To == e && edge.From.Kind == model.KindExternal:
			return entry
		case edge.To == e, edge.To.Kind == model.KindQueue:
			out = inside
		case out == unknown:
			out = entry
		}
	}
	return out
}

// parts returns how many parts a service has.
func (v *vicinity) parts(e model.Entity) int {
	n := map[model.Entity]bool{}
	for _, edge := range v.edges(e) {
		if edge.Kind == model.EdgePartOf && edge.From == e {
			n[edge.To] = true
		}
	}
	return len(n)
}

// way says in words how b, the one that joins, stands to a.
func (v *vicinity) way(b, a model.Entity) string {
	if a == b {
		return "same " + string(a.Kind) + " " + a.Name
	}
	m := v.around(b)
	at, ok := m[a]
	turned := false
	if back, ok2 := v.around(a)[b]; !ok || ok2 && back.dist < at.dist {
		m, at, turned = v.around(a), back, true
	}
	var path []model.Edge
	var middle model.Entity
	begin := b
	if turned {
		begin = a
	}
	for len(path) < 4 {
		path = append(path, at.edge)
		if at.from == begin {
			break
		}
		middle = at.from
		at = m[at.from]
	}
	if len(path) == 1 {
		return edgeWords(path[0], b, a)
	}
	switch path[0].Kind {
	case model.EdgeRunsOn:
		if path[1].Kind == model.EdgeRunsOn && path[0].To == path[1].To {
			return "on the same host " + middle.Name + " as " + a.Name
		}
	case model.EdgePartOf:
		if path[1].Kind == model.EdgePartOf && path[0].From == path[1].From {
			return "part of " + middle.Name + " as " + a.Name + " is"
		}
	}
	return "connected with " + a.Name + " through " + middle.Name
}

// edgeWords says how b stands to a over one edge.
func edgeWords(e model.Edge, b, a model.Entity) string {
	forward := e.From == b
	switch e.Kind {
	case model.EdgeCalls:
		if forward {
			return "calls " + a.Name
		}
		return "called by " + a.Name
	case model.EdgeRunsOn:
		if forward {
			return "runs on " + a.Name
		}
		return "carries " + a.Name
	case model.EdgePartOf:
		if forward {
			return a.Name + " is part of it"
		}
		return "part of " + a.Name
	}
	return "connected with " + a.Name
}
