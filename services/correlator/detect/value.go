package detect

import (
	"math"
	"strings"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/correlator/signal"
	"github.com/faultline-io/faultline/services/model"
)

// counterAfter is how many increases, without a single decrease, make an unknown series a counter: few of whole numbers, half an hour of others, since a leak
// also only grows.
const (
	counterAfter      = 20
	counterAfterOther = 120
)

// value turns a sample into what is judged: gauges as they are, counters into rates a second, sums with their counts into means. dt is the time
// since the last sample; first says that there is none to compare with.
func (d *Detector) value(s *series, p eventtime.Point, dt int64, first bool) (float64, bool) {
	last := s.raw
	s.raw = p.Value
	if !first && p.Value != last {
		s.set(moved, true)
	}
	switch s.typ.kind {
	case signal.Gauge:
		return p.Value, true
	case signal.Unknown:
		if !first {
			d.learnKind(s, p.Value-last, p.Value)
			if s.typ.kind == signal.Counter {
				return 0, false
			}
		}
		return p.Value, true
	}
	if first || d.doubt(s, last, p.Value) {
		return 0, false
	}
	grown := p.Value - last
	if grown < 0 { // A reset: what was counted since then.
		grown = p.Value
		s.pairReset()
	}
	if grown != math.Trunc(grown) {
		s.set(whole, false)
	} else if s.n == 0 {
		s.set(whole, true)
	}
	if s.pair != nil {
		if mean, ok, done := d.mean(s, p.TimeMS, grown); done {
			return mean, ok
		}
	}
	return grown / (float64(dt) / 1000), true
}

// learnKind finds out whether a series of unknown kind is a counter: one that only ever grows, and from far below.
func (d *Detector) learnKind(s *series, grown, value float64) {
	switch {
	case s.is(fell):
	case grown < 0:
		s.set(fell, true)
	case grown > 0:
		if s.rising == 0 {
			s.set(whole, true)
		}
		if grown != math.Trunc(grown) || value != math.Trunc(value) {
			s.set(whole, false)
		}
		need := uint8(counterAfterOther)
		if s.is(whole) {
			need = counterAfter
		}
		if s.rising = min(s.rising+1, 250); s.rising >= need && value > 0 && grown < value/2 {
			d.become(s, signal.Counter)
		}
	}
}

// doubt makes a series that only its data called a counter a gauge again: it fell, and not to nearly nothing.
func (d *Detector) doubt(s *series, last, value float64) bool {
	if s.rising == 0 || value >= last || value < last/2 {
		return false
	}
	d.become(s, signal.Unknown)
	s.set(fell, true)
	s.raw = value
	return true
}

// become gives a series another kind.
func (d *Detector) become(s *series, k signal.Kind) {
	t := s.typ
	rising := s.rising
	s.restart()
	s.typ = d.typeOf(k, t.role, t.unit, signal.Limit{}, false)
	s.rising = rising
}

// pairQueue bounds the samples of one side of a pair that wait for the other: both come in the same batch, but all of one series before those
// of the other.
const pairQueue = 16

// pair joins the sum and the count of a histogram or summary: the sum is judged as a mean.
type pair struct {
	sum, count *series
	ofSum      bool // Whose samples wait.
	n          uint8
	at         [pairQueue]int64
	values     [pairQueue]float64
}

// pairKey is what both sides have in common; ok is false for series that are no side of a pair.
func pairKey(s *series) (key uint64, sum, ok bool) {
	base, sum := strings.CutSuffix(s.src.Name, "_sum")
	if !sum {
		if base, ok = strings.CutSuffix(s.src.Name, "_count"); !ok || s.typ.kind == signal.Gauge {
			return 0, false, false
		}
	} else if s.typ.kind != signal.Sum {
		return 0, false, false
	}
	b := model.AppendIdentity(nil, base, "")
	for _, l := range s.src.Labels {
		b = model.AppendIdentity(b, l.Name, l.Value)
	}
	return model.Hash64(string(b)) ^ s.src.ShardHash, sum, true
}

// join makes a series part of its pair and of its peers.
func (d *Detector) join(s *series) {
	d.joinPeers(s)
	d.joinPair(s)
}

func (d *Detector) joinPair(s *series) {
	key, sum, ok := pairKey(s)
	if !ok {
		return
	}
	p := d.pairs[key]
	if p == nil {
		p = &pair{}
		d.pairs[key] = p
	}
	if sum {
		p.sum = s
	} else {
		p.count = s
	}
	s.pair = p
	if p.sum != nil && p.count != nil && p.count.typ.kind == signal.Unknown {
		p.count.typ = &typing{kind: signal.Count}
		d.retype(p.count)
	}
}

// leave is the inverse of join.
func (d *Detector) leave(s *series) {
	d.leavePeers(s)
	if s.pair == nil {
		return
	}
	if s.pair.sum == s {
		s.pair.sum = nil
	} else if s.pair.count == s {
		s.pair.count = nil
	}
	if key, _, ok := pairKey(s); ok && s.pair.sum == nil && s.pair.count == nil {
		delete(d.pairs, key)
	}
	s.pair = nil
}

// mean takes what one side of a pair grew by. It returns done when the caller has nothing more to judge for this sample: the sum is judged as
// a mean, by whichever side comes second. The count goes on as a rate.
func (d *Detector) mean(s *series, ms int64, grown float64) (mean float64, ok, done bool) {
	p, isSum := s.pair, s.pair.sum == s
	if isSum && p.count == nil || !isSum && p.sum == nil {
		return 0, false, false
	}
	if p.n == 0 || p.ofSum == isSum {
		p.push(isSum, ms, grown)
		return 0, false, isSum
	}
	for p.n > 0 && p.at[0] < ms {
		p.pop()
	}
	if p.n == 0 {
		p.push(isSum, ms, grown)
		return 0, false, isSum
	}
	if p.at[0] != ms {
		return 0, false, isSum
	}
	other := p.pop()
	if isSum {
		if other <= 0 {
			return 0, false, true
		}
		return grown / other, true, true
	}
	if grown > 0 {
		d.hold(p.sum, ms, other/grown)
	}
	return 0, false, false
}

func (p *pair) push(ofSum bool, ms int64, v float64) {
	if p.n == pairQueue {
		p.pop()
	}
	p.ofSum = ofSum
	p.at[p.n], p.values[p.n] = ms, v
	p.n++
}

func (p *pair) pop() float64 {
	v := p.values[0]
	copy(p.at[:], p.at[1:])
	copy(p.values[:], p.values[1:])
	p.n--
	return v
}

// pairReset forgets what waits: after a reset the two sides may speak of different requests.
func (s *series) pairReset() {
	if s.pair != nil {
		s.pair.n = 0
	}
}
