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
	// MaxHeld bounds the lines that wait for the rest of their trace. Beyond it only some traces are followed, chosen by their ids.
	MaxHeld int
	// JoinMS is how long a trace is waited for after its last line.
	JoinMS int64
	// MaxKinds bounds the templates of an entity whose followers are counted.
	MaxKinds int
	// MaxStreams bounds the streams without trace ids that are followed, MaxPerMark the lines of one that are looked at in a mark: one
	// that writes more is many threads at once, and what follows what there is chance.
	MaxStreams, MaxPerMark int
}

// DefaultFollow returns bounds for a machine with some hundred services.
func DefaultFollow() FollowConfig {
	return FollowConfig{MaxHeld: 200_000, JoinMS: 10_000, MaxKinds: 500, MaxStreams: 5_000, MaxPerMark: 200}
}

// held is a line that waits for the lines beside it.
type held struct {
	key   uint64 // Of its trace or stream, and its entity.
	shape *shape
	ns    int64
	trace bool
}

// stream is where a stream without trace ids stopped.
type stream struct {
	last   uint64 // Id of its last template.
	lastMS int64
}

// follower puts lines of a trace, or of a stream, one after the other.
type follower struct {
	cfg     FollowConfig
	held    []held
	streams map[uint64]stream
	// every says that one of so many traces is followed, a power of two.
	every uint64
	// passed counts lines that were not followed.
	passed uint64
}

func newFollower(cfg FollowConfig) follower {
	return follower{cfg: cfg, streams: map[uint64]stream{}, every: 1}
}

// compareHeld orders lines by trace, entity and time.
func compareHeld(a, b held) int {
	return cmp.Or(cmp.Compare(a.key, b.key), a.shape.entity.entity.Compare(b.shape.entity.entity), cmp.Compare(a.ns, b.ns), cmp.Compare(a.shape.id, b.shape.id))
}

// hold keeps a line until its mark.
func (f *follower) hold(sh *shape, ns int64, trace string, resource uint64, watermarkMS int64) {
	key, traced := resource, false
	if len(trace) == 16 {
		key, traced = traceHash(trace), true
	}
	key = mix(key ^ sh.entity.hash)
	if len(f.held) >= 2*f.cfg.MaxHeld || key&(f.every-1) != 0 || ns/1e6 <= watermarkMS-f.cfg.JoinMS {
		f.passed++
		return
	}
	f.held = append(f.held, held{key, sh, ns, traced})
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

// followers counts the lines whose neighbours are all there, and finds what did not follow.
func (s *Stage) followers(watermarkMS int64) {
	f := &s.follow
	slices.SortFunc(f.held, compareHeld)
	kept := f.held[:0]
	for i := 0; i < len(f.held); {
		j := i
		for j < len(f.held) && f.held[j].key == f.held[i].key && f.held[j].shape.entity == f.held[i].shape.entity {
			j++
		}
		kept = append(kept, s.sequence(f.held[i:j], watermarkMS)...)
		i = j
	}
	clear(f.held[len(kept):])
	f.held = kept
	f.adapt()
	for key, st := range f.streams {
		if st.lastMS+streamIdleMS < watermarkMS {
			delete(f.streams, key)
		}
	}
	for _, e := range s.ordered {
		s.judgePairs(e, watermarkMS)
	}
}

// streamIdleMS is the pause after which a line follows nothing.
const streamIdleMS = 60_000

// adapt follows fewer traces when too many lines wait, and more when few do.
func (f *follower) adapt() {
	switch n := len(f.held); {
	case n > f.cfg.MaxHeld && f.every < 1<<20:
		f.every *= 2
		f.held = slices.DeleteFunc(f.held, func(h held) bool { return h.key&(f.every-1) != 0 })
	case n < f.cfg.MaxHeld/8 && f.every > 1:
		f.every /= 2
	}
}

// sequence counts the lines of one trace or stream, and returns those that have to wait on.
func (s *Stage) sequence(lines []held, watermarkMS int64) []held {
	e := lines[0].shape.entity
	lastMS := lines[len(lines)-1].ns / 1e6
	if lines[0].trace {
		if lastMS+s.follow.cfg.JoinMS > watermarkMS {
			return lines
		}
		before := start
		for _, h := range lines {
			before = s.pair(e, before, h)
		}
		s.pairIDs(e, before, start, lastMS)
		return nil
	}
	n := 0
	for n < len(lines) && lines[n].ns/1e6 <= watermarkMS {
		n++
	}
	st, known := s.follow.streams[lines[0].key]
	if n == 0 || !known && len(s.follow.streams) >= s.follow.cfg.MaxStreams {
		return lines[n:]
	}
	if n > s.follow.cfg.MaxPerMark {
		delete(s.follow.streams, lines[0].key)
		return lines[n:]
	}
	for _, h := range lines[:n] {
		ms := h.ns / 1e6
		if ms-st.lastMS > streamIdleMS {
			st.last = start
		}
		st.last = s.pair(e, st.last, h)
		st.lastMS = ms
	}
	s.follow.streams[lines[0].key] = st
	return lines[n:]
}

// start stands before the first line of a trace, and behind its last one. It is the id of no template.
const start uint64 = 0

func (s *Stage) pair(e *entity, before uint64, h held) uint64 {
	k := h.shape.kind
	if k == nil || k == &e.rest {
		return before
	}
	s.pairIDs(e, before, k.id, h.ns/1e6)
	return k.id
}

func (s *Stage) pairIDs(e *entity, before, after uint64, ms int64) {
	e.pairs.count(before, after, ms, s.follow.cfg.MaxKinds)
}

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
			if n.missMS == 0 {
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
