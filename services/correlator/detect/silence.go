package detect

import (
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// Figures of silence.
const (
	silentGaps    = 4             // Intervals without a sample.
	silentLeastMS = 90_000        // And at least this long.
	silentHistory = 10 * minuteMS // What came for less than this is not missed.
	silentSteps   = 20
	replacedMS    = 5 * minuteMS // An instance that ends while another of its service begins was replaced.
	partShare     = 3            // A third of the series of an entity.
)

// regular reports whether a series came often enough, for long enough, that it is missed.
func (s *series) regular() bool {
	return !s.is(ended) && s.n >= silentSteps && s.lastMS-s.firstMS >= silentHistory && s.gapMS > 0
}

// silence opens or ends the finding that an entity says nothing any more.
func (d *Detector) silence(g *group) {
	w := d.mark.WatermarkMS
	quiet := w - g.lastMS
	if g.ep.open() {
		if quiet < silentLeastMS {
			g.ep.endMS = g.lastMS
			d.touch(g, nil, g.ep)
		}
		return
	}
	if quiet < silentLeastMS || g.ep != nil && g.ep.onsetMS >= g.lastMS {
		return
	}
	gaps := make([]float32, 0, 16)
	history := int64(0)
	for _, s := range g.members {
		if s.regular() {
			gaps = append(gaps, s.gapMS)
			history = max(history, s.lastMS-s.firstMS)
		}
	}
	if len(gaps) == 0 {
		return
	}
	slices.Sort(gaps)
	gap := int64(gaps[len(gaps)/2])
	if quiet < silentGaps*gap {
		return
	}
	e := d.quietEpisode(g, g.lastMS+gap, history)
	if g.parent != "" {
		if d.births[g.parent] >= g.lastMS-replacedMS {
			e.muted = true // Replaced: what a rolling restart looks like.
		}
		e.confidence = 0.6
	}
	e.value, e.expected, e.low, e.high = 0, float64(len(gaps)), float64(len(gaps)), float64(len(gaps))
	g.ep = e
	d.opened++
	d.touch(g, nil, e)
}

// partSilence says once that a good part of the series of an entity stopped while others go on.
func (d *Detector) partSilence(g *group) {
	if g.ep.open() || len(g.members) < 2*partShare {
		return
	}
	w := d.mark.WatermarkMS
	late, regular, since, history := 0, 0, int64(0), int64(0)
	for _, s := range g.members {
		if !s.regular() {
			continue
		}
		if w-s.lastMS > 60*minuteMS {
			continue // Long gone: that is known or was never said.
		}
		regular++
		if w-s.lastMS > max(silentGaps*int64(s.gapMS), 3*minuteMS) {
			late++
			since = max(since, s.lastMS+int64(s.gapMS))
			history = max(history, s.lastMS-s.firstMS)
		}
	}
	if late*partShare < regular || late == 0 || late == regular {
		g.parted = false
		return
	}
	if g.parted || history < hourMS {
		return
	}
	g.parted = true
	e := d.quietEpisode(g, since, history)
	e.confidence = 0.5
	e.value, e.expected, e.low, e.high = float64(regular-late), float64(regular), float64(regular), float64(regular)
	e.endMS = w // It is said once; what it hides shows in other signals.
	d.opened++
	d.touch(g, nil, e)
}

func (d *Detector) quietEpisode(g *group, onset, history int64) *episode {
	return &episode{
		id: model.FindingID(model.Hash64(g.key.entity.String())^g.key.shard, silentSignal, onset), onsetMS: onset, way: waySilence, dir: -1,
		p: 1e-4, confidence: 0.85, historyMS: history, score: 10, muted: d.mutedEntity(g, onset),
	}
}

// silentSignal names the silence of an entity as a signal.
const silentSignal = "telemetry"
