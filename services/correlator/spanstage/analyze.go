package spanstage

import (
	"cmp"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// what says which kind of fact one is.
type what uint8

const (
	factEntry what = iota // A request that a service took.
	factInner             // Work within a service that has a span of its own.
	factCall              // A call from a service to another entity.
	factMade              // A request that made a call to a server: what is expected of the next ones.
)

// fact is what one span contributes to the window in which it ended.
type fact struct {
	what   what
	failed bool
	// origin says that the failure begins here: nothing that was called failed.
	origin bool
	// judged says that the calls of this entry are all known, so that a missing one is missing.
	judged bool
	res    *resource
	// op is the entry's operation, the inner span's name, or for a call the operation of the entry that made it.
	op string
	// server is who was called.
	server model.Entity
	// durNS is the duration as its own side saw it; selfNS the self time of an entry or inner span, the gap of a call, -1 when unknown.
	durNS, selfNS int64
}

func (f *fact) compare(o *fact) int {
	return cmp.Or(cmp.Compare(f.res.service, o.res.service), cmp.Compare(f.res.instance, o.res.instance), cmp.Compare(f.what, o.what), cmp.Compare(f.op, o.op), f.server.Compare(o.server))
}

// work is what analyze needs for a trace, kept from trace to trace.
type work struct {
	parent []int32 // Index of the parent, -1 for none.
	owner  []int32 // Index of the entry span of the same service that a span is below, or itself; -1 for none.
	entry  []bool
	orphan []bool // Its parent is missing.
	nested []bool // A client span with another client span below it in the same service: the inner one is the call.
	kids   []kid
	calls  []call
	callee []int32 // Index of the first span of another service below a span, -1 for none.
	count  []int32 // Children of a span.
	told   []fact
}

// kid is a child with its time, as its parent would see it.
type kid struct {
	parent, child  int32
	startNS, endNS int64
}

// call is a time during which an entry span waited for somebody else.
type call struct {
	owner          int32
	startNS, endNS int64
	span, callee   int32
	failed         bool
}

// analyze turns the spans of a trace, or of a part of one, into facts. whole says that no part of it was looked at before: else parents and
// children may be missing, and only what spans say by themselves counts.
func (s *Stage) analyze(spans []span, whole bool) {
	spans = s.tidy(spans)
	w := &s.work
	w.reset(len(spans))
	complete := w.relate(spans)
	for i := range spans {
		w.own(int32(i))
	}
	w.childTimes(spans)
	w.listCalls(spans)
	s.callFacts(spans, whole && complete)
	s.spanFacts(spans, whole, whole && complete)
}

// tidy puts spans in an order that does not depend on arrival, drops repetitions, and cuts what is too much.
func (s *Stage) tidy(spans []span) []span {
	if over := len(spans) - s.cfg.MaxSpansPerTrace; over > 0 {
		slices.SortFunc(spans, func(a, b span) int { return cmp.Or(cmp.Compare(a.startNS, b.startNS), a.compare(&b)) })
		spans = spans[:s.cfg.MaxSpansPerTrace]
		s.counts.Cut += uint64(over)
	}
	slices.SortFunc(spans, func(a, b span) int { return a.compare(&b) })
	// One id with two kinds is one call with both its sides, as Zipkin's first senders write it.
	return slices.CompactFunc(spans, func(a, b span) bool {
		return a.id == b.id && a.kind == b.kind && a.res.service == b.res.service
	})
}

func (a *span) compare(b *span) int {
	return cmp.Or(cmp.Compare(a.id, b.id), -cmp.Compare(a.kind, b.kind), cmp.Compare(a.res.service, b.res.service), -cmp.Compare(a.endNS, b.endNS),
		cmp.Compare(a.startNS, b.startNS), cmp.Compare(a.parent, b.parent), cmp.Compare(a.op, b.op), cmp.Compare(a.res.instance, b.res.instance), compareFlags(a.failed, b.failed))
}

func compareFlags(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func (w *work) reset(n int) {
	fill := func(v []int32, with int32) []int32 {
		v = slices.Grow(v[:0], n)[:n]
		for i := range v {
			v[i] = with
		}
		return v
	}
	flags := func(v []bool) []bool {
		v = slices.Grow(v[:0], n)[:n]
		clear(v)
		return v
	}
	w.parent, w.owner, w.callee, w.count = fill(w.parent, -1), fill(w.owner, unknown), fill(w.callee, -1), fill(w.count, 0)
	w.entry, w.orphan, w.nested = flags(w.entry), flags(w.orphan), flags(w.nested)
	w.kids, w.calls = w.kids[:0], w.calls[:0]
}

// relate finds parents and entries. It reports whether the trace has a root and every parent.
func (w *work) relate(spans []span) bool {
	root, all := false, true
	for i := range spans {
		sp := &spans[i]
		p := find(spans, sp, i)
		w.parent[i] = p
		switch {
		case p >= 0:
			w.count[p]++
		case sp.parent == 0:
			root = true
		default:
			w.orphan[i], all = true, false
		}
		crossed := p >= 0 && spans[p].res.service != sp.res.service
		w.entry[i] = sp.kind == kindServer || sp.kind == kindConsumer || crossed || p < 0 && (sp.parent == 0 || sp.kind == 0)
		if crossed && (w.callee[p] < 0 || spans[w.callee[p]].startNS > sp.startNS) {
			w.callee[p] = int32(i)
		}
		if p >= 0 && !crossed && spans[p].kind == kindClient && sp.kind == kindClient {
			w.nested[p] = true
		}
	}
	return root && all
}

// find returns the index of the parent of the span at i. Of two spans with the parent's id the called side has the children; the called side
// itself is the child of the calling side with the same id.
func find(spans []span, sp *span, i int) int32 {
	at := func(id uint64) int {
		n, ok := slices.BinarySearchFunc(spans, id, func(s span, id uint64) int { return cmp.Compare(s.id, id) })
		if !ok {
			return -1
		}
		return n
	}
	if sp.kind == kindServer {
		for j := at(sp.id); j >= 0 && j < len(spans) && spans[j].id == sp.id; j++ {
			if spans[j].kind == kindClient {
				return int32(j)
			}
		}
	}
	if sp.parent == 0 {
		return -1
	}
	first := at(sp.parent)
	for j := first; j >= 0 && j < len(spans) && spans[j].id == sp.parent; j++ {
		if j == i {
			return -1
		}
		if spans[j].kind == kindServer && spans[j].res.service == sp.res.service {
			return int32(j)
		}
	}
	return int32(first)
}

// unknown and busy are owners that are not known yet, and that are just being looked for.
const (
	unknown = -2
	busy    = -3
)

// own finds the entry that a span is below. Spans that are each other's parents, which only a broken sender makes, have none.
func (w *work) own(i int32) {
	top := i
	for w.owner[top] == unknown {
		if w.entry[top] || w.parent[top] < 0 {
			w.owner[top] = -1
			if w.entry[top] {
				w.owner[top] = top
			}
			break
		}
		w.owner[top] = busy
		top = w.parent[top]
	}
	found := w.owner[top]
	if found == busy {
		found = -1
	}
	for j := i; w.owner[j] == busy; j = w.parent[j] {
		w.owner[j] = found
	}
}

// childTimes lists the children of all spans by parent and start. A child on another host whose clock differs sticks out of its parent; it
// is moved to the middle of it, since what counts is how long it took.
func (w *work) childTimes(spans []span) {
	for i := range spans {
		p := w.parent[i]
		if p < 0 {
			continue
		}
		k := kid{p, int32(i), spans[i].startNS, spans[i].endNS}
		if up := &spans[p]; up.res.service != spans[i].res.service && (k.startNS < up.startNS || k.endNS > up.endNS) {
			length := min(k.endNS-k.startNS, up.endNS-up.startNS)
			k.startNS = up.startNS + (up.endNS-up.startNS-length)/2
			k.endNS = k.startNS + length
		}
		w.kids = append(w.kids, k)
	}
	slices.SortFunc(w.kids, func(a, b kid) int {
		return cmp.Or(cmp.Compare(a.parent, b.parent), cmp.Compare(a.startNS, b.startNS), cmp.Compare(a.child, b.child))
	})
}

// listCalls lists what each entry waited for: its client and producer spans, and spans of other services right below what is no client span.
func (w *work) listCalls(spans []span) {
	for i := range spans {
		sp := &spans[i]
		if o := w.owner[i]; o >= 0 && o != int32(i) && (sp.kind == kindClient || sp.kind == kindProducer) {
			c := call{owner: o, startNS: sp.startNS, endNS: sp.endNS, span: int32(i), callee: w.callee[i], failed: sp.failed}
			c.failed = c.failed || c.callee >= 0 && spans[c.callee].failed && sp.kind == kindClient
			w.calls = append(w.calls, c)
		}
	}
	for _, k := range w.kids {
		p := &spans[k.parent]
		o := w.owner[k.parent]
		if o < 0 || p.res.service == spans[k.child].res.service || o != k.parent && (p.kind == kindClient || p.kind == kindProducer) {
			continue
		}
		w.calls = append(w.calls, call{owner: o, startNS: k.startNS, endNS: k.endNS, span: k.parent, callee: k.child, failed: spans[k.child].failed})
	}
	slices.SortFunc(w.calls, func(a, b call) int {
		return cmp.Or(cmp.Compare(a.owner, b.owner), cmp.Compare(a.startNS, b.startNS), cmp.Compare(a.span, b.span), cmp.Compare(a.callee, b.callee))
	})
}

// union returns how much of the time from start to end the pieces cover together; pieces come by their start.
func union[T any](pieces []T, of func(*T) (int64, int64), start, end int64) int64 {
	covered, upTo := int64(0), start
	for i := range pieces {
		a, b := of(&pieces[i])
		a, b = max(a, upTo), min(b, end)
		if b > a {
			covered += b - a
			upTo = b
		}
	}
	return covered
}

// run returns the stretch of sorted pieces that belong to i, from at on, and where it ends.
func run[T any](pieces []T, at int, i int32, of func(*T) int32) ([]T, int) {
	for at < len(pieces) && of(&pieces[at]) < i {
		at++
	}
	end := at
	for end < len(pieces) && of(&pieces[end]) == i {
		end++
	}
	return pieces[at:end], end
}

// spanFacts makes the facts of entries and of inner spans.
func (s *Stage) spanFacts(spans []span, whole, judged bool) {
	w := &s.work
	callAt, kidAt := 0, 0
	for i := range spans {
		sp := &spans[i]
		var calls []call
		var kids []kid
		calls, callAt = run(w.calls, callAt, int32(i), func(c *call) int32 { return c.owner })
		kids, kidAt = run(w.kids, kidAt, int32(i), func(k *kid) int32 { return k.parent })
		f := fact{res: sp.res, op: sp.op, failed: sp.failed, durNS: sp.endNS - sp.startNS, selfNS: -1}
		switch {
		case w.entry[i]:
			f.what, f.judged = factEntry, judged
			f.origin = sp.failed && !slices.ContainsFunc(calls, func(c call) bool { return c.failed })
			if whole {
				f.selfNS = f.durNS - union(calls, func(c *call) (int64, int64) { return c.startNS, c.endNS }, sp.startNS, sp.endNS)
			}
		case sp.kind < kindServer && whole && !w.orphan[i]:
			f.what = factInner
			f.selfNS = f.durNS - union(kids, func(k *kid) (int64, int64) { return k.startNS, k.endNS }, sp.startNS, sp.endNS)
		default:
			continue
		}
		s.add(sp.endNS, f)
	}
}

// callFacts makes the facts of calls.
func (s *Stage) callFacts(spans []span, judged bool) {
	w := &s.work
	first := 0 // Where the calls of the same owner begin among those that were told.
	told := w.told[:0]
	for i := range w.calls {
		c := &w.calls[i]
		if i > 0 && w.calls[i-1].owner != c.owner {
			first = len(told)
		}
		if w.nested[c.span] {
			continue
		}
		f, ok := s.callFact(spans, c)
		if !ok {
			continue
		}
		if judged && !slices.ContainsFunc(told[first:], func(o fact) bool { return o.server == f.server }) {
			entry := &spans[c.owner] // Told in the window of its request, which may end later than the call.
			s.add(entry.endNS, fact{what: factMade, res: entry.res, op: entry.op, server: f.server})
		}
		told = append(told, f)
		s.add(spans[c.span].endNS, f)
		s.queueFact(&spans[c.span], c)
	}
	w.told = told
	for i := range spans {
		if spans[i].kind == kindConsumer {
			s.queueFact(&spans[i], nil)
		}
	}
}

// queueFact makes the fact that a producer, whose consumer is known as well, or a consumer uses the queue between them.
func (s *Stage) queueFact(sp *span, c *call) {
	if sp.peer == nil || c != nil && (sp.kind != kindProducer || c.callee < 0) {
		return
	}
	q, ok := sp.peer.queue()
	if !ok {
		return
	}
	f := fact{what: factCall, res: sp.res, op: sp.op, server: q, durNS: -1, selfNS: -1}
	if c != nil {
		f.failed, f.durNS = sp.failed, sp.endNS-sp.startNS
	}
	s.add(sp.endNS, f)
}

func (s *Stage) callFact(spans []span, c *call) (fact, bool) {
	w := &s.work
	sp := &spans[c.span]
	f := fact{what: factCall, res: sp.res, op: spans[c.owner].op, failed: c.failed, durNS: sp.endNS - sp.startNS, selfNS: -1}
	if c.callee < 0 {
		if sp.peer == nil {
			return f, false
		}
		var ok bool
		f.server, ok = sp.peer.entity(sp.res.service, s.serviceAt)
		return f, ok && f.server != model.Entity{Kind: model.KindService, Name: sp.res.service}
	}
	to := &spans[c.callee]
	f.server = model.Entity{Kind: model.KindService, Name: to.res.service}
	if sp.peer != nil && sp.peer.kind == "" {
		s.learn(sp.peer.address, to.res.service)
	}
	worked := to.endNS - to.startNS
	switch {
	case sp.kind == kindProducer || to.kind == kindConsumer:
		// Nobody waits; the gap is the time in the queue, and a span of the producer's does not fail by what comes later.
		f.durNS, f.selfNS = -1, s.lag(sp.res.host, to.res.host, to.startNS-sp.startNS, to.endNS/1e6)
	case sp.kind == kindClient || w.count[c.span] == 1 && c.span != c.owner:
		if gap := f.durNS - worked; gap >= 0 { // A caller that gave up early says nothing about the way between them.
			f.selfNS = gap
		}
	default:
		f.durNS = worked // The span of the caller does other things too.
	}
	return f, true
}

// add puts a fact into the window of its span's end, or into the open one when that is told already.
func (s *Stage) add(endNS int64, f fact) {
	n := max(floor(endNS/1e6, s.cfg.WindowMS), s.open)
	s.windows[n] = append(s.windows[n], f)
}
