package logstage

import (
	"cmp"
	"maps"
	"slices"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/correlator/snapshot"
	"github.com/faultline-io/faultline/services/correlator/template"
	"github.com/faultline-io/faultline/services/model"
)

// head and version are the head of a snapshot of a Stage.
const (
	head    = 'l'
	version = 2
)

// Snapshot returns the state as bytes: the same state gives the same bytes.
func (s *Stage) Snapshot() []byte {
	w := snapshot.NewWriter(head, version)
	w.Uint(s.mark.Seq)
	w.Int(s.mark.AtMS)
	w.Int(s.mark.WatermarkMS)
	w.Int(s.open)
	for _, n := range s.counts.list() {
		w.Uint(*n)
	}
	s.miner.Append(w)
	w.Uint(uint64(len(s.ordered)))
	number := make(map[*entity]uint64, len(s.ordered))
	for i, e := range s.ordered {
		number[e] = uint64(i)
		e.write(w)
	}
	w.Uint(uint64(len(s.sources)))
	for _, id := range slices.Sorted(maps.Keys(s.sources)) {
		src := s.sources[id]
		w.Fixed(id)
		w.Uint(number[src.entity])
		w.Int(src.lastMS)
		for _, n := range src.counts {
			w.Uint(uint64(n))
		}
		src.flow.write(w)
	}
	early := slices.Clone(s.early)
	slices.SortFunc(early, func(a, b earlyLine) int {
		return cmp.Or(cmp.Compare(a.window, b.window), a.shape.entity.entity.Compare(b.shape.entity.entity), cmp.Compare(a.shape.id, b.shape.id))
	})
	w.Uint(uint64(len(early)))
	for _, l := range early {
		w.Uint(number[l.shape.entity])
		w.Fixed(l.shape.id)
		w.Int(l.window)
	}
	s.follow.write(w, number)
	return w.Bytes()
}

// list returns the counts in the order of a snapshot.
func (c *Counts) list() []*uint64 {
	return []*uint64{&c.Late, &c.Ahead, &c.Unattributed, &c.Overflow}
}

func (e *entity) write(w *snapshot.Writer) {
	w.Entity(e.entity)
	w.Int(e.firstMS)
	w.Int(e.lastMS)
	w.Uint(e.lines)
	for c := range classes {
		w.Int(e.severities[c].lastMS)
		for _, n := range e.bySeverity[c] {
			w.Uint(uint64(n))
		}
	}
	w.Float(e.novelty.fresh)
	w.Float(e.novelty.windows)
	w.Int(e.rest.lastMS)
	w.Uint(e.rest.total)
	w.Uint(uint64(len(e.ordered)))
	for _, k := range e.ordered {
		k.write(w)
	}
	w.Uint(uint64(len(e.shapes)))
	for _, id := range slices.Sorted(maps.Keys(e.shapes)) {
		e.shapes[id].write(w, e)
	}
	e.pairs.write(w)
	e.sequences.write(w)
	w.Int(e.sequenceMS)
}

func (k *kind) write(w *snapshot.Writer) {
	w.Fixed(k.id)
	w.Byte(k.severity)
	w.Int(k.firstMS)
	w.Int(k.lastMS)
	w.Bool(k.old)
	w.Bool(k.series)
	w.Bool(k.isUrgent)
	w.Labels(k.labels)
	w.Float(k.gaps.n)
	w.Float(k.gaps.ms)
	w.Float(k.gaps.lines)
	w.Uint(k.gaps.lastLines)
	w.Uint(k.total)
	writeOpen(w, k.finding)
	writeOpen(w, k.lost)
}

func writeOpen(w *snapshot.Writer, f *model.Finding) {
	w.Bool(f != nil)
	if f != nil {
		w.Finding(f)
	}
}

// Ways in which a shape has a kind.
const (
	shapeFresh = iota
	shapeRest
	shapeKind
)

func (sh *shape) write(w *snapshot.Writer, e *entity) {
	w.Fixed(sh.id)
	w.Byte(sh.severity)
	for _, n := range sh.counts {
		w.Uint(uint64(n))
	}
	switch sh.kind {
	case nil:
		w.Byte(shapeFresh)
		w.Int(sh.firstNS)
		w.String(sh.example)
		w.Bool(sh.late)
	case &e.rest:
		w.Byte(shapeRest)
	default:
		w.Byte(shapeKind)
		w.Fixed(sh.kind.id)
	}
}

func (p *pairs) write(w *snapshot.Writer) {
	w.Int(p.blockMS)
	w.Uint(uint64(len(p.order)))
	for _, id := range p.order {
		f := p.byID[id]
		w.Fixed(id)
		w.Float(f.past)
		w.Uint(uint64(f.now[0]))
		w.Uint(uint64(f.now[1]))
		for i := range f.next {
			n := &f.next[i]
			w.Bool(n.used)
			if n.used {
				w.Fixed(n.id)
				w.Float(n.past)
				w.Uint(uint64(n.now[0]))
				w.Uint(uint64(n.now[1]))
				w.Int(n.missMS)
				writeOpen(w, n.finding)
			}
		}
	}
}

func (f flow) write(w *snapshot.Writer) {
	w.Fixed(f.last)
	w.Int(f.lastMS)
}

func readFlow(r *snapshot.Reader) flow { return flow{r.Fixed(), r.Int()} }

func (f *follower) write(w *snapshot.Writer, number map[*entity]uint64) {
	w.Uint(f.every)
	w.Uint(f.passed)
	lines := slices.DeleteFunc(slices.Clone(f.held), func(h held) bool {
		return h.shape.entity.shapes[h.shape.id] != h.shape // It had no room, and was let go: it follows nothing either way.
	})
	slices.SortFunc(lines, compareHeld)
	w.Uint(uint64(len(lines)))
	for _, h := range lines {
		w.Fixed(h.key)
		w.Uint(number[h.shape.entity])
		w.Fixed(h.shape.id)
		w.Int(h.ns)
		w.Bool(h.source != nil)
		if h.source != nil {
			w.Fixed(h.source.id)
		}
	}
	w.Uint(uint64(len(f.traces)))
	for _, key := range slices.Sorted(maps.Keys(f.traces)) {
		t := f.traces[key]
		w.Fixed(key)
		w.Uint(number[t.entity])
		t.flow.write(w)
		writeCounts(w, t.counts)
	}
}

// Restore returns the Stage of a snapshot. The bounds are those of now; what is beyond them stays until it is forgotten.
func Restore(data []byte, cfg Config) (*Stage, error) {
	r, err := snapshot.Open(data, head, version)
	if err != nil {
		return nil, err
	}
	s := New(cfg)
	s.mark = eventtime.Mark{Seq: r.Uint(), AtMS: r.Int(), WatermarkMS: r.Int()}
	s.open = r.Int()
	for _, n := range s.counts.list() {
		*n = r.Uint()
	}
	s.miner = template.ReadMiner(r, cfg.Miner)
	for range r.Count(50) {
		s.readEntity(r)
		if r.Err() != nil {
			return nil, r.Err()
		}
	}
	for range r.Count(20) {
		src := &source{id: r.Fixed(), entity: s.pick(r), lastMS: r.Int()}
		for i := range src.counts {
			src.counts[i] = r.Uint32()
		}
		src.flow = readFlow(r)
		if r.Err() != nil {
			return nil, r.Err()
		}
		s.sources[src.id] = src
	}
	for range r.Count(10) {
		sh := s.pickShape(r)
		s.early = append(s.early, earlyLine{sh, r.Int()})
		if r.Err() != nil {
			break
		}
	}
	s.readFollower(r)
	if err := r.End(); err != nil {
		return nil, err
	}
	return s, nil
}

// pick reads the number of an entity.
func (s *Stage) pick(r *snapshot.Reader) *entity {
	n := r.Uint()
	if n >= uint64(len(s.ordered)) {
		r.Fail("no such entity")
		return nil
	}
	return s.ordered[n]
}

// pickShape reads a shape by its entity's number and its id.
func (s *Stage) pickShape(r *snapshot.Reader) *shape {
	e := s.pick(r)
	id := r.Fixed()
	if e == nil || e.shapes[id] == nil {
		r.Fail("no such shape")
		return nil
	}
	return e.shapes[id]
}

func (s *Stage) readEntity(r *snapshot.Reader) {
	e := newEntity(r.Entity())
	if n := len(s.ordered); e.entity.Name == "" || n > 0 && s.ordered[n-1].entity.Compare(e.entity) >= 0 {
		r.Fail("entities are not in order")
		return
	}
	e.firstMS, e.lastMS, e.lines = r.Int(), r.Int(), r.Uint()
	for c := range classes {
		e.severities[c].lastMS = r.Int()
		for i := range e.bySeverity[c] {
			e.bySeverity[c][i] = r.Uint32()
		}
	}
	e.novelty.fresh, e.novelty.windows = r.Float(), r.Float()
	e.rest.lastMS, e.rest.total = r.Int(), r.Uint()
	for range r.Count(40) {
		k := readKind(r)
		if n := len(e.ordered); r.Err() != nil || n > 0 && e.ordered[n-1].id >= k.id {
			r.Fail("templates are not in order")
			return
		}
		e.adopt(k)
	}
	for range r.Count(26) {
		sh := e.readShape(r)
		if r.Err() != nil {
			return
		}
		if e.shapes[sh.id] != nil {
			r.Fail("a shape twice")
			return
		}
		e.shapes[sh.id] = sh
		if sh.kind == nil {
			s.fresh = append(s.fresh, sh)
		}
		for at, n := range sh.counts {
			if n > 0 {
				s.touched[at] = append(s.touched[at], sh)
			}
		}
	}
	e.pairs.read(r)
	e.sequences.read(r)
	e.sequenceMS = r.Int()
	s.entities[e.entity] = e
	s.ordered = append(s.ordered, e)
}

// adopt takes a kind of a snapshot, and counts what follows from it.
func (e *entity) adopt(k *kind) {
	e.kinds[k.id] = k
	e.ordered = append(e.ordered, k)
	if k.finding != nil {
		e.novelty.open++
	}
	switch {
	case k.isUrgent:
		e.urgent++
	case k.series:
		e.own++
	}
}

func readKind(r *snapshot.Reader) *kind {
	k := &kind{id: r.Fixed(), severity: r.Byte(), firstMS: r.Int(), lastMS: r.Int(), old: r.Bool(), series: r.Bool(), isUrgent: r.Bool(), labels: r.Labels()}
	k.gaps = gaps{r.Float(), r.Float(), r.Float(), r.Uint()}
	k.total = r.Uint()
	k.finding, k.lost = readOpen(r), readOpen(r)
	if k.series != (k.labels != nil) || k.isUrgent && !k.series {
		r.Fail("a series without labels")
	}
	return k
}

func readOpen(r *snapshot.Reader) *model.Finding {
	if !r.Bool() {
		return nil
	}
	return r.Finding()
}

func (e *entity) readShape(r *snapshot.Reader) *shape {
	sh := &shape{entity: e, id: r.Fixed(), severity: r.Byte()}
	for i := range sh.counts {
		sh.counts[i] = r.Uint32()
	}
	switch r.Byte() {
	case shapeFresh:
		sh.firstNS, sh.example, sh.late = r.Int(), r.String(), r.Bool()
	case shapeRest:
		sh.kind = &e.rest
	case shapeKind:
		if sh.kind = e.kinds[r.Fixed()]; sh.kind == nil {
			r.Fail("a shape without its template")
		}
	default:
		r.Fail("no kind of shape")
	}
	return sh
}

func (p *pairs) read(r *snapshot.Reader) {
	p.blockMS = r.Int()
	n := r.Count(22)
	if n > 0 {
		p.byID = make(map[uint64]*followers, n)
	}
	for range n {
		id := r.Fixed()
		f := &followers{past: r.Float(), now: [2]uint32{r.Uint32(), r.Uint32()}}
		for i := range f.next {
			if r.Bool() {
				f.next[i] = next{used: true, id: r.Fixed(), past: r.Float(), now: [2]uint32{r.Uint32(), r.Uint32()}, missMS: r.Int(), finding: readOpen(r)}
			}
		}
		if n := len(p.order); r.Err() != nil || n > 0 && p.order[n-1] >= id {
			r.Fail("followers are not in order")
			return
		}
		p.byID[id] = f
		p.order = append(p.order, id)
	}
}

func (s *Stage) readFollower(r *snapshot.Reader) {
	f := &s.follow
	f.every, f.passed = r.Uint(), r.Uint()
	if f.every == 0 || f.every&(f.every-1) != 0 || f.every > 1<<20 {
		r.Fail("no power of two")
		f.every = 1
	}
	for range r.Count(19) {
		h := held{key: r.Fixed(), shape: s.pickShape(r), ns: r.Int()}
		if r.Bool() {
			if h.source = s.sources[r.Fixed()]; h.source == nil {
				r.Fail("a line without its source")
			}
		}
		if r.Err() != nil {
			return
		}
		f.held = append(f.held, h)
	}
	for range r.Count(18) {
		key := r.Fixed()
		t := &traceFlow{entity: s.pick(r), flow: readFlow(r), counts: readCounts(r)}
		if r.Err() != nil {
			return
		}
		f.traces[key] = t
	}
}
