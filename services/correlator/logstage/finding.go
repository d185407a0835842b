package logstage

import (
	"fmt"
	"math"
	"strings"

	"github.com/faultline-io/faultline/services/model"
)

// Names of what decides, for the switches of detectors.
const (
	detectorNew      = "log-new"
	detectorGone     = "log-gone"
	detectorFollower = "log-follower"
)

// How long findings last.
const (
	newLastsMS  = 1_800_000 // After half an hour a new template is part of the vocabulary.
	newQuietMS  = 300_000   // One that was not seen for five minutes was an episode.
	lostLastsMS = 3_600_000 // What did not come for an hour is the new normal.
)

// novelty is how often an entity says something new: new templates and windows of its life, decayed over about a day, so that an entity that
// always has new words is not believed when it has one more.
type novelty struct {
	fresh, windows float64
	open           int // Findings of new templates.
}

// newMostP is the chance up to which a new template is news.
const newMostP = 0.05

// noveltyDecay halves the memory in eight hours of ten-second windows.
const noveltyDecay = 0.99976

// knew credits windows that were heard before this stage was there.
func (n *novelty) knew(windows float64) {
	n.windows = max(n.windows, min(windows, 1/(1-noveltyDecay)))
}

func (n *novelty) window() {
	n.fresh *= noveltyDecay
	n.windows = n.windows*noveltyDecay + 1
}

// chance returns how likely a new template is in any one window, by the past. Half a template is added, so that an entity that never had
// one is not certain; an entity that is known for an hour then has one in 720.
func (n *novelty) chance() float64 {
	return 1 - math.Exp(-(n.fresh+0.5)/max(n.windows, 1))
}

// novel sees to a template that an entity has for the first time.
func (s *Stage) novel(e *entity, k *kind, ms int64, late bool) {
	p := e.novelty.chance()
	heard := int64(e.novelty.windows) * s.cfg.WindowMS
	settled := heard >= s.cfg.SettleMS-s.cfg.WindowMS
	if settled { // What comes first of all is no measure of what comes later.
		e.novelty.fresh++
	}
	if !settled || late || p > newMostP || e.novelty.open >= s.cfg.MaxFindings {
		k.old = true
		return
	}
	text := s.text(e, k)
	f := s.finding(e, k, model.FindingNew, detectorNew, ms)
	f.Direction, f.Value, f.PValue, f.Score = 1, 1, p, min(spreads(p), model.MaxScore)
	// How much a line means is mostly said by its severity: a new line of talk after a new version is no trouble.
	f.Confidence = [classes]float64{0.25, 0.6, 0.9}[classOf(k.severity)] * (1 - p)
	f.HistoryMS = heard
	f.Text = fmt.Sprintf("%s wrote a kind of line that it had not written in %s: %s", e.entity.Name, duration(f.HistoryMS), text)
	k.finding = f
	e.novelty.open++
	s.found = append(s.found, *f)
}

// finding returns one about a template with what all of them have.
func (s *Stage) finding(e *entity, k *kind, what model.FindingKind, detector string, onsetMS int64) *model.Finding {
	return &model.Finding{
		ID:     model.FindingID(e.hash, string(what)+":"+TemplateLabel(k.id), onsetMS),
		Entity: e.entity, Kind: what, Detector: detector, OnsetMS: onsetMS, SeenMS: s.mark.WatermarkMS,
		Signal: model.SignalRef{
			Name: seriesTemplate, Role: model.RoleLog, Unit: "1/s",
			Labels: seriesLabels(e.entity, classNames[classOf(k.severity)], TemplateLabel(k.id)),
		},
	}
}

// maxText bounds what a finding quotes of a template.
const maxText = 160

// text returns the text of a template.
func (s *Stage) text(e *entity, k *kind) string {
	t := s.miner.Find(e.scope, k.id)
	if t == nil {
		return TemplateLabel(k.id)
	}
	out := t.String()
	if len(out) > maxText {
		out = strings.ToValidUTF8(out[:maxText], "") + "…"
	}
	return fmt.Sprintf("%q", out)
}

// judge updates and ends the findings of a kind, and finds that it is gone.
func (s *Stage) judge(e *entity, k *kind, n uint32, endMS int64) {
	if f := k.finding; f != nil {
		before := f.Value
		f.Value += float64(n)
		if k.total == uint64(n) { // The first window: the line of the opening is one of these.
			f.Value = max(float64(n), 1)
		}
		switch {
		case endMS-k.lastMS >= newQuietMS:
			s.close(e, &k.finding, k.lastMS)
			e.novelty.open--
			k.old = true
		case endMS-f.OnsetMS >= newLastsMS:
			s.close(e, &k.finding, endMS)
			e.novelty.open--
			k.old = true
		case math.Ilogb(f.Value) > math.Ilogb(max(before, 1)): // Told again when it has doubled.
			s.found = append(s.found, *f)
		}
	}
	if f := k.lost; f != nil {
		if n > 0 || endMS-f.OnsetMS >= lostLastsMS {
			s.close(e, &k.lost, endMS)
		}
		return
	}
	if n == 0 {
		s.missed(e, k, endMS)
	}
}

func (s *Stage) close(_ *entity, f **model.Finding, endMS int64) {
	(*f).EndMS = max(endMS, (*f).OnsetMS)
	s.found = append(s.found, **f)
	*f = nil
}

// gaps is what is known of the pauses between the windows in which a kind has lines: how many there were, and the longest one lately, in time and
// in lines of the entity. The second measure is what tells a template that is gone from a service that has less to do.
type gaps struct {
	n         float64
	ms, lines float64
	lastLines uint64
}

// gapDecay lets a longest gap of once fade over thousands of others.
const gapDecay = 0.9995

func (g *gaps) seen(endMS int64, lines uint64, lastMS int64) {
	if lastMS > 0 && g.lastLines > 0 {
		g.n++
		g.ms = max(g.ms*gapDecay, float64(endMS-lastMS))
		g.lines = max(g.lines*gapDecay, float64(lines-g.lastLines))
	}
	g.lastLines = lines
}

func (g *gaps) take(o *gaps) {
	g.n, g.ms, g.lines, g.lastLines = max(g.n, o.n), max(g.ms, o.ms), max(g.lines, o.lines), max(g.lastLines, o.lastLines)
}

// What it takes to call a template gone: it came regularly, and has now been away for six times its longest pause, both in time and in what
// else was written, for a minute at least.
const (
	goneAfter   = 30
	goneTimes   = 6
	goneLeastMS = 60_000
)

// missed finds that a kind is gone.
func (s *Stage) missed(e *entity, k *kind, endMS int64) {
	g := &k.gaps
	if g.n < goneAfter || k.lastMS == 0 {
		return
	}
	silence, lines := float64(endMS-k.lastMS), float64(e.lines-g.lastLines)
	if silence < goneLeastMS || silence < goneTimes*g.ms || lines < goneTimes*max(g.lines, 1) {
		return
	}
	onset := k.lastMS
	f := s.finding(e, k, model.FindingGone, detectorGone, onset)
	// Of so many pauses none was a sixth as long: the rank of this one among them is what is known without assuming a shape.
	f.PValue = 1 / (g.n + 1)
	f.Direction, f.Score = -1, min(spreads(f.PValue), model.MaxScore)
	f.Expected = float64(k.total) / max(float64(k.lastMS-k.firstMS)/1000, 1)
	f.Low, f.High = f.Expected/2, f.Expected*2
	f.HistoryMS = k.lastMS - k.firstMS
	f.Confidence = 0.4 * (1 - f.PValue)
	f.Text = fmt.Sprintf("%s has not written for %s what it wrote at least every %s before: %s", e.entity.Name, duration(int64(silence)), duration(int64(g.ms)), s.text(e, k))
	k.lost = f
	g.n = 0 // When it returns its rhythm is learned anew.
	s.found = append(s.found, *f)
}

// duration writes milliseconds for people.
func duration(ms int64) string {
	for _, u := range []struct {
		ms   int64
		name string
	}{{24 * 3_600_000, "days"}, {3_600_000, "h"}, {60_000, "min"}} {
		if ms >= 2*u.ms {
			return fmt.Sprintf("%d %s", ms/u.ms, u.name)
		}
	}
	return fmt.Sprintf("%d s", ms/1000)
}
