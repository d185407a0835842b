package spanstage

import (
	"math"
	"math/bits"
)

// perOctave is how many buckets an octave of durations has: 16 make a bucket at most 6 % wide, which is less than durations vary by themselves.
const perOctave = 16

// sketch counts durations in buckets whose width grows with the duration. It is exact under merging, keeps no floats, and is as large as
// the span of durations that it has seen: about 100 bytes for an operation.
type sketch struct {
	base   int
	counts []uint32
	n      uint32
	sumNS  int64
}

// bucket returns the place of a duration: its octave and the four bits that follow.
func bucket(ns int64) int {
	u := uint64(max(ns, 0))
	if u < perOctave {
		return int(u)
	}
	octave := bits.Len64(u) - 5 // 16 is the first number with an octave of its own.
	return octave*perOctave + int(u>>octave)
}

// bounds returns the durations that a bucket holds, the upper one excluded.
func bounds(b int) (lo, hi float64) {
	if b < perOctave {
		return float64(b), float64(b + 1)
	}
	octave := b/perOctave - 1
	return math.Ldexp(float64(b-octave*perOctave), octave), math.Ldexp(float64(b-octave*perOctave+1), octave)
}

func (s *sketch) add(ns int64) {
	ns = max(ns, 0)
	b := bucket(ns)
	s.grow(b, b)
	s.counts[b-s.base]++
	s.n++
	s.sumNS += ns
}

// merge adds what o has.
func (s *sketch) merge(o *sketch) {
	if o.n == 0 {
		return
	}
	s.grow(o.base, o.base+len(o.counts)-1)
	for i, c := range o.counts {
		s.counts[o.base+i-s.base] += c
	}
	s.n += o.n
	s.sumNS += o.sumNS
}

// grow makes room for buckets lo to hi.
func (s *sketch) grow(lo, hi int) {
	if len(s.counts) == 0 {
		s.base = lo
	}
	if lo < s.base {
		more := make([]uint32, s.base-lo+len(s.counts))
		copy(more[s.base-lo:], s.counts)
		s.counts, s.base = more, lo
	}
	for len(s.counts) <= hi-s.base {
		s.counts = append(s.counts, 0)
	}
}

// quantile returns the duration in seconds below which a share q lies, spread evenly within a bucket; 0 when empty.
func (s *sketch) quantile(q float64) float64 {
	if s.n == 0 {
		return 0
	}
	rank := q * float64(s.n)
	below := 0.0
	for i, c := range s.counts {
		if c > 0 && below+float64(c) >= rank {
			lo, hi := bounds(s.base + i)
			return (lo + (hi-lo)*(rank-below)/float64(c)) / 1e9
		}
		below += float64(c)
	}
	_, hi := bounds(s.base + len(s.counts) - 1)
	return hi / 1e9
}

// mean returns the mean in seconds, 0 when empty.
func (s *sketch) mean() float64 {
	if s.n == 0 {
		return 0
	}
	return float64(s.sumNS) / float64(s.n) / 1e9
}

// reset empties the sketch and keeps its room.
func (s *sketch) reset() {
	clear(s.counts)
	s.n, s.sumNS = 0, 0
}
