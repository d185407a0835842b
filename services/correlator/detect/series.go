package detect

import (
	"math"

	"github.com/faultline-io/faultline/services/correlator/signal"
	"github.com/faultline-io/faultline/services/model"
)

// The ways in which a step can be off, each with a tail of its own.
const (
	bySlow  = iota // Away from the slow level: shifts.
	byFast         // Away from the fast level: sudden moves where the slow one is far anyway.
	byMean         // The fast level away from the slow one: many small deviations in one direction.
	byRough        // More or less movement than usual: noise, or a flat line. For series that come often its place has single steps instead, see single.
	ways
)

// single is the tail of single steps of a series that needs several of them: of the way bySlow, as it was some steps ago.
const single = byRough

// typing is what is known of a series from its name, labels and metadata. Series of one type share it.
type typing struct {
	kind  signal.Kind
	role  model.Role
	unit  string
	norm  signal.Norm
	limit signal.Limit
	ends  bool // There is a limit.
}

// series is the state of one series. Scalars come to about 250 bytes, the tails to 272, the ring and the newest points to 300.
type series struct {
	src    *model.Series
	typ    *typing
	group  *group
	pair   *pair
	season *season
	ep     *episode
	peers  *peerSet

	lastMS, firstMS int64
	stepMS          int64   // Time of the last step.
	raw             float64 // Last value of a counter.
	fast, slow      float64 // Levels of what is left without the season.
	runMS           int64   // First step of the current run of high scores; 0 for none.
	hotMS           int64   // When the strongest undecided score was seen.
	limitMS         int64   // Since when the limit is reached; 0 when it is not.
	held            float64 // Sum of the samples of a step that is not full.

	n        uint32 // Steps.
	gapMS    float32
	devSlow  spread
	devFast  spread
	devMean  float32
	rough    float32 // Movement from step to step, lately and for long.
	roughFor float32
	before   float32 // Last step without the season.
	over     float32 // Share of the last day in which the limit was reached.
	hotP     float32
	surprise float32 // -log10 of the probability of the last step.
	peerDiff float32
	peerDev  float32
	metadata uint32 // Version of the metadata that typ was made with.
	heldN    uint16
	untilDay uint16 // Day since 1970 before which no profile is tried again.
	peerN    uint8
	peerOff  uint8
	hotWay   uint8
	calm     uint8
	rising   uint8 // While the kind is unknown: increases in a row.
	flags    flags
	recent   [2][keptScores]float32 // The last scores by slow and fast, signed, newest first.
	tails    [ways]tail
	drift    drift
	ring     ring
}

type flags uint8

const (
	fell   flags = 1 << iota // Decreased once: no counter.
	whole                    // All increases were whole numbers: counts of events.
	moved                    // Had two different values.
	ended                    // A staleness marker said that it ended.
	hot                      // In the list of its group.
	forced                   // The limit decides, not the past.
	learnt                   // The tails have what is needed to judge.
	shown                    // Counted as a member of its group.
)

func (s *series) is(f flags) bool { return s.flags&f != 0 }

func (s *series) set(f flags, on bool) {
	if on {
		s.flags |= f
	} else {
		s.flags &^= f
	}
}

// short reports whether samples come so often that one alone says little.
func (s *series) short() bool { return s.gapMS < aloneMS*0.9 }

// expected returns what was to be expected at a time, without the season in the second value.
func (s *series) expected(ms int64) (float64, float64) {
	if s.season != nil && s.season.active {
		return s.slow + s.season.at(ms), s.slow
	}
	return s.slow, s.slow
}

// floor is the least spread at the current level. Counts of events also spread as a Poisson process does.
func (s *series) floor(level float64) float64 {
	f := s.typ.norm.Floor(level)
	if s.is(whole) && s.counts() && s.gapMS > 0 {
		sec := math.Max(float64(s.gapMS), judgeMS) / 1000
		f = math.Max(f, math.Sqrt(math.Max(math.Abs(level)*sec, 1))/sec)
	}
	return f
}

func (s *series) counts() bool { return s.typ.kind == signal.Counter || s.typ.kind == signal.Count }

// spread is the mean absolute residual times 1.25 (a standard deviation, for normal noise), below and above the level by itself: most of what is
// measured is skewed, and one figure for both would make the long side look calm and the short one hide.
type spread [2]float32

func side(r float64) int {
	if r > 0 {
		return 1
	}
	return 0
}

// of returns the spread on the side of a residual, at least a quarter of that of the other side.
func (d *spread) of(r float64) float64 {
	i := side(r)
	return float64(max(d[i], d[1-i]/4))
}

// most is the greater of both.
func (d *spread) most() float64 { return float64(max(d[0], d[1])) }

// add takes a residual with a weight.
func (d *spread) add(a, r float64) {
	i := side(r)
	d[i] += float32(a * (1.25*math.Abs(r) - float64(d[i])))
}

// join mixes in another, w is the weight of this one.
func (d *spread) join(o spread, w float32) spread {
	return spread{w*d[0] + (1-w)*o[0], w*d[1] + (1-w)*o[1]}
}

// scores are how far a step is off in each way, signed, in spreads.
type scores [ways]float64

// median3 returns the middle of three values.
func median3(x, y, z float32) float64 {
	return float64(max(min(x, y), min(max(x, y), z)))
}

// median5 returns the middle of five values: of the four besides the last, the least and the greatest cannot be it.
func median5(a *[keptScores]float32) float64 {
	low := max(min(a[0], a[1]), min(a[2], a[3]))
	high := min(max(a[0], a[1]), max(a[2], a[3]))
	return median3(a[4], low, high)
}

// score works out how far y, a value without the season, is off, and remembers it.
func (s *series) score(y, floor float64) (now, kept scores) {
	oldest := s.recent[bySlow][keptScores-1]
	now[bySlow] = (y - s.slow) / math.Max(s.devSlow.of(y-s.slow), floor)
	now[byFast] = (y - s.fast) / math.Max(s.devFast.of(y-s.fast), floor)
	now[byMean] = (s.fast - s.slow) / math.Max(float64(s.devMean), floor/2)
	f := floor / 4
	now[byRough] = 4 * math.Log((float64(s.rough)+f)/(float64(s.roughFor)+f))
	kept = now
	for w := range s.recent {
		r := &s.recent[w]
		copy(r[1:], r[:])
		r[0] = float32(now[w])
		switch {
		case s.gapMS < quickMS:
			kept[w] = median5(r)
		case s.short():
			kept[w] = median3(r[0], r[1], r[2])
		}
	}
	if s.short() {
		kept[single], now[single] = float64(oldest), 0
	}
	return now, kept
}

// update moves levels and spreads by one step. Residuals are clipped (Huber), so that an outlier moves them as far as a large but usual
// deviation does; what belongs to an open episode moves the slow ones not at all.
func (s *series) update(y, floor, dtMS float64) {
	slow, fast := s.rates(dtMS)
	d := math.Abs(y - float64(s.before))
	s.before = float32(y)
	s.rough += float32(math.Max(1.0/8, 1/float64(s.n+1)) * (d - float64(s.rough)))
	rf := y - s.fast
	sf := math.Max(s.devFast.of(rf), floor)
	if s.n > 16 {
		s.fast += fast * clip(rf, 6*sf)
	} else {
		s.fast += fast * rf
	}
	if s.ep.open() {
		return
	}
	rs := y - s.slow
	ss := math.Max(s.devSlow.of(rs), floor)
	c := rs
	if s.n > 16 {
		c, rf, d = clip(rs, 3*ss), clip(rf, 4*sf), math.Min(d, 8*(float64(s.roughFor)+floor))
	}
	s.slow += slow * c
	if s.n > 4 { // The first few say nothing of the spread, since the level is not known.
		s.devSlow.add(slow, clip(rs, 4*ss))
		s.devFast.add(slow, rf)
		s.devMean += float32(slow * (1.25*math.Min(math.Abs(s.fast-s.slow), 4*ss) - float64(s.devMean)))
		s.roughFor += float32(slow * (d - float64(s.roughFor)))
	}
}

// rates are the weights of one step in the slow and the fast level: a mean while there are few steps, then exponential.
func (s *series) rates(dtMS float64) (slow, fast float64) {
	gap := math.Max(float64(s.gapMS), judgeMS)
	dtMS = math.Min(dtMS, 10*gap)
	first := 1 / float64(s.n+1)
	slow = math.Max(first, dtMS/math.Max(slowMS, slowSteps*gap))
	fast = math.Max(first, dtMS/math.Max(fastMS, fastSteps*gap))
	return math.Min(slow, 1), math.Min(fast, 0.5)
}

func clip(v, most float64) float64 { return math.Max(-most, math.Min(most, v)) }

// settle takes the level of now as the normal one.
func (s *series) settle() {
	s.slow = s.fast
	s.devSlow, s.roughFor = s.devFast, s.rough
	s.devMean = float32(s.devFast.most() / 2)
	s.recent = [2][keptScores]float32{}
	s.drift.reset()
}

func (s *series) code(c *codec) {
	for _, v := range []*int64{&s.lastMS, &s.firstMS, &s.stepMS, &s.runMS, &s.hotMS, &s.limitMS} {
		c.i64(v)
	}
	for _, v := range []*float64{&s.raw, &s.fast, &s.slow, &s.held} {
		c.f64(v)
	}
	c.u32(&s.n)
	for _, v := range []*float32{
		&s.gapMS, &s.devSlow[0], &s.devSlow[1], &s.devFast[0], &s.devFast[1], &s.devMean, &s.rough, &s.roughFor, &s.before, &s.over, &s.hotP, &s.surprise, &s.peerDiff, &s.peerDev,
	} {
		c.f32(v)
	}
	c.u16(&s.heldN)
	c.u16(&s.untilDay)
	for _, v := range []*uint8{&s.peerN, &s.peerOff, &s.hotWay, &s.calm, &s.rising, (*uint8)(&s.flags)} {
		c.u8(v)
	}
	s.hotWay = min(s.hotWay, allWays-1)
	for w := range s.recent {
		for i := range s.recent[w] {
			c.f32(&s.recent[w][i])
		}
	}
	for w := range s.tails {
		s.tails[w].code(c)
	}
	s.drift.code(c)
	s.ring.code(c)
	has := s.season != nil
	if c.bool(&has); has {
		if c.reading {
			s.season = &season{}
		}
		s.season.code(c)
	}
	has = s.ep != nil
	if c.bool(&has); has {
		if c.reading {
			s.ep = &episode{}
		}
		s.ep.code(c)
	}
}
