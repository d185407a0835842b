package detect

import "math"

const (
	minuteMS = 60_000
	hourMS   = 60 * minuteMS
	dayMS    = 24 * hourMS
	weekMS   = 7 * dayMS
)

// dayBins are half hours: fine enough for office hours that begin on the half hour, coarse enough to be learnt in a few days.
const dayBins = 48

// A profile is used when it takes away a good part of the residual, and dropped when it does not any more. Between the two is
// hysteresis, since a change costs: levels start anew.
const (
	seasonGain = 0.7
	seasonLoss = 0.95
)

// A profile is tried out from seasonAfter steps and seasonAfterMS on.
const (
	seasonAfter   = 20
	seasonAfterMS = 2 * hourMS
	// seasonTrial is how many days a profile has to show that it pays, seasonAgain how many days later it is tried again: then and up to as many
	// days more, so that not all series do it at once.
	seasonTrial = 21
	seasonAgain = 14
)

// season is the profile of a series over the day and, where that pays too, over the hours of the week. It keeps a level of its own, so
// that what it would gain is measured before it is used.
type season struct {
	day    [dayBins]float32
	seen   [dayBins]uint8 // Visits of the bin, up to 255.
	week   *[168]float32  // Beyond the day profile, by hour of the week; nil until the day pays.
	level  float64
	plain  float64 // The slow level that there would be without the profile.
	with   float32 // Mean absolute residual with the profile …
	wout   float32 // … and without, over the same steps.
	withWk float32 // The same with the week on top.
	judged float32 // Days over which this was measured.
	steps  uint16  // Steps of this visit of the bin.
	per    uint16  // Steps of a whole visit.
	last   uint8   // The bin that was last visited.
	active bool
	weekly bool
}

func dayBin(ms int64) int {
	return int(((ms%dayMS)+dayMS)%dayMS) * dayBins / dayMS
}

func weekBin(ms int64) int {
	return int((((ms % weekMS) + weekMS) % weekMS) / hourMS)
}

// at returns what the profile adds at a time. Neighbouring half hours are joined by lines where the profile is smooth there.
func (s *season) at(ms int64) float64 {
	v := s.dayAt(ms)
	if s.weekly && s.week != nil {
		v += float64(s.week[weekBin(ms)])
	}
	return v
}

func (s *season) dayAt(ms int64) float64 {
	b := dayBin(ms)
	return float64(s.day[b])
}

// learn takes a step: x is the value, without the residual from the level without a profile, clip the most that a step may move.
// dt is the time since the last step. It returns whether the use of the profile changed.
func (s *season) learn(ms int64, x, without, clip float64, dtMS float64) bool {
	b := dayBin(ms)
	if s.steps == 0 && s.per == 0 && s.judged == 0 && s.with == 0 {
		s.level, s.last = x, uint8(b)
	}
	if uint8(b) != s.last {
		if s.seen[s.last] < 255 {
			s.seen[s.last]++
		}
		s.per, s.steps, s.last = max(s.steps, 1), 0, uint8(b)
	}
	if s.steps < math.MaxUint16 {
		s.steps++
	}
	day := s.dayAt(ms)
	res := x - s.level - day
	week := 0.0
	if s.week != nil {
		week = float64(s.week[weekBin(ms)])
	}
	if s.seen[b] >= 1 { // Predicted rather than seen for the first time.
		a := math.Min(dtMS/(2*dayMS), 0.1)
		a = math.Max(a, math.Min(0.1, dtMS/(float64(s.judged)*dayMS+dtMS)))
		s.with += float32(a * (math.Min(math.Abs(res), clip) - float64(s.with)))
		s.wout += float32(a * (math.Min(math.Abs(without), clip) - float64(s.wout)))
		if s.week != nil {
			s.withWk += float32(a * (math.Min(math.Abs(res-week), clip) - float64(s.withWk)))
		}
		s.judged += float32(math.Min(dtMS, hourMS) / dayMS)
	}
	c := res
	if s.seen[b] >= 1 {
		c = math.Max(-clip, math.Min(clip, res))
	}
	s.update(b, ms, c, dtMS)
	return s.decide()
}

// update moves the profile and the level by a clipped residual.
func (s *season) update(b int, ms int64, c, dtMS float64) {
	visits := float64(s.seen[b])
	a := 1 / float64(s.steps)
	if visits >= 1 {
		a = math.Max(0.15, 1/(visits+1)) / float64(max(s.per, s.steps, 1))
		if s.week != nil {
			w := weekBin(ms)
			s.week[w] += float32(math.Min(0.3/float64(max(s.per*2, 1)), 0.3) * (c - float64(s.week[w])))
		}
	}
	s.day[b] += float32(a * c)
	s.level += math.Min(dtMS/(2*dayMS), 0.05) * c
}

// decide switches the profile on and off by what it gains.
func (s *season) decide() bool {
	was, wasWeek := s.active, s.weekly
	switch {
	case s.judged < 0.5:
	case s.with < seasonGain*s.wout:
		s.active = true
	case s.with > seasonLoss*s.wout && s.judged > 2:
		s.active, s.weekly = false, false
	}
	if s.active && s.week == nil && s.judged > 6 {
		s.week, s.withWk = new([168]float32), s.with
	}
	if s.week != nil && s.judged > 15 {
		if s.withWk < seasonGain*s.with {
			s.weekly = s.active
		} else if s.withWk > seasonLoss*s.with {
			s.weekly = false
		}
	}
	return was != s.active || wasWeek != s.weekly
}

func (s *season) code(c *codec) {
	for i := range s.day {
		c.f32(&s.day[i])
		c.u8(&s.seen[i])
	}
	c.f64(&s.level)
	c.f64(&s.plain)
	for _, v := range []*float32{&s.with, &s.wout, &s.withWk, &s.judged} {
		c.f32(v)
	}
	c.u16(&s.steps)
	c.u16(&s.per)
	c.u8(&s.last)
	c.bool(&s.active)
	c.bool(&s.weekly)
	week := s.week != nil
	c.bool(&week)
	if !week {
		return
	}
	if c.reading {
		s.week = new([168]float32)
	}
	for i := range s.week {
		c.f32(&s.week[i])
	}
}
