package detect

import (
	"math"

	"github.com/faultline-io/faultline/services/model"
)

// Names of what decided, for backtests.
const (
	byLevelName = "level"
	byMeanName  = "mean"
	byRoughName = "movement"
	byDriftName = "drift"
	byLimitName = "limit"
	byPeerName  = "peers"
	bySilence   = "silence"
)

var detectors = []string{byLevelName, byLevelName, byMeanName, byRoughName, byDriftName, byLimitName, byPeerName, bySilence}

// Indexes into detectors beyond the ways.
const (
	wayDrift = ways + iota
	wayLimit
	wayPeer
	waySilence
	allWays
)

// episode is one finding from its onset to its end, and a while beyond, in which it can go on.
type episode struct {
	id                         uint64
	onsetMS, seenMS, endMS     int64
	calmMS, saidMS             int64
	value, expected, low, high float64
	score                      float64
	p, confidence              float64
	historyMS                  int64
	saidScore                  float64
	steps                      uint32
	way                        uint8
	dir                        int8
	touched                    bool // In the list of what is to be said at this mark.
	muted                      bool // A person asked not to hear of it.
}

// open reports whether it lasts.
func (e *episode) open() bool { return e != nil && e.endMS == 0 }

func (e *episode) kind() model.FindingKind {
	switch e.way {
	case wayDrift:
		return model.FindingDrift
	case wayLimit:
		return model.FindingLimit
	case wayPeer:
		return model.FindingPeer
	case waySilence:
		return model.FindingSilence
	}
	return model.FindingShift
}

// touch notes that an episode has something to say at the next mark.
func (d *Detector) touch(g *group, s *series, e *episode) {
	if !e.touched {
		e.touched = true
		d.touched = append(d.touched, touched{g, s, e})
	}
}

// touched is an episode with its signal; series is nil for the silence of an entity.
type touched struct {
	group  *group
	series *series
	ep     *episode
}

// open begins the finding of a series, or goes on with one that ended a moment ago. ratio is how the probability stands to the one that was
// needed.
func (d *Detector) open(s *series, ratio float64) {
	if s.ep.open() {
		return
	}
	if e := s.ep; e != nil && s.hotMS-e.endMS < max(flapMS, flapSteps*int64(s.gapMS)) {
		e.endMS, e.calmMS, e.steps = 0, 0, max(e.steps, 1)
		s.calm = 0
		d.touch(s.group, s, e)
		return
	}
	x := float64(s.before)
	expected, _ := s.expected(s.hotMS)
	x += expected - s.slow
	e := &episode{
		onsetMS: s.hotMS, way: s.hotWay, p: math.Min(float64(s.hotP), 1), value: x, expected: expected, historyMS: s.hotMS - s.firstMS,
	}
	if s.runMS != 0 && s.runMS < e.onsetMS {
		e.onsetMS = s.runMS
	}
	floor := s.floor(expected)
	spread := math.Max(s.devSlow.of(x-expected), floor)
	e.low, e.high = expected-3*math.Max(s.devSlow.of(-1), floor), expected+3*math.Max(s.devSlow.of(1), floor)
	e.dir = 1
	if x < expected {
		e.dir = -1
	}
	e.confidence = d.trust(s, ratio)
	switch e.way {
	case wayLimit:
		e.historyMS, e.p, e.confidence = 0, 1e-3, limitTrust
		e.dir = s.typ.limit.Dir
		e.onsetMS = s.limitMS
		e.low, e.high = math.Min(e.low, s.typ.limit.Reached), math.Max(e.high, s.typ.limit.Reached)
	case wayPeer:
		e.historyMS, e.p, e.confidence = 0, 1e-3, 0.6
		e.onsetMS = s.hotMS - int64(peerHold)*minuteMS
		e.expected = s.fast - s.peers.last(s)
	case wayDrift:
		e.onsetMS = min(e.onsetMS, int64(s.drift.sinceHr)*hourMS)
		e.expected = s.drift.base
	}
	e.onsetMS = max(e.onsetMS, s.firstMS)
	e.score = math.Min(math.Abs(x-e.expected)/spread, model.MaxScore)
	e.id = findingID(s, e.onsetMS)
	s.ep, s.calm = e, 0
	e.muted = d.mutedAt(s, s.hotMS)
	d.opened++
	d.touch(s.group, s, e)
}

func findingID(s *series, onsetMS int64) uint64 {
	return model.FindingID(s.src.ID, s.src.Name, onsetMS)
}

// trust turns the ratio of the probability to the one that was needed into a confidence: a half at the threshold, .95 at a hundred-thousandth of
// it, less where there is little history.
func (d *Detector) trust(s *series, ratio float64) float64 {
	c := 1 - 0.5*math.Pow(math.Min(math.Max(ratio, 1e-12), 1), 0.2)
	n := float64(s.n)
	c *= n / (n + warmSteps/2)
	if s.hotWay == byRough {
		c *= 0.7
	}
	return c
}

// follow takes a step of a series whose episode lasts: the worst value, the end when it was calm for long enough, or the new normal.
func (d *Detector) follow(s *series, ms int64, x, expected, z float64, calm bool) {
	e := s.ep
	e.steps++
	if worse := math.Abs(z); worse > e.score && worse > 0 {
		e.score = math.Min(worse, model.MaxScore)
		e.value = x
		if e.score > 1.25*e.saidScore && ms-e.saidMS >= minuteMS {
			d.touch(s.group, s, e)
		}
	}
	switch {
	case e.way == wayLimit && s.limitMS != 0:
		calm = false
	case e.way == wayPeer && s.peerOff > 0:
		calm = false
	case e.way == wayDrift && ms-e.seenMS < hourMS:
		calm = false
	}
	if !calm {
		s.calm, e.calmMS = 0, 0
	} else {
		if s.calm == 0 {
			e.calmMS = ms
		}
		s.calm = min(s.calm+1, 100)
		if s.calm >= calmSteps && ms-e.calmMS >= calmMS {
			d.end(s, e.calmMS)
			return
		}
	}
	absorb := max(d.cfg.AbsorbMS, 24*int64(s.gapMS))
	if e.way == wayLimit {
		absorb *= 12 // What is full stays a matter for a day.
	}
	if ms-max(e.seenMS, e.onsetMS) > absorb {
		s.settle()
		d.end(s, ms)
	}
}

func (d *Detector) end(s *series, ms int64) {
	s.ep.endMS, s.runMS, s.calm = ms, 0, 0
	d.touch(s.group, s, s.ep)
}

func (e *episode) code(c *codec) {
	c.u64(&e.id)
	for _, v := range []*int64{&e.onsetMS, &e.seenMS, &e.endMS, &e.calmMS, &e.saidMS, &e.historyMS} {
		c.i64(v)
	}
	for _, v := range []*float64{&e.value, &e.expected, &e.low, &e.high, &e.score, &e.p, &e.confidence, &e.saidScore} {
		c.f64(v)
	}
	c.u32(&e.steps)
	c.u8(&e.way)
	c.i8(&e.dir)
	c.bool(&e.muted)
	c.bool(&e.touched)
	if e.way >= allWays {
		c.fail("kind of an episode")
		e.way = 0
	}
}
