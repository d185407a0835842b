package detect

import (
	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/model"
)

// Aside takes a sample that must not open findings. One that came late still teaches the profile of its series; for counters there is nothing
// to compare it with.
func (d *Detector) Aside(id uint64, p eventtime.Point, why eventtime.Reason) {
	if why != eventtime.Late {
		return
	}
	d.late++
	s := d.series[id]
	if s == nil || s.group == nil || s.counts() || s.typ == nil || s.season == nil || p.Stale || p.Value != p.Value || s.pair != nil {
		return
	}
	z := s.season
	b := dayBin(p.TimeMS)
	if z.seen[b] == 0 {
		return
	}
	spread := 8 * max(s.devSlow.most(), s.floor(s.slow))
	// A tenth of the weight of a sample on time: there may be thousands of one moment.
	z.day[b] += float32(0.01 / float64(max(z.per, 1)) * clip(p.Value-z.level-float64(z.day[b]), spread))
}

// Learn takes history of a series, older than what it has seen: it teaches levels, spreads, tails and profiles, and opens nothing. Points are in order of
// time. Parts may come in any number of calls, the newest part first. A series that is not known yet is admitted.
func (d *Detector) Learn(src *model.Series, points []eventtime.Point) {
	s := d.series[src.ID]
	if s == nil {
		s = d.admit(src)
	}
	if s.group == nil || len(points) == 0 {
		return
	}
	quiet := d.cfg
	quiet.Silence, quiet.Peers, quiet.FalsePerDay = false, false, 0 // Nothing is improbable enough.
	past := New(quiet)
	past.families, past.version = d.families, d.version
	old := past.admit(src)
	for _, p := range points {
		if s.firstMS != 0 && p.TimeMS >= s.firstMS {
			break
		}
		past.Sample(src, p)
	}
	if old.n == 0 {
		return
	}
	s.merge(old)
	if int(s.tails[0].n) >= warmSteps && !s.is(learnt) {
		s.set(learnt|shown, true)
		s.group.learnt++
	}
}

// merge adds the state of an older part of the same series.
func (s *series) merge(old *series) {
	if s.n < slowSteps { // Hardly anything was seen live.
		s.slow, s.devSlow, s.devFast, s.devMean, s.roughFor = old.slow, old.devSlow, old.devFast, old.devMean, old.roughFor
		if s.n == 0 {
			s.fast, s.before, s.rough = old.fast, old.before, old.rough
			s.gapMS = old.gapMS
			s.ring = old.ring
			s.typ = old.typ
			s.flags |= old.flags & (whole | moved | fell)
		}
	} else {
		w := float32(s.n) / float32(s.n+old.n)
		s.devSlow = s.devSlow.join(old.devSlow, w)
		s.devFast = s.devFast.join(old.devFast, w)
		s.devMean = w*s.devMean + (1-w)*old.devMean
		s.roughFor = w*s.roughFor + (1-w)*old.roughFor
	}
	s.firstMS = old.firstMS
	for w := range s.tails {
		s.tails[w].merge(&old.tails[w])
	}
	if s.season == nil || s.season.judged < 1 && old.season != nil {
		s.season = old.season
	}
	if s.drift.n < driftHours && old.drift.n > 0 {
		n := s.drift
		s.drift = old.drift
		if n.hour > s.drift.hour {
			s.drift.hour, s.drift.sum, s.drift.steps = n.hour, n.sum, n.steps
		}
		s.drift.up, s.drift.down = 0, 0
	}
	s.n += old.n
}
