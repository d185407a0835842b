package template

import (
	"cmp"
	"maps"
	"slices"

	"github.com/faultline-io/faultline/services/correlator/snapshot"
)

// Append writes the state of the miner. The same state gives the same bytes.
func (m *Miner) Append(w *snapshot.Writer) {
	w.Uint(m.Overflow)
	w.Uint(uint64(len(m.scopes)))
	for _, name := range slices.Sorted(maps.Keys(m.scopes)) {
		w.String(name)
		m.scopes[name].append(w)
	}
}

// append writes a scope: its templates, those that were merged away among them since their ids are names, then who is called by which shape, and
// the buckets.
func (s *scope) append(w *snapshot.Writer) {
	all := s.templates()
	number := make(map[*Template]uint64, len(all))
	for i, t := range all {
		number[t] = uint64(i)
	}
	w.Uint(uint64(len(all)))
	for _, t := range all {
		w.Fixed(t.ID)
		w.Uint(uint64(t.Shapes))
		if t.into == nil {
			w.Uint(0)
		} else {
			w.Uint(number[t.into] + 1)
		}
		w.Uint(uint64(len(t.Tokens)))
		for _, k := range t.Tokens {
			w.Byte(byte(k.Kind))
			w.Bool(k.Glued)
			if k.Kind <= Punct {
				w.String(k.Text)
			} else {
				w.String(k.Unit)
			}
		}
	}
	w.Uint(uint64(len(s.shapes)))
	for _, id := range slices.Sorted(maps.Keys(s.shapes)) {
		w.Fixed(id)
		w.Uint(number[s.shapes[id]])
	}
	w.Uint(uint64(len(s.buckets)))
	for _, key := range slices.Sorted(maps.Keys(s.buckets)) {
		b := s.buckets[key]
		w.Fixed(key)
		appendList(w, b.live, number)
		w.Uint(uint64(len(b.variants)))
		for _, v := range slices.Sorted(maps.Keys(b.variants)) {
			w.Fixed(v)
			appendList(w, b.variants[v], number)
		}
	}
}

func appendList(w *snapshot.Writer, list []*Template, number map[*Template]uint64) {
	w.Uint(uint64(len(list)))
	for _, t := range list {
		w.Uint(number[t])
	}
}

// templates returns every template that something of the scope leads to, in an order that is the same for the same state.
func (s *scope) templates() []*Template {
	seen := map[*Template]bool{}
	var all []*Template
	add := func(t *Template) {
		for ; t != nil && !seen[t]; t = t.into {
			seen[t] = true
			all = append(all, t)
		}
	}
	for _, t := range s.shapes {
		add(t)
	}
	for _, b := range s.buckets {
		for _, t := range b.live {
			add(t)
		}
		for _, group := range b.variants {
			for _, t := range group {
				add(t)
			}
		}
	}
	slices.SortFunc(all, func(a, b *Template) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.String(), b.String()), cmp.Compare(a.Shapes, b.Shapes))
	})
	return all
}

// ReadMiner reads what Append wrote. The bounds are those of now.
func ReadMiner(r *snapshot.Reader, cfg Config) *Miner {
	m := New(cfg)
	m.Overflow = r.Uint()
	for range r.Count(4) {
		name := r.String()
		if m.scopes[name] != nil {
			r.Fail("a scope twice")
		}
		s := readScope(r)
		if r.Err() != nil {
			break
		}
		m.scopes[name] = s
		m.shapes += len(s.shapes)
	}
	return m
}

func readScope(r *snapshot.Reader) *scope {
	s := &scope{shapes: map[uint64]*Template{}, buckets: map[uint64]*bucket{}}
	all := readTemplates(r)
	one := func() *Template {
		n := r.Uint()
		if n >= uint64(len(all)) {
			r.Fail("no such template")
			return &Template{}
		}
		return all[n]
	}
	for range r.Count(9) {
		id := r.Fixed()
		s.shapes[id] = one()
	}
	for range r.Count(10) {
		b := &bucket{variants: map[uint64][]*Template{}}
		s.buckets[r.Fixed()] = b
		for range r.Count(1) {
			t := one()
			if t.into != nil {
				r.Fail("a merged template that lives")
			}
			b.live = append(b.live, t)
		}
		for range r.Count(9) {
			key := r.Fixed()
			n := r.Count(1)
			group := make([]*Template, 0, n)
			for range n {
				group = append(group, one())
			}
			b.variants[key] = group
		}
		s.live += len(b.live)
	}
	return s
}

func readTemplates(r *snapshot.Reader) []*Template {
	n := r.Count(11)
	all := make([]*Template, n)
	into := make([]uint64, n)
	for i := range all {
		t := &Template{ID: r.Fixed(), Shapes: int(r.Uint32())}
		into[i] = r.Uint()
		for range r.Count(3) {
			k := Token{Kind: Kind(r.Byte()), Glued: r.Bool()}
			if k.Kind > More {
				r.Fail("no kind of token")
			}
			if k.Kind <= Punct {
				k.Text = r.String()
			} else {
				k.Unit = r.String()
			}
			if k.Kind == Word {
				t.words++
			}
			t.Tokens = append(t.Tokens, k)
		}
		all[i] = t
	}
	for i, to := range into {
		if to > uint64(n) {
			r.Fail("no such template")
			return nil
		}
		if to > 0 {
			all[i].into = all[to-1]
		}
	}
	for _, t := range all { // Merges lead to an end.
		steps := 0
		for u := t; u != nil; u = u.into {
			if steps++; steps > n {
				r.Fail("merges in a circle")
				return nil
			}
		}
	}
	return all
}
