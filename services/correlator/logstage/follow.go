package logstage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/model"
)

// FollowConfig bounds what is known of which line follows which.
type FollowConfig struct {
	// MaxHeld bounds the lines that wait for the watermark. Beyond it only some traces are followed, chosen by their ids.
	MaxHeld int
	// MaxTraces bounds the traces that are under way, JoinMS is how long one is waited for after its last line.
	MaxTraces int
	JoinMS    int64
	// MaxKinds bounds the templates of an entity whose followers are counted.
	MaxKinds int
	// MaxPerWindow bounds the lines of a stream without trace ids that are followed in a window: one that writes more is many threads at
	// once, and what follows what there is chance.
	MaxPerWindow int
}

// DefaultFollow returns bounds for a machine with some hundred services.
func DefaultFollow() FollowConfig {
	return FollowConfig{MaxHeld: 400_000, MaxTraces: 50_000, JoinMS: 10_000, MaxKinds: 500, MaxPerWindow: 300}
}

// held is a line that waits for the watermark.
type held struct {
	key    uint64 // Of its trace or stream, and its entity.
	shape  *shape
	source *source // nil for a line of a trace.
	ns     int64
}

// flow is where a trace or a stream stopped.
type flow struct {
	last   uint64 // Id of its last template.
	lastMS int64
}

// traceFlow is a trace that is under way at an entity.
type traceFlow struct {
	flow
	entity *entity
	counts []Count
}

// source is a resource that sends lines: a stream of its own.
type source struct {
	id     uint64
	entity *entity
	lastMS int64
	counts [ring]uint32 // Lines without a trace id, by window.
	flow
}

// follower puts lines of a trace, or of a stream, one after the other.
type follower struct {
	cfg    FollowConfig
	held   []held
	traces map[uint64]*traceFlow
	// every says that one of so many traces is followed, a power of two.
	every uint64
	// passed counts lines that were not followed.
	passed uint64
	// passing is room for the lines of a mark.
	passing []held
}

func newFollower(cfg FollowConfig) follower {
	return follower{cfg: cfg, traces: map[uint64]*traceFlow{}, every: 1}
}

// compareHeld orders lines by trace and time.
func compareHeld(a, b held) int {
	switch {
	case a.key != b.key:
		return cmp.Compare(a.key, b.key)
	case a.ns != b.ns:
		return cmp.Compare(a.ns, b.ns)
	}
	return cmp.Compare(a.shape.id, b.shape.id)
}

// hold keeps a line until the watermark passes it. at is the place of its window in the ring.
func (f *follower) hold(src *source, sh *shape, ns int64, trace string, at int64) {
	h := held{shape: sh, ns: ns}
	if len(trace) == 16 {
		h.key = mix(traceHash(trace) ^ sh.entity.hash)
		if h.key&(f.every-1) != 0 {
			f.passed++
			return
		}
	} else {
		h.key, h.source = mix(src.id^sh.entity.hash), src
		if src.counts[at]++; int(src.counts[at]) > f.cfg.MaxPerWindow {
			f.passed++
			return
		}
	}
	if len(f.held) >= 2*f.cfg.MaxHeld {
		f.passed++
		return
	}
	f.held = append(f.held, h)
}

// traceHash is the second half of a trace id, which is random in all systems that number traces.
func traceHash(id string) uint64 {
	_ = id[15]
	var v uint64
	for i := 8; i < 16; i++ {
		v = v<<8 | uint64(id[i])
	}
	return v
}

// mix is the finalizer of SplitMix64.
func mix(z uint64) uint64 {
	z ^= z >> 30
	z *= 0xbf58476d1ce4e5b9
	z ^= z >> 27
	z *= 0x94d049bb133111eb
	return z ^ z>>31
}

// followLines counts the lines that the watermark has passed, by trace and time. To be called while their windows are still open.
func (s *Stage) followLines(watermarkMS int64) {
	f := &s.follow
	kept, passed := f.held[:0], f.passing[:0]
	for _, h := range f.held {
		if h.ns/1e6 <= watermarkMS {
			passed = append(passed, h)
		} else {
			kept = append(kept, h)
		}
	}
	clear(f.held[len(kept):])
	f.held = kept
	slices.SortFunc(passed, compareHeld)
	for i := range passed {
		s.followLine(&passed[i])
	}
	clear(passed)
	f.passing = passed[:0]
	f.adapt()
}

// adapt follows fewer traces when too many lines wait, and more when few do.
func (f *follower) adapt() {
	switch n := len(f.held); {
	case n > f.cfg.MaxHeld && f.every < 1<<20:
		f.every *= 2
		f.held = slices.DeleteFunc(f.held, func(h held) bool { return h.source == nil && h.key&(f.every-1) != 0 })
	case n < f.cfg.MaxHeld/8 && f.every > 1:
		f.every /= 2
	}
}

// followLine counts a line after the one before it.
func (s *Stage) followLine(h *held) {
	e, k, ms := h.shape.entity, h.shape.kind, h.ns/1e6
	if k == nil || k == &e.rest {
		return
	}
	var at *flow
	if h.source == nil {
		t := s.follow.traces[h.key]
		if t == nil {
			if len(s.follow.traces) >= s.follow.cfg.MaxTraces {
				s.follow.passed++
				return
			}
			t = &traceFlow{entity: e}
			s.follow.traces[h.key] = t
		}
		t.counts = AddCount(t.counts, k.id)
		at = &t.flow
	} else {
		window := floor(ms, s.cfg.WindowMS)
		if int(h.source.counts[window&(ring-1)]) > s.follow.cfg.MaxPerWindow {
			h.source.last = start
			return
		}
		at = &h.source.flow
		if ms-at.lastMS > streamPauseMS {
			at.last = start
		}
	}
	e.pairs.count(at.last, k.id, ms, s.follow.cfg.MaxKinds)
	at.last, at.lastMS = k.id, ms
}

// streamPauseMS is the pause in a stream after which a line follows nothing.
const streamPauseMS = 60_000

// followers ends the traces that are over, and judges what did not follow.
func (s *Stage) followers(watermarkMS int64) {
	f := &s.follow
	var over []uint64
	for key, t := range f.traces {
		if t.lastMS+f.cfg.JoinMS <= watermarkMS {
			over = append(over, key)
		}
	}
	slices.Sort(over)
	for _, key := range over {
		t := f.traces[key]
		t.entity.pairs.count(t.last, start, t.lastMS, f.cfg.MaxKinds)
		t.entity.sequences.end(t.counts, t.lastMS)
		delete(f.traces, key)
	}
	for _, e := range s.ordered {
		s.judgePairs(e, watermarkMS)
	}
}

// start stands before the first line of a trace, and behind its last one. It is the id of no template.
const start uint64 = 0

// pairs is what follows what at an entity.
type pairs struct {
	byID  map[uint64]*followers
	order []uint64
	// blockMS is when the present minute began.
	blockMS int64
}

// maxNext is how many followers of a template are told apart. What is expected to follow is one, or it is not expected.
const maxNext = 4

// followers are the templates that come next after one: in the past, decayed, and in the last one to two minutes.
type followers struct {
	past float64
	now  [2]uint32 // The present minute and the one before.
	next [maxNext]next
}

type next struct {
	id   uint64
	used bool
	past float64
	now  [2]uint32
	// missMS is when it first did not follow in this run of misses.
	missMS  int64
	finding *model.Finding
}

func (p *pairs) count(before, after uint64, ms int64, limit int) {
	f := p.byID[before]
	if f == nil {
		if len(p.byID) >= limit {
			return
		}
		if p.byID == nil {
			p.byID = map[uint64]*followers{}
		}
		f = &followers{}
		p.byID[before] = f
		at, _ := slices.BinarySearch(p.order, before)
		p.order = slices.Insert(p.order, at, before)
	}
	f.now[0]++
	free := -1
	hit := false
	for i := range f.next {
		n := &f.next[i]
		switch {
		case !n.used:
			if free < 0 {
				free = i
			}
		case n.id == after:
			n.now[0]++
			hit = true
		default:
			if n.missMS == 0 || ms < n.missMS {
				n.missMS = ms
			}
		}
	}
	if !hit && free >= 0 {
		f.next[free] = next{id: after, used: true, now: [2]uint32{1, 0}}
	}
}

// forget drops a template from both sides.
func (p *pairs) forget(id uint64) {
	if p.byID[id] != nil {
		delete(p.byID, id)
		if at, ok := slices.BinarySearch(p.order, id); ok {
			p.order = slices.Delete(p.order, at, at+1)
		}
	}
	for _, f := range p.byID {
		for i := range f.next {
			if f.next[i].used && f.next[i].id == id && f.next[i].finding == nil {
				f.next[i] = next{}
			}
		}
	}
}

// Figures of what is expected to follow.
const (
	followBlockMS = 60_000 // "Now" is one to two minutes: long enough for some cases, short enough for a finding within two.
	followAfter   = 50     // Cases before something is expected.
	followShare   = 0.95
	followDecay   = 0.989 // By minute; the memory halves in an hour.
	followP       = 1e-4  // A finding opens below this, with hundreds of pairs judged each minute,
	followBackP   = 1e-2  // and ends above this.
	followMisses  = 2
)

// judgePairs moves an entity's counts on by the minute and judges what is expected to follow.
func (s *Stage) judgePairs(e *entity, watermarkMS int64) {
	p := &e.pairs
	if len(p.order) == 0 {
		return
	}
	rotate := watermarkMS-p.blockMS >= followBlockMS
	if rotate {
		p.blockMS = watermarkMS
	}
	for _, id := range p.order {
		f := p.byID[id]
		for i := range f.next {
			if n := &f.next[i]; n.used {
				s.judgePair(e, id, f, n, watermarkMS)
			}
		}
		if rotate {
			f.rotate()
		}
	}
}

func (f *followers) rotate() {
	f.past = f.past*followDecay + float64(f.now[1])
	f.now = [2]uint32{0, f.now[0]}
	for i := range f.next {
		n := &f.next[i]
		if !n.used {
			continue
		}
		n.past = n.past*followDecay + float64(n.now[1])
		n.now = [2]uint32{0, n.now[0]}
		if n.finding == nil && n.past < 0.5 && n.now[1] == 0 {
			*n = next{}
		}
	}
}

func (s *Stage) judgePair(e *entity, id uint64, f *followers, n *next, watermarkMS int64) {
	cases, hits := int(f.now[0]+f.now[1]), int(n.now[0]+n.now[1])
	misses := cases - hits
	if misses == 0 {
		n.missMS = 0
	}
	share := 0.0
	if f.past > 0 {
		share = min(n.past/f.past, 1)
	}
	if n.finding == nil && (f.past < followAfter || share < followShare || misses < followMisses) {
		return
	}
	// The share of misses is not known to be nothing: one case in the past is added, as Laplace does.
	p := binomialTail(misses, cases, (f.past-n.past+1)/(f.past+2))
	switch {
	case n.finding == nil && p < followP:
		n.finding = s.unfollowed(e, id, n, p, share, cases, hits)
		s.found = append(s.found, *n.finding)
	case n.finding != nil && (cases > 0 && p > followBackP || share < followShare/2 || watermarkMS-n.finding.OnsetMS > lostLastsMS):
		s.close(e, &n.finding, watermarkMS)
	}
}

// unfollowed returns the finding that something does not follow any more.
func (s *Stage) unfollowed(e *entity, id uint64, n *next, p, share float64, cases, hits int) *model.Finding {
	onset := n.missMS
	if onset == 0 {
		onset = s.mark.WatermarkMS
	}
	name := func(id uint64, edge string) (string, string) {
		if id == start {
			return edge, "the " + edge + " of a request"
		}
		if k := e.kinds[id]; k != nil {
			return TemplateLabel(id), s.text(e, k)
		}
		return TemplateLabel(id), TemplateLabel(id)
	}
	fromLabel, from := name(id, "start")
	toLabel, to := name(n.id, "end")
	labels := append(seriesLabels(e.entity, "", ""), model.Label{Name: "template", Value: fromLabel}, model.Label{Name: "follower", Value: toLabel})
	slices.SortFunc(labels, func(a, b model.Label) int { return strings.Compare(a.Name, b.Name) })
	return &model.Finding{
		ID:     model.FindingID(e.hash, "follower:"+fromLabel+":"+toLabel, onset),
		Entity: e.entity, Kind: model.FindingGone, Direction: -1, Detector: detectorFollower,
		Signal:  model.SignalRef{Name: "log_template_follower_ratio", Labels: labels, Role: model.RoleLog, Unit: "1"},
		OnsetMS: onset, SeenMS: s.mark.WatermarkMS,
		Value: float64(hits) / float64(cases), Expected: share, Low: share - 0.05, High: 1,
		PValue: max(p, 1e-300), Score: min(spreads(p), model.MaxScore), Confidence: 0.7 * (1 - p),
		HistoryMS: onset - e.firstMS,
		Text:      fmt.Sprintf("at %s, after %s came %s in %.0f %% of the cases, and now in %d of %d", e.entity.Name, from, to, share*100, hits, cases),
	}
}
