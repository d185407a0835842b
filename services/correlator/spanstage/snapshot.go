package spanstage

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/correlator/snapshot"
	"github.com/faultline-io/faultline/services/model"
)

// kind and version are the head of a snapshot of a Stage.
const (
	kind    = 's'
	version = 2
)

// Snapshot returns the state as bytes: the same state gives the same bytes.
func (s *Stage) Snapshot() []byte {
	w := snapshot.NewWriter(kind, version)
	w.Uint(s.mark.Seq)
	w.Int(s.mark.AtMS)
	w.Int(s.mark.WatermarkMS)
	w.Int(s.open)
	for _, n := range s.counts.list() {
		w.Uint(*n)
	}
	number := s.writeResources(w)
	s.writeTraces(w, number)
	w.Uint(uint64(len(s.windows)))
	for _, n := range slices.Sorted(maps.Keys(s.windows)) {
		w.Int(n)
		facts := slices.Clone(s.windows[n])
		w.Uint(uint64(len(facts)))
		for i := range facts {
			writeFact(w, &facts[i], number)
		}
	}
	w.Uint(uint64(len(s.addresses)))
	for _, a := range slices.Sorted(maps.Keys(s.addresses)) {
		w.String(a)
		w.String(s.addresses[a].service)
		w.Int(s.addresses[a].lastMS)
	}
	w.Uint(uint64(len(s.lags)))
	for _, p := range slices.SortedFunc(maps.Keys(s.lags), func(a, b hostPair) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) }) {
		l := s.lags[p]
		w.String(p.from)
		w.String(p.to)
		w.Int(l.now)
		w.Int(l.before)
		w.Uint(uint64(l.n))
		w.Int(l.sinceMS)
		w.Int(l.lastMS)
	}
	w.Uint(uint64(len(s.services.keys)))
	for _, name := range s.services.keys {
		s.services.byKey[name].write(w)
	}
	return w.Bytes()
}

// list returns the counts in the order of a snapshot.
func (c *Counts) list() []*uint64 {
	return []*uint64{&c.Late, &c.Unattributed, &c.Refused, &c.Hurried, &c.Cut}
}

// writeResources writes every resource that something of the state leads to, and returns their numbers.
func (s *Stage) writeResources(w *snapshot.Writer) map[*resource]uint64 {
	used := map[*resource]bool{}
	for _, r := range s.resources {
		used[r] = true
	}
	for _, t := range s.traces {
		for i := range t.spans {
			used[t.spans[i].res] = true
		}
	}
	for _, facts := range s.windows {
		for i := range facts {
			used[facts[i].res] = true
		}
	}
	all := slices.SortedFunc(maps.Keys(used), func(a, b *resource) int {
		return cmp.Or(strings.Compare(a.service, b.service), strings.Compare(a.instance, b.instance), strings.Compare(a.host, b.host), cmp.Compare(a.lastMS, b.lastMS))
	})
	number := make(map[*resource]uint64, len(all))
	w.Uint(uint64(len(all)))
	for i, r := range all {
		number[r] = uint64(i)
		w.String(r.service)
		w.String(r.instance)
		w.String(r.host)
		w.Int(r.lastMS)
	}
	w.Uint(uint64(len(s.resources)))
	for _, id := range slices.Sorted(maps.Keys(s.resources)) {
		w.Fixed(id)
		w.Uint(number[s.resources[id]])
	}
	return number
}

func (s *Stage) writeTraces(w *snapshot.Writer, number map[*resource]uint64) {
	w.Uint(uint64(len(s.traces)))
	for _, id := range slices.SortedFunc(maps.Keys(s.traces), func(a, b traceID) int { return bytes.Compare(a[:], b[:]) }) {
		t := s.traces[id]
		for _, b := range id {
			w.Byte(b)
		}
		w.Bool(t.seen)
		w.Int(t.seenMS)
		w.Int(t.firstEndMS)
		w.Int(t.lastEndMS)
		spans := slices.Clone(t.spans)
		slices.SortFunc(spans, func(a, b span) int { return a.compare(&b) })
		w.Uint(uint64(len(spans)))
		for i := range spans {
			sp := &spans[i]
			w.Fixed(sp.id)
			w.Fixed(sp.parent)
			w.Int(sp.startNS)
			w.Int(sp.endNS - sp.startNS)
			w.Uint(number[sp.res])
			w.String(sp.op)
			w.Byte(sp.kind)
			w.Bool(sp.failed)
			w.Bool(sp.peer != nil)
			if p := sp.peer; p != nil {
				w.String(p.service)
				w.String(p.address)
				w.String(p.system)
				w.String(p.name)
				w.String(string(p.kind))
			}
		}
	}
}

func writeFact(w *snapshot.Writer, f *fact, number map[*resource]uint64) {
	w.Byte(byte(f.what))
	w.Bool(f.failed)
	w.Bool(f.origin)
	w.Bool(f.judged)
	w.Uint(number[f.res])
	w.String(f.op)
	w.Entity(f.server)
	w.Int(f.durNS)
	w.Int(f.selfNS)
}

// write writes what lasts of a service: between two marks no window is half counted, so groups are empty.
func (v *service) write(w *snapshot.Writer) {
	w.String(v.name)
	w.Int(v.total.lastMS)
	v.total.recent.write(w)
	w.Uint(uint64(len(v.ops.keys)))
	for _, name := range v.ops.keys {
		g := v.ops.byKey[name]
		w.String(name)
		w.Int(g.lastMS)
		g.recent.write(w)
		w.Float(g.expected.weight)
		w.Uint(uint64(g.expected.n))
		w.Uint(uint64(len(g.expected.calls)))
		for i := range g.expected.calls {
			c := &g.expected.calls[i]
			w.Entity(c.server)
			w.Float(c.past)
			w.Uint(uint64(c.hits))
			w.Bool(c.told)
		}
	}
	w.Uint(uint64(len(v.inner.keys)))
	for _, name := range v.inner.keys {
		w.String(name)
		w.Int(v.inner.byKey[name].lastMS)
	}
	w.Uint(uint64(len(v.instances.keys)))
	for _, name := range v.instances.keys {
		w.String(name)
		w.Int(v.instances.byKey[name].lastMS)
		v.instances.byKey[name].recent.write(w)
	}
	w.Uint(uint64(len(v.servers.keys)))
	for _, to := range v.servers.keys {
		w.Entity(to)
		w.Int(v.servers.byKey[to].lastMS)
		v.servers.byKey[to].recent.write(w)
	}
}

// Restore returns the Stage of a snapshot. The bounds are those of now; what is beyond them stays until it is idle.
func Restore(data []byte, cfg Config) (*Stage, error) {
	r, err := snapshot.Open(data, kind, version)
	if err != nil {
		return nil, err
	}
	s := New(cfg)
	s.mark = eventtime.Mark{Seq: r.Uint(), AtMS: r.Int(), WatermarkMS: r.Int()}
	s.open = r.Int()
	for _, n := range s.counts.list() {
		*n = r.Uint()
	}
	all := s.readResources(r)
	s.readTraces(r, all)
	for range r.Count(2) {
		n := r.Int()
		if s.windows[n] != nil || n < s.open {
			r.Fail("windows")
			break
		}
		for range r.Count(9) {
			f, ok := readFact(r, all)
			if !ok {
				break
			}
			s.windows[n] = append(s.windows[n], f)
		}
	}
	for range r.Count(3) {
		a := r.String()
		s.addresses[a] = &place{r.String(), r.Int()}
	}
	for range r.Count(7) {
		p := hostPair{r.String(), r.String()}
		s.lags[p] = &lag{r.Int(), r.Int(), min(r.Uint32(), fewest), r.Int(), r.Int()}
	}
	for range r.Count(7) {
		s.readService(r)
		if r.Err() != nil {
			break
		}
	}
	return s, r.End()
}

func (s *Stage) readResources(r *snapshot.Reader) []*resource {
	all := make([]*resource, r.Count(4))
	for i := range all {
		all[i] = &resource{service: r.String(), instance: r.String(), host: r.String(), lastMS: r.Int()}
		if all[i].service == "" {
			r.Fail("a resource without a service")
		}
	}
	for range r.Count(9) {
		id := r.Fixed()
		if res := pick(r, all); res != nil {
			s.resources[id] = res
		}
	}
	return all
}

// pick reads the number of a resource.
func pick(r *snapshot.Reader, all []*resource) *resource {
	n := r.Uint()
	if n >= uint64(len(all)) {
		r.Fail("no such resource")
		return nil
	}
	return all[n]
}

func (s *Stage) readTraces(r *snapshot.Reader, all []*resource) {
	for range r.Count(21) {
		var id traceID
		for i := range id {
			id[i] = r.Byte()
		}
		t := &trace{seen: r.Bool(), seenMS: r.Int(), firstEndMS: r.Int(), lastEndMS: r.Int()}
		for range r.Count(23) {
			sp := span{id: r.Fixed(), parent: r.Fixed(), startNS: r.Int()}
			sp.endNS = sp.startNS + r.Int()
			sp.res = pick(r, all)
			sp.op, sp.kind, sp.failed = r.String(), r.Byte(), r.Bool()
			if r.Bool() {
				sp.peer = &peer{service: r.String(), address: r.String(), system: r.String(), name: r.String(), kind: model.EntityKind(r.String())}
			}
			if sp.endNS < sp.startNS || sp.startNS < 0 {
				r.Fail("a span that ends before it starts")
			}
			if r.Err() != nil {
				return
			}
			t.spans = append(t.spans, sp)
		}
		if s.traces[id] != nil || len(t.spans) == 0 && !t.seen {
			r.Fail("traces")
			return
		}
		s.traces[id] = t
		s.spans += len(t.spans)
	}
}

func readFact(r *snapshot.Reader, all []*resource) (fact, bool) {
	f := fact{what: what(r.Byte()), failed: r.Bool(), origin: r.Bool(), judged: r.Bool(), res: pick(r, all), op: r.String(), server: r.Entity(), durNS: r.Int(), selfNS: r.Int()}
	if f.what > factMade {
		r.Fail("no kind of fact")
	}
	return f, r.Err() == nil
}

func (s *Stage) readService(r *snapshot.Reader) {
	const room = 1 << 30 // What was within the bounds once is kept.
	v := s.services.get(r.String(), room, newService)
	v.total.lastMS = r.Int()
	v.total.recent.read(r)
	for range r.Count(11) {
		g := v.operation(r.String(), room)
		g.lastMS = r.Int()
		g.recent.read(r)
		g.expected.weight, g.expected.n = r.Float(), r.Uint32()
		for range r.Count(12) {
			x := &g.expected
			c := expected{server: r.Entity(), past: r.Float(), hits: r.Uint32(), told: r.Bool()}
			if n := len(x.calls); n > 0 && x.calls[n-1].server.Compare(c.server) >= 0 {
				r.Fail("calls are not in order")
			}
			if r.Err() != nil {
				return
			}
			if c.told {
				c.name(v.name, g.name)
			}
			x.calls = append(x.calls, c)
		}
	}
	for range r.Count(2) {
		v.within(r.String(), room).lastMS = r.Int()
	}
	for range r.Count(2) {
		g := v.instance(r.String(), room)
		g.lastMS = r.Int()
		g.recent.read(r)
	}
	for range r.Count(3) {
		g := v.server(r.Entity(), room)
		g.lastMS = r.Int()
		g.recent.read(r)
	}
}
