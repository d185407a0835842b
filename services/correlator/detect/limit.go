package detect

import "math"

// usual is the share of the last day from which on being at the limit is how this series works, as on a machine that computes all day.
const usual = 0.25

// limitTrust is the confidence of a finding by a limit.
const limitTrust = 0.9

// atLimit follows whether the limit of a series is reached, and opens a finding when it lasts. It needs no history, but a value that never moved
// and is exactly full is so by design.
func (d *Detector) atLimit(s *series, ms int64, x, dt float64) {
	if !s.typ.ends {
		return
	}
	l := &s.typ.limit
	over := x >= l.Reached
	if l.Dir < 0 {
		over = x <= l.Reached
	}
	share := float32(0)
	if over {
		share = 1
	}
	s.over += float32(math.Min(dt/dayMS, 0.01)) * (share - s.over)
	if !over {
		s.limitMS = 0
		return
	}
	if s.limitMS == 0 {
		s.limitMS = ms
	}
	fixed := !s.is(moved) && l.Dir > 0 && x == l.Whole
	if ms-s.limitMS < l.HoldMS || fixed || s.over >= usual {
		return
	}
	switch e := s.ep; {
	case !e.open():
		s.set(forced, true)
		d.heat(s, ms, 1e-3, wayLimit)
		s.hotWay = wayLimit
	case e.way < ways: // What was a shift turns out to be the end of the scale.
		e.way, e.confidence = wayLimit, math.Max(e.confidence, limitTrust)
		d.touch(s.group, s, e)
	}
}
