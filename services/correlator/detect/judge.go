package detect

import (
	"math"
)

// step judges one value of a series: x at ms.
func (d *Detector) step(s *series, ms int64, x float64) {
	dt := float64(ms - s.stepMS)
	if s.stepMS == 0 {
		dt = math.Max(float64(s.gapMS), judgeMS)
		if s.firstMS == 0 {
			s.firstMS = ms
		}
	}
	s.stepMS = ms
	s.ring.add(ms, x, s.gapMS)
	if s.n == 0 {
		s.n, s.fast, s.slow, s.before = 1, x, x, float32(x)
		return
	}
	expected, base := s.expected(ms)
	y := x - (expected - base)
	floor := s.floor(expected)
	now, kept := s.score(y, floor)
	if s.ep.open() {
		calm := s.calmNow(now)
		d.follow(s, ms, x, expected, kept[bySlow], calm)
	}
	d.probe(s, ms, x, expected, floor, now, kept)
	d.atLimit(s, ms, x, dt)
	if d.cfg.Drift {
		if dir := s.drift.add(ms, y, floor, s.ep.open(), float64(s.group.learnt)); dir != 0 && !s.ep.open() {
			d.drifted(s, ms, dir)
		}
	}
	d.season(s, ms, x, y, floor, dt)
	s.update(y, floor, dt)
	if s.n < math.MaxUint32 {
		s.n++
	}
}

// calmNow reports whether a step is within what is usual.
func (s *series) calmNow(now scores) bool {
	for w, z := range now {
		if w != byRough && bin(math.Abs(z)) >= int(s.tails[w].high) && math.Abs(z) > 2 {
			return false
		}
	}
	return true
}

// probe turns the scores of a step into a probability and counts them. It is the hot path: nearly all steps are below the high bins and cost a
// few comparisons.
func (d *Detector) probe(s *series, ms int64, x, expected, floor float64, now, kept scores) {
	s.surprise = 0
	if s.n < 8 {
		return
	}
	var bins [ways]int
	off, high := false, false
	for w := range kept {
		bins[w] = bin(math.Abs(kept[w]))
		t := &s.tails[w]
		if bins[w] >= int(t.high) && (w != single || !s.short()) {
			high = true
		}
		if w != byRough && bin(math.Abs(now[w])) >= int(t.high) && math.Abs(now[w]) > 2 {
			off = true
		}
	}
	s.run(ms, off)
	if high && s.is(learnt) {
		d.weigh(s, ms, x, expected, floor, kept, bins)
	}
	if s.ep.open() && s.ep.steps > 12 {
		return // What lasts is counted once, not for each step.
	}
	bound := tailBound(s.gapMS)
	for w := range bins {
		s.tails[w].add(bins[w], bound)
	}
	if !s.is(learnt) && int(s.tails[0].n) >= warmSteps {
		s.set(learnt, true)
		s.set(shown, true)
		s.group.learnt++
	}
}

// run follows since when a series is off: a run bridges one calm step.
func (s *series) run(ms int64, off bool) {
	if s.ep.open() {
		return
	}
	switch {
	case off && s.runMS == 0:
		s.runMS, s.calm = ms, 0
	case off:
		s.calm = 0
	case s.runMS != 0:
		if s.calm++; s.calm >= 2 {
			s.runMS, s.calm = 0, 0
		}
	}
}

// weigh finds the least probable way in which a step is off, and heats the series when that could open a finding.
func (d *Detector) weigh(s *series, ms int64, x, expected, floor float64, kept scores, bins [ways]int) {
	best, way := 1.0, 0
	for w := range kept {
		if w == single && s.short() || bins[w] < int(s.tails[w].high) || !d.matters(s, w, x, expected, floor, kept[w]) {
			continue
		}
		p := s.tails[w].p(math.Abs(kept[w]), d.logs)
		if s.short() && w != byMean {
			p = math.Max(p, s.clump()*s.tails[single].p(math.Abs(kept[w]), d.logs))
		}
		p = math.Min(1, p*ways)
		if p < best {
			best, way = p, w
		}
	}
	s.surprise = float32(-math.Log10(best))
	if best < float64(d.level(s)) && !s.ep.open() {
		d.heat(s, ms, best, uint8(way))
	}
}

// clump is the least share of single high steps that come with as many more as it takes: what happens alone now and then happens twice in a row
// now and then, more often than chance would have it.
func (s *series) clump() float64 {
	if s.gapMS < quickMS {
		return clumpOfFive
	}
	return clumpOfThree
}

// matters reports whether a deviation is large enough, and in a direction in which it is trouble.
func (d *Detector) matters(s *series, w int, x, expected, floor, z float64) bool {
	n := &s.typ.norm
	effect := n.Effect(expected)
	switch w {
	case byRough:
		switch {
		case n.Bad != 0:
			return false // Where one direction is bad, its other ways say it better.
		case z < 0: // A flat line is worth a word where there was movement.
			return float64(s.roughFor) > 2*floor
		}
		return float64(s.rough) > math.Max(effect/2, floor)
	case byMean:
		if !s.short() {
			effect /= 2
		}
		return math.Abs(s.fast-s.slow) >= effect && (x > expected) == (z > 0) && (n.Bad == 0 || (z > 0) == (n.Bad > 0))
	}
	return math.Abs(x-expected) >= effect && (n.Bad == 0 || (z > 0) == (n.Bad > 0))
}

// drifted opens a finding for a series that left the level of its week in small steps.
func (d *Detector) drifted(s *series, ms int64, dir int8) {
	n := &s.typ.norm
	if math.Abs(s.fast-s.drift.base) < n.Effect(s.drift.base) || n.Bad != 0 && dir != n.Bad {
		return
	}
	s.set(forced, true)
	d.heat(s, ms, 1e-6, wayDrift)
	s.hotWay = wayDrift
}

// season lets the profile learn, and starts the levels anew when it comes into use or goes.
func (d *Detector) season(s *series, ms int64, x, y, floor, dt float64) {
	if !d.cfg.Seasons || s.n < seasonAfter || s.ep.open() && s.ep.steps > 24 {
		return
	}
	if s.season == nil {
		if ms-s.firstMS < seasonAfterMS && s.gapMS < seasonAfterMS/seasonAfter || ms/dayMS < int64(s.untilDay) {
			return
		}
		s.season = &season{}
	}
	spread := math.Max(s.devSlow.most(), floor)
	without := y - s.slow
	if s.season.active {
		without = x - s.season.plain
		s.season.plain += math.Min(dt/slowMS, 0.05) * clip(without, 8*spread)
	} else {
		s.season.plain = s.slow
	}
	if s.season.learn(ms, x, without, 8*spread, dt) {
		d.reseason(s, ms, x)
	}
	if z := s.season; !z.active && z.judged > seasonTrial {
		s.season = nil // It does not pay; later it may.
		s.untilDay = uint16(ms/dayMS + seasonAgain + int64(s.src.ID%seasonAgain))
	}
}

// reseason starts the levels of a series anew after its profile came into use or went.
func (d *Detector) reseason(s *series, ms int64, x float64) {
	z := s.season
	if z.active {
		s.slow = z.level
		s.fast = z.level
		s.devSlow = spread{1.25 * z.with, 1.25 * z.with}
		s.devFast = spread{min(s.devFast[0], s.devSlow[0]), min(s.devFast[1], s.devSlow[1])}
		s.devMean = s.devSlow[0] / 2
		s.before = float32(x - z.at(ms))
	} else {
		s.slow, s.fast = z.plain, x
		s.devSlow = spread{1.25 * z.wout, 1.25 * z.wout}
		s.before = float32(x)
	}
	s.recent = [2][keptScores]float32{}
	s.drift = drift{} // Its level was that of another quantity.
	for w := range s.tails {
		s.tails[w] = tail{high: tailBins - 1}
	}
}
