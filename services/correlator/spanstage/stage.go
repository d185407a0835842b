// Package spanstage turns spans into ordinary series and into edges of the topology: requests, errors and durations by service, operation,
// instance and edge, self time, the gap between what a caller waits and a callee works, where errors begin, and the share of requests that
// made the calls they used to make. The series are in docs/formats/derived.md; judging them is the detector's work, not this one's.
//
// Spans of a trace are joined in event time. A trace is looked at when the watermark has passed its last span and nothing is missing from
// it; when something is, it is waited for ten seconds more. Counts go to the window in which a span ended, or the one that is
// still open when that window has been told already, so nothing is counted twice and nothing that came in time is left out.
//
// It is pure: no clock, no I/O, no goroutines; between two marks the order in which spans arrive has no influence, as sums are kept in
// whole nanoseconds and traces are taken by id. A span costs about a microsecond and, while it waits, about 150 bytes.
package spanstage

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/model"
)

// Config bounds a Stage.
type Config struct {
	// WindowMS is the length of a window. Ten seconds are two marks: shorter ones would have too few requests for a quantile, longer ones
	// would take the minute from a fault to its incident for themselves.
	WindowMS int64
	// JoinMS is how long a trace with missing spans is waited for after its last one, HoldMS how long any trace after its first one: a
	// trace that goes on for longer is looked at in pieces.
	JoinMS, HoldMS int64
	// MaxSpans and MaxTraces bound what waits; the oldest traces are looked at early when there is more. MaxSpansPerTrace cuts a trace.
	MaxSpans, MaxTraces, MaxSpansPerTrace int
	// MaxServices bounds services; MaxOperations, MaxInner and MaxInstances the operations, inner spans and instances of one;
	// MaxServers whom one service calls. What is beyond is counted as "other".
	MaxServices, MaxOperations, MaxInner, MaxInstances, MaxServers int
	// IdleMS is after how long without a request a series ends; until then it says zero requests.
	IdleMS int64
}

// Default returns bounds for a machine with some hundred services: about 60 MB of waiting spans and 2 kB an operation or edge when full.
func Default() Config {
	return Config{
		WindowMS: 10_000, JoinMS: 10_000, HoldMS: 30_000,
		MaxSpans: 400_000, MaxTraces: 100_000, MaxSpansPerTrace: 2_000,
		MaxServices: 2_000, MaxOperations: 50, MaxInner: 30, MaxInstances: 100, MaxServers: 50,
		IdleMS: 3_600_000,
	}
}

// Counts are what a Stage did not take as it came, for its health.
type Counts struct {
	// Late spans came after their trace had been waited for; Unattributed ones name no service.
	Late, Unattributed uint64
	// Refused spans had no room; Hurried traces were looked at early for want of room; Cut spans were beyond the bound of their trace.
	Refused, Hurried, Cut uint64
}

// Stage joins spans. The zero value is not usable; see New.
type Stage struct {
	cfg       Config
	mark      eventtime.Mark
	traces    map[traceID]*trace
	spans     int // That wait in traces.
	resources map[uint64]*resource
	services  table[string, service]
	addresses map[string]*place
	lags      map[hostPair]*lag
	// windows has facts by window, from the open one on.
	windows map[int64][]fact
	// open is the number of the first window that was not told; it is known from the first mark on.
	open   int64
	counts Counts
	work   work
}

type traceID [16]byte

// span is what is kept of a span while it waits.
type span struct {
	id, parent     uint64
	startNS, endNS int64
	res            *resource
	op             string
	peer           *peer
	kind           uint8
	failed         bool
}

// trace are the spans of a trace that wait. One that was looked at stays for a while without them, so that what comes late is known as such.
type trace struct {
	spans                 []span
	firstEndMS, lastEndMS int64
	// seen says that a part of it was looked at, at watermark seenMS.
	seen   bool
	seenMS int64
}

// resource is what counts of a resource.
type resource struct {
	service, instance, host string
	lastMS                  int64
}

// New returns an empty stage.
func New(cfg Config) *Stage {
	return &Stage{
		cfg: cfg, traces: map[traceID]*trace{}, resources: map[uint64]*resource{}, services: stringTable[service](),
		addresses: map[string]*place{}, lags: map[hostPair]*lag{}, windows: map[int64][]fact{},
	}
}

// Counts returns what was left out since the start.
func (s *Stage) Counts() Counts { return s.counts }

// Waiting returns how many spans and traces wait.
func (s *Stage) Waiting() (spans, traces int) { return s.spans, len(s.traces) }

// Spans takes a batch. Strings of b may be kept until their trace is looked at.
func (s *Stage) Spans(b *model.Spans) {
	for i := range b.Spans {
		s.take(&b.Spans[i], b.Resources)
	}
}

func (s *Stage) take(in *model.Span, resources []model.Resource) {
	end := in.StartNS + in.DurationNS // Less than the start when it is beyond all numbers.
	endMS := end / 1e6
	if s.mark.Seq > 0 && endMS <= s.mark.WatermarkMS-s.cfg.JoinMS {
		s.counts.Late++
		return
	}
	if int(in.ResourceIdx) >= len(resources) || len(in.TraceID) != 16 || len(in.SpanID) != 8 || in.StartNS < 0 || end < in.StartNS {
		s.counts.Unattributed++
		return
	}
	res := s.resource(&resources[in.ResourceIdx], endMS)
	if res == nil {
		s.counts.Unattributed++
		return
	}
	var id traceID
	copy(id[:], in.TraceID)
	t := s.traces[id]
	// Twice the bounds can only be reached between two marks, in order of arrival; a mark brings it back to the bounds by age.
	if s.spans >= 2*s.cfg.MaxSpans || t == nil && len(s.traces) >= 2*s.cfg.MaxTraces || t != nil && len(t.spans) >= 2*s.cfg.MaxSpansPerTrace {
		s.counts.Refused++
		return
	}
	if t == nil {
		t = &trace{}
		s.traces[id] = t
	}
	if len(t.spans) == 0 {
		t.firstEndMS, t.lastEndMS = endMS, endMS
	}
	t.firstEndMS, t.lastEndMS = min(t.firstEndMS, endMS), max(t.lastEndMS, endMS)
	t.spans = append(t.spans, s.compact(in, res, end))
	s.spans++
}

func (s *Stage) compact(in *model.Span, res *resource, end int64) span {
	out := span{id: word(in.SpanID), startNS: in.StartNS, endNS: end, res: res, op: operation(in.Name), kind: in.Kind, failed: in.StatusCode == statusError}
	if len(in.ParentSpanID) == 8 {
		out.parent = word(in.ParentSpanID)
	}
	p, status := attributes(in.Attributes)
	if in.Kind >= kindClient && p.known() {
		out.peer = &p
	}
	if !out.failed && in.Kind == kindServer && len(status) == 3 && status[0] == '5' {
		if _, err := strconv.Atoi(status); err == nil {
			out.failed = true
		}
	}
	return out
}

// word returns eight bytes as a number.
func word(b string) uint64 {
	_ = b[7]
	var v uint64
	for i := range 8 {
		v = v<<8 | uint64(b[i])
	}
	return v
}

// resource returns what counts of r; nil when it names no service.
func (s *Stage) resource(r *model.Resource, atMS int64) *resource {
	if known := s.resources[r.ID]; known != nil {
		known.lastMS = max(known.lastMS, atMS)
		return known
	}
	name := r.Service
	if name == "" {
		name = model.ResolveService(r.Attributes)
	}
	if name == "" {
		return nil
	}
	out := &resource{service: clip(name), host: r.Host, lastMS: atMS}
	if e := model.EntityOf("", r.Attributes); e.Kind == model.KindInstance {
		out.instance = clip(e.Name)
	}
	if out.host == "" {
		out.host = out.instance
	}
	if len(s.resources) < 100*s.cfg.MaxServices { // Beyond, each batch looks at them anew, which costs time and no memory.
		s.resources[r.ID] = out
	}
	return out
}

// Mark looks at the traces that are complete at k, and hands on the windows that have ended: every sample by series, and every call that was
// seen in a window with the window's end. Marks that were taken already are ignored.
func (s *Stage) Mark(k eventtime.Mark, emit func(model.Derived), edge func(model.Edge, int64)) {
	if k.Seq <= s.mark.Seq && s.mark.Seq > 0 {
		return
	}
	first := s.mark.Seq == 0
	k.WatermarkMS = max(k.WatermarkMS, s.mark.WatermarkMS)
	s.mark = k
	if first {
		s.open = floor(k.WatermarkMS, s.cfg.WindowMS)
	}
	s.complete(k.WatermarkMS)
	last := floor(k.WatermarkMS, s.cfg.WindowMS)
	if last-s.open > maxWindows {
		s.skip(last - maxWindows)
	}
	for ; s.open < last; s.open++ {
		s.settle(s.windows[s.open])
		delete(s.windows, s.open)
		s.tell((s.open+1)*s.cfg.WindowMS, emit, edge)
	}
	s.forget(k.WatermarkMS)
}

// maxWindows bounds the windows that one mark tells: after a longer gap in the marks, an hour of zeros would say nothing.
const maxWindows = 60

// skip moves what belongs to windows before the given one into it.
func (s *Stage) skip(to int64) {
	var moved []fact
	for w := range s.windows {
		if w < to {
			moved = append(moved, s.windows[w]...)
			delete(s.windows, w)
		}
	}
	// Sums do not depend on order; what is admitted does, so the facts get one.
	slices.SortFunc(moved, func(a, b fact) int { return a.compare(&b) })
	s.windows[to] = append(moved, s.windows[to]...)
	s.open = to
}

func floor(ms, step int64) int64 {
	if ms < 0 {
		return -((-ms + step - 1) / step)
	}
	return ms / step
}

// due is a trace that is to be looked at.
type due struct {
	id traceID
	t  *trace
}

// complete looks at the traces that are complete at the watermark, by id, and at the oldest ones when there are too many.
func (s *Stage) complete(watermarkMS int64) {
	var list, waiting []due
	for id, t := range s.traces {
		if len(t.spans) == 0 {
			continue
		}
		switch {
		case watermarkMS >= t.lastEndMS+s.cfg.JoinMS, watermarkMS >= t.firstEndMS+s.cfg.HoldMS, watermarkMS >= t.lastEndMS && t.whole():
			list = append(list, due{id, t})
		default:
			waiting = append(waiting, due{id, t})
		}
	}
	list = append(list, s.hurry(waiting, list)...)
	slices.SortFunc(list, func(a, b due) int { return bytes.Compare(a.id[:], b.id[:]) })
	for _, d := range list {
		s.look(d.t, watermarkMS)
	}
}

// hurry returns the oldest traces of those that wait when they are more than there is room for.
func (s *Stage) hurry(waiting, list []due) []due {
	spans := s.spans
	for _, d := range list {
		spans -= len(d.t.spans)
	}
	over, most := len(waiting)-s.cfg.MaxTraces, spans-s.cfg.MaxSpans
	if over <= 0 && most <= 0 {
		return nil
	}
	slices.SortFunc(waiting, func(a, b due) int {
		return cmp.Or(cmp.Compare(a.t.firstEndMS, b.t.firstEndMS), bytes.Compare(a.id[:], b.id[:]))
	})
	n := 0
	for ; n < len(waiting) && (over > 0 || most > 0); n++ {
		over--
		most -= len(waiting[n].t.spans)
		s.counts.Hurried++
	}
	return waiting[:n]
}

// look turns the spans of a trace into facts and lets go of them.
func (s *Stage) look(t *trace, watermarkMS int64) {
	s.spans -= len(t.spans)
	s.analyze(t.spans, !t.seen)
	t.spans = nil
	t.seen, t.seenMS = true, watermarkMS
}

// whole reports whether the trace has its root and no parent is missing.
func (t *trace) whole() bool {
	if len(t.spans) > maxQuick {
		return false // Looking would cost more than ten seconds of waiting.
	}
	root := false
	for i := range t.spans {
		p := t.spans[i].parent
		if p == 0 {
			root = true
		} else if !t.has(p) {
			return false
		}
	}
	return root
}

func (t *trace) has(id uint64) bool {
	for i := range t.spans {
		if t.spans[i].id == id {
			return true
		}
	}
	return false
}

// maxQuick is the size of a trace up to which it is searched for its parents span by span.
const maxQuick = 200

// forget drops what has not been heard of for long.
func (s *Stage) forget(watermarkMS int64) {
	for id, t := range s.traces {
		if t.seen && len(t.spans) == 0 && watermarkMS >= t.seenMS+s.cfg.HoldMS {
			delete(s.traces, id)
		}
	}
	for id, r := range s.resources {
		if r.lastMS+s.cfg.IdleMS < watermarkMS {
			delete(s.resources, id)
		}
	}
	for address, p := range s.addresses {
		if p.lastMS+addressMS < watermarkMS {
			delete(s.addresses, address)
		}
	}
	for pair, l := range s.lags {
		if l.lastMS+s.cfg.IdleMS < watermarkMS {
			delete(s.lags, pair)
		}
	}
}
