package topology

import (
	"maps"
	"slices"

	"github.com/faultline-io/faultline/services/correlator/snapshot"
	"github.com/faultline-io/faultline/services/model"
)

// kind and version are the head of a snapshot of a Map.
const (
	kind    = 't'
	version = 1
)

// Snapshot returns the state as bytes: the same state gives the same bytes.
func (m *Map) Snapshot() []byte {
	m.order()
	w := snapshot.NewWriter(kind, version)
	w.Uint(m.dropped)
	w.Uint(uint64(len(m.sorted)))
	for _, r := range m.sorted {
		w.String(string(r.Edge.Kind))
		w.Entity(r.Edge.From)
		w.Entity(r.Edge.To)
		w.Int(r.FirstMS)
		w.Int(r.LastMS - r.FirstMS)
	}
	w.Uint(uint64(len(m.resources)))
	for _, id := range slices.Sorted(maps.Keys(m.resources)) {
		w.Fixed(id)
		w.Int(m.resources[id])
	}
	return w.Bytes()
}

// Restore returns the Map of a snapshot. The bounds are those of now.
func Restore(data []byte, cfg Config) (*Map, error) {
	r, err := snapshot.Open(data, kind, version)
	if err != nil {
		return nil, err
	}
	m := New(cfg)
	m.dropped = r.Uint()
	for range r.Count(7) {
		e := model.Edge{Kind: model.EdgeKind(r.String()), From: r.Entity(), To: r.Entity()}
		first := r.Int()
		last := first + r.Int()
		if r.Err() != nil {
			break
		}
		if n := len(m.sorted); last < first || n > 0 && m.sorted[n-1].Edge.Compare(e) >= 0 {
			r.Fail("edges are not in order")
			break
		}
		rec := &record{Known: Known{e, first, last}}
		m.edges[e] = rec
		m.sorted = append(m.sorted, rec)
	}
	for range r.Count(9) {
		id := r.Fixed()
		m.resources[id] = r.Int()
	}
	return m, r.End()
}
