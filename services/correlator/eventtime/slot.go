package eventtime

import (
	"cmp"
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// remembered is how many released times of a series are known: 16 at 15 s are four minutes, which covers senders that repeat a
// request after a timeout. A repetition that comes later still counts as late.
const remembered = 16

// slot is one series: what waits for the watermark, and the times of what has passed it.
type slot struct {
	series    model.Series
	announced bool
	held      []Point // By time, each time once.
	lastMS    int64   // Time of the last sample that was released.
	// passed has the last released times modulo 2^32 ms, which is enough to tell times of 49 days apart.
	passed [remembered]uint32
	place  int32 // In the sorted slots, -1 for one that is not there yet.
	n      uint8 // Next place in passed.
	filled uint8 // How many places of passed are in use.
}

// idle is the watermark at which the series was silent for too long.
func (s *slot) idle(afterMS int64) int64 {
	if s.lastMS > math.MaxInt64-afterMS-1 {
		return math.MaxInt64
	}
	return s.lastMS + afterMS + 1
}

// due is the watermark at which something is to be done: the first sample that waits passes, or the series is idle.
func (s *slot) due(afterMS int64) int64 {
	if len(s.held) > 0 {
		return min(s.held[0].TimeMS, s.idle(afterMS))
	}
	return s.idle(afterMS)
}

// hold keeps p, and returns what had to go instead when the slot is full. Of two samples with one time the same one stays
// whichever came first, and of too many those that are furthest ahead go: both do not depend on order.
func (s *slot) hold(p Point, limit int) (Point, bool) {
	at := len(s.held)
	if at > 0 && s.held[at-1].TimeMS >= p.TimeMS {
		var found bool
		at, found = slices.BinarySearchFunc(s.held, p.TimeMS, func(h Point, t int64) int { return cmp.Compare(h.TimeMS, t) })
		if found {
			if comparePoints(p, s.held[at]) < 0 {
				s.held[at] = p
			}
			return Point{}, false
		}
	}
	if len(s.held) < limit {
		s.held = slices.Insert(s.held, at, p)
		return Point{}, false
	}
	if at == len(s.held) {
		return p, true
	}
	out := s.held[len(s.held)-1]
	s.held = slices.Insert(s.held[:len(s.held)-1], at, p)
	return out, true
}

// comparePoints orders samples of one time: values before staleness markers, then by bits, so that NaN has a place too.
func comparePoints(a, b Point) int {
	if a.Stale != b.Stale {
		if b.Stale {
			return -1
		}
		return 1
	}
	return cmp.Compare(math.Float64bits(a.Value), math.Float64bits(b.Value))
}

// pass hands on what is held up to the watermark.
func (s *slot) pass(watermarkMS int64, sink Sink) {
	n := 0
	for ; n < len(s.held) && s.held[n].TimeMS <= watermarkMS; n++ {
		p := s.held[n]
		s.lastMS = p.TimeMS
		s.passed[s.n] = uint32(uint64(p.TimeMS))
		s.n = (s.n + 1) % remembered
		s.filled = min(s.filled+1, remembered)
		sink.Sample(&s.series, p)
	}
	if n > 0 {
		s.held = slices.Delete(s.held, 0, n)
	}
}

// released tells whether a sample of this time was handed on lately.
func (s *slot) released(timeMS int64) bool {
	if s.filled == 0 || timeMS > s.lastMS || s.lastMS-timeMS > math.MaxUint32/2 {
		return false
	}
	return slices.Contains(s.passed[:s.filled], uint32(uint64(timeMS)))
}
