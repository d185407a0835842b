package group

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// What memory rests on.
const (
	// habitHalfLifeMS: what happened last week counts for half, so that a season's noise is forgotten within a month.
	habitHalfLifeMS = 7 * day
	// A signal that was never found counts as one that was found a tenth of a time in two days: once in twenty. That is what the detector
	// aims at: a false group of findings in a day and entity, which has some twenty signals. With more time seen it is rarer.
	habitPrior   = 0.1
	habitPriorMS = 2 * day
	// onceMS: findings of one signal within as long count once: a habit is how often there is trouble, not how it flutters.
	onceMS = 30 * minute
	// togetherMS: onsets as close as this happened together.
	togetherMS = 2 * minute
	// togetherTimes is how often two signals must have been found together to be known for it, and togetherLift how much more often than
	// by chance.
	togetherTimes = 3
	togetherLift  = 3
	// maxPartners bounds the signals that one is known to occur with, maxRecent the onsets that are compared: more at once is a storm,
	// which says nothing about pairs.
	maxPartners = 16
	maxRecent   = 64
	// maxSmall bounds the tables by entity and by kind of opening.
	maxSmall = 4096
	// The lag between a finding and the one that it follows: a mean over the last fifty or so, that begins with ten lags of two minutes.
	lagPriorMS, lagPriorN, lagKeep = 2 * minute, 10.0, 0.98
	leastLagMS, mostLagMS          = 30 * second, 10 * minute
)

// memory is what was learnt: how often each signal is found, which are found together, how long quiet lasts before trouble is back, and what
// people said. All of it decays but people's word. Its fields are exported for snapshots.
type memory struct {
	max     int
	StartMS int64
	Signals map[uint64]*habit
	Recent  []onset
	LagSum  float64
	LagN    float64
	Flaps   map[string]flap
	Judged  map[uint64]judged
}

// habit is what is known of one signal.
type habit struct {
	// Count and All decay from AtMS on: the times of trouble, and all findings. LastMS is the onset that was counted last.
	Count    float64
	All      float64
	AtMS     int64
	LastMS   int64
	Partners []partner // By cell.
}

// partner is a signal that was found at the same time. Never counts the people who said that the two have nothing to do with each other.
type partner struct {
	Cell  uint64
	Times float64
	AtMS  int64
	Never int
}

// onset is one of the last few.
type onset struct {
	Cell uint64
	MS   int64
}

// flap is the longest quiet time after which an entity's trouble came back.
type flap struct{ GapMS, AtMS int64 }

// judged counts what people said of openings of a kind at an entity.
type judged struct {
	Confirmed, Rejected int
	AtMS                int64
}

func newMemory(limit int) *memory {
	return &memory{max: limit, Signals: map[uint64]*habit{}, Flaps: map[string]flap{}, Judged: map[uint64]judged{}}
}

// begin notes since when there is something to remember.
func (m *memory) begin(nowMS int64) {
	if m.StartMS == 0 {
		m.StartMS = nowMS
	}
}

// decay returns what is left of x after ms.
func decay(x float64, ms int64) float64 {
	if ms <= 0 {
		return x
	}
	return x * math.Exp2(-float64(ms)/float64(habitHalfLifeMS))
}

// seenMS returns the time that is behind the counts, decayed as they are.
func (m *memory) seenMS(nowMS int64) float64 {
	if m.StartMS == 0 || nowMS <= m.StartMS {
		return 0
	}
	return float64(habitHalfLifeMS) / math.Ln2 * (1 - math.Exp2(-float64(nowMS-m.StartMS)/float64(habitHalfLifeMS)))
}

// rates returns how often a signal is in trouble, and how often it is found in all, per millisecond.
func (m *memory) rates(cell uint64, nowMS int64) (trouble, all float64) {
	if h := m.Signals[cell]; h != nil {
		trouble, all = decay(h.Count, nowMS-h.AtMS), decay(h.All, nowMS-h.AtMS)
	}
	seen := m.seenMS(nowMS) + float64(habitPriorMS)
	return (trouble + habitPrior) / seen, (all + habitPrior) / seen
}

// learn counts a finding of a signal, and what was found beside it.
func (m *memory) learn(cell uint64, onsetMS, nowMS int64) {
	h := m.Signals[cell]
	if h == nil {
		m.shed()
		h = &habit{AtMS: nowMS}
		m.Signals[cell] = h
	}
	h.Count, h.All, h.AtMS = decay(h.Count, nowMS-h.AtMS), decay(h.All, nowMS-h.AtMS)+1, nowMS
	if h.LastMS != 0 && abs(onsetMS-h.LastMS) < onceMS {
		return
	}
	h.Count, h.LastMS = h.Count+1, onsetMS
	m.Recent = slices.DeleteFunc(m.Recent, func(o onset) bool { return abs(onsetMS-o.MS) > togetherMS })
	if len(m.Recent) >= maxRecent {
		return
	}
	for _, o := range m.Recent {
		if other := m.Signals[o.Cell]; other != nil && o.Cell != cell {
			h.with(o.Cell, nowMS).add(nowMS)
			other.with(cell, nowMS).add(nowMS)
		}
	}
	m.Recent = append(m.Recent, onset{cell, onsetMS})
}

// unlearn takes one finding out of a signal's habit: a real fault is not a habit.
func (m *memory) unlearn(cell uint64, times float64) {
	if h := m.Signals[cell]; h != nil {
		h.Count, h.All = max(0, h.Count-times), max(0, h.All-times)
	}
}

func (p *partner) add(nowMS int64) { p.Times, p.AtMS = decay(p.Times, nowMS-p.AtMS)+1, nowMS }

// with returns the entry of a partner, made when it is not there. The one that was seen least makes room.
func (h *habit) with(cell uint64, nowMS int64) *partner {
	at, ok := slices.BinarySearchFunc(h.Partners, cell, func(p partner, c uint64) int { return cmp.Compare(p.Cell, c) })
	if ok {
		return &h.Partners[at]
	}
	if len(h.Partners) >= maxPartners {
		least := 0
		for i := range h.Partners {
			if h.Partners[i].weight(nowMS) < h.Partners[least].weight(nowMS) {
				least = i
			}
		}
		h.Partners = slices.Delete(h.Partners, least, least+1)
		if least < at {
			at--
		}
	}
	h.Partners = slices.Insert(h.Partners, at, partner{Cell: cell, AtMS: nowMS})
	return &h.Partners[at]
}

// weight orders partners for keeping: people's word stays longest.
func (p *partner) weight(nowMS int64) float64 {
	return decay(p.Times, nowMS-p.AtMS) + 1000*float64(p.Never)
}

// together returns how often two signals were found together, if that is often enough to know them by; 0 otherwise. never says that people
// denied it.
func (m *memory) together(a, b uint64, nowMS int64) (times int, never bool) {
	ha, hb := m.Signals[a], m.Signals[b]
	if ha == nil || hb == nil {
		return 0, false
	}
	at, ok := slices.BinarySearchFunc(ha.Partners, b, func(p partner, c uint64) int { return cmp.Compare(p.Cell, c) })
	if !ok {
		return 0, false
	}
	p := &ha.Partners[at]
	if p.Never > 0 {
		return 0, true
	}
	n := decay(p.Times, nowMS-p.AtMS)
	na, nb := decay(ha.Count, nowMS-ha.AtMS), decay(hb.Count, nowMS-hb.AtMS)
	often, _ := m.rates(b, nowMS)
	chance := na * often * float64(2*togetherMS)
	// Half a decay less than a whole number is as good as the number.
	if n < togetherTimes-0.5 || n < min(na, nb)/2 || n < togetherLift*chance {
		return 0, false
	}
	return int(math.Round(n)), false
}

// deny notes that people said of two signals that they have nothing to do with each other, or took that back.
func (m *memory) deny(a, b uint64, by int, nowMS int64) {
	ha, hb := m.Signals[a], m.Signals[b]
	if ha == nil || hb == nil || a == b {
		return
	}
	for _, p := range []*partner{ha.with(b, nowMS), hb.with(a, nowMS)} {
		p.Never = max(0, p.Never+by)
	}
}

// lagMS returns the usual time between a finding and the one that it follows.
func (m *memory) lagMS() float64 {
	mean := (float64(lagPriorMS)*lagPriorN + m.LagSum) / (lagPriorN + m.LagN)
	return min(max(mean, float64(leastLagMS)), float64(mostLagMS))
}

// learnLag notes such a time.
func (m *memory) learnLag(ms int64) {
	m.LagSum, m.LagN = m.LagSum*lagKeep+float64(min(abs(ms), 2*mostLagMS)), m.LagN*lagKeep+1
}

// flapped notes that trouble of an entity came back after a quiet time.
func (m *memory) flapped(entity string, gapMS, nowMS int64) {
	f := m.Flaps[entity]
	m.Flaps[entity] = flap{max(gapMS, f.left(nowMS)), nowMS}
	if len(m.Flaps) > maxSmall {
		keys := slices.SortedFunc(maps.Keys(m.Flaps), func(a, b string) int { return cmp.Or(cmp.Compare(m.Flaps[a].AtMS, m.Flaps[b].AtMS), cmp.Compare(a, b)) })
		for _, k := range keys[:maxSmall/16] {
			delete(m.Flaps, k)
		}
	}
}

func (f flap) left(nowMS int64) int64 { return int64(decay(float64(f.GapMS), nowMS-f.AtMS)) }

// judge notes a judgement of people on a kind of opening, or takes it back (by = −1).
func (m *memory) judge(kind uint64, as model.FeedbackKind, by int, nowMS int64) {
	j := m.Judged[kind]
	switch as {
	case model.FeedbackConfirm:
		j.Confirmed = max(0, j.Confirmed+by)
	case model.FeedbackReject:
		j.Rejected = max(0, j.Rejected+by)
	}
	j.AtMS = nowMS
	m.Judged[kind] = j
	if j.Confirmed+j.Rejected == 0 {
		delete(m.Judged, kind)
	}
	if len(m.Judged) > maxSmall {
		keys := slices.SortedFunc(maps.Keys(m.Judged), func(a, b uint64) int {
			return cmp.Or(cmp.Compare(m.Judged[a].AtMS, m.Judged[b].AtMS), cmp.Compare(a, b))
		})
		for _, k := range keys[:maxSmall/16] {
			delete(m.Judged, k)
		}
	}
}

// trust returns by what the evidence of a kind of opening is multiplied: one rejection halves it, a confirmation makes good for one.
func (m *memory) trust(kind uint64) float64 {
	j := m.Judged[kind]
	return float64(1+j.Confirmed) / float64(1+j.Confirmed+j.Rejected)
}

// shed makes room for a signal: those found longest ago go, a sixteenth at a time.
func (m *memory) shed() {
	if len(m.Signals) < m.max {
		return
	}
	keys := slices.SortedFunc(maps.Keys(m.Signals), func(a, b uint64) int {
		return cmp.Or(cmp.Compare(m.Signals[a].LastMS, m.Signals[b].LastMS), cmp.Compare(a, b))
	})
	for _, k := range keys[:max(1, len(keys)/16)] {
		delete(m.Signals, k)
	}
}

func abs(x int64) int64 {
	if x < 0 {
		return -x
	}
	return x
}
