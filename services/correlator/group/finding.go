package group

import (
	"math"
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/model"
)

// Bounds of what is kept of one finding.
const (
	maxText   = 500  // A sentence.
	maxName   = 300  // Of an entity or a signal.
	maxLabels = 40   // As many as a series usually has at most.
	maxBarred = 8    // Incidents that people said a finding has nothing to do with.
	maxFolded = 16   // Later findings of a member's signal that are named.
	maxLong   = 4000 // Of what people write.
)

// keepLooseMS is for how long a finding that ended may still be joined by others.
const keepLooseMS = hour

// finding is a finding with what is known of it here.
type finding struct {
	F model.Finding
	// Cell identifies the signal: entity, name and labels.
	Cell uint64
	// Incident is where it belongs, "" while it is loose.
	Incident string
	// TroubleMS is how often the signal was in trouble before, FoundMS how often it was found in all, per millisecond; Surprise is −log10 of
	// the probability of the finding in an hour without a fault.
	TroubleMS, FoundMS, Surprise float64
	// HeldBy says why it counts for nothing; Rejected that a person said so of this one.
	HeldBy   string
	Rejected bool
	// Barred are incidents that it must not join again.
	Barred []string
	// Out are the judgements that took it out of an incident.
	Out []string
	// Named counts the incidents that are called by it.
	Named int
	// HeardMS is the watermark at which it was last spoken of.
	HeardMS int64
	// Edges are what its own labels say of the topology.
	Edges []model.Edge
}

// open says whether it lasts.
func (f *finding) open() bool { return f.F.EndMS == 0 }

// lasts says whether it lasts and counts.
func (f *finding) lasts() bool { return f.open() && f.HeldBy == "" }

// until returns up to when it lasted.
func (f *finding) until(nowMS int64) int64 {
	if f.open() {
		return max(nowMS, f.F.OnsetMS)
	}
	return max(f.F.EndMS, f.F.OnsetMS)
}

// cellOf returns the identity of a finding's signal. The kind has no part in it: a shift and a reached limit of one signal are one matter.
func cellOf(f *model.Finding) uint64 {
	b := model.AppendIdentity(nil, f.Entity.String(), f.Signal.Name)
	for _, l := range f.Signal.Labels {
		b = model.AppendIdentity(b, l.Name, l.Value)
	}
	return model.Hash64(string(b))
}

// intake takes what waited for the mark.
func (g *Grouper) intake(v *vicinity) {
	slices.SortFunc(g.pending, compareFindings)
	var holders map[uint64]*incident
	for i := range g.pending {
		f := &g.pending[i]
		if had := g.findings[f.ID]; had != nil {
			g.update(had, f)
			continue
		}
		if holders == nil {
			holders = g.holders()
		}
		g.take(f, holders, v)
	}
	g.pending = g.pending[:0]
}

// update takes what is newer of a known finding.
func (g *Grouper) update(had *finding, f *model.Finding) {
	if f.SeenMS < had.F.SeenMS {
		return // Said before what is known already.
	}
	entity, signal := had.F.Entity, had.F.Signal
	if i := g.incidents[had.Incident]; i != nil && (had.F.Value != f.Value || had.F.EndMS != f.EndMS || had.F.Kind != f.Kind) {
		i.dirty = true
	}
	had.F = clean(f)
	had.F.Entity, had.F.Signal = entity, signal // The identity of a finding does not change.
	had.HeardMS = g.nowMS
	had.Surprise = surprise(&had.F, had.TroubleMS) * g.memory.trust(kindOf(&had.F))
}

// take admits a new finding, and folds it into the incident that has its signal.
func (g *Grouper) take(f *model.Finding, holders map[uint64]*incident, v *vicinity) {
	seen := f.SeenMS
	if seen == 0 {
		seen = g.nowMS
	}
	switch {
	case f.EndMS != 0 && g.nowMS-f.EndMS > keepLooseMS, g.nowMS-seen > g.cfg.StaleMS:
		return // History, or the repetition of what was forgotten.
	case len(g.findings) >= g.cfg.MaxFindings:
		g.stats.Dropped++
		return
	}
	n := &finding{F: clean(f), HeardMS: g.nowMS}
	n.Cell = cellOf(&n.F)
	n.TroubleMS, n.FoundMS = g.memory.rates(n.Cell, g.nowMS)
	n.Surprise = surprise(&n.F, n.TroubleMS) * g.memory.trust(kindOf(&n.F))
	n.Edges = model.EdgesOf(n.F.Signal.Name, n.F.Signal.Labels)
	g.memory.learn(n.Cell, n.F.OnsetMS, g.nowMS)
	g.findings[n.F.ID] = n
	v.add(n)
	g.fold(n, holders[n.Cell], v)
}

// holders returns for each signal the newest incident that has it and takes it back.
func (g *Grouper) holders() map[uint64]*incident {
	out := map[uint64]*incident{}
	for _, i := range g.sorted() {
		if !g.takesBack(i, g.nowMS) {
			continue
		}
		for n := range i.Parts {
			out[i.Parts[n].Cell] = i
		}
	}
	return out
}

// fold puts a finding to the earlier ones of its signal, when those are in an incident that has not ended, or not long ago. What is held does
// not fold: it must not wake an incident.
func (g *Grouper) fold(n *finding, best *incident, v *vicinity) {
	g.holdOne(n, v)
	if n.HeldBy != "" || best == nil || !g.takesBack(best, n.F.OnsetMS) {
		return
	}
	p := best.part(n.Cell)
	p.IDs = append(p.IDs, n.F.ID)
	if len(p.IDs) > maxFolded {
		p.IDs = slices.Delete(p.IDs, 1, 2) // The first one stays: the member is called by it.
	}
	p.Times++
	n.Incident = best.M.ID
	g.stats.Folded++
	best.dirty = true
	g.wake(best, p.Name+" again, the "+ordinal(p.Times)+" time")
}

// clean returns a copy that is bounded, and that a snapshot gives back as it is.
func clean(f *model.Finding) model.Finding {
	c := *f
	c.Entity = model.Entity{Kind: model.EntityKind(clip(string(f.Entity.Kind), maxName)), Name: clip(f.Entity.Name, maxName)}
	c.Signal.Name, c.Signal.Unit = clip(f.Signal.Name, maxName), clip(f.Signal.Unit, maxName)
	c.Signal.Labels = nil
	for i := 0; i < len(f.Signal.Labels) && i < maxLabels; i++ {
		l := f.Signal.Labels[i]
		c.Signal.Labels = append(c.Signal.Labels, model.Label{Name: clip(l.Name, maxName), Value: clip(l.Value, maxText)})
	}
	if countsFailures(&c.Signal) {
		c.Signal.Role = model.RoleErrors
	}
	c.Detector, c.Text = clip(f.Detector, maxName), clip(f.Text, maxText)
	for _, x := range []*float64{&c.Value, &c.Expected, &c.Low, &c.High, &c.Score, &c.PValue, &c.Confidence} {
		*x = finite(*x)
	}
	return c
}

// statusLabels name what a request was answered with.
var statusLabels = []string{"http_response_status_code", "http_status_code", "response_code", "status_code", "http.response.status_code", "code", "status"}

// countsFailures says whether a signal counts requests that failed on the server's side, by a label: its name says requests, and those are load.
func countsFailures(s *model.SignalRef) bool {
	if s.Role != model.RoleTraffic && !strings.HasSuffix(s.Name, "_total") && !strings.HasSuffix(s.Name, "_count") {
		return false
	}
	return slices.ContainsFunc(statusLabels, func(n string) bool {
		v := model.Lookup(s.Labels, n)
		return len(v) == 3 && v[0] == '5'
	})
}

// finite returns a number that JSON can write.
func finite(x float64) float64 {
	switch {
	case math.IsNaN(x):
		return 0
	case math.IsInf(x, 0):
		return math.Copysign(math.MaxFloat64, x)
	}
	return x
}

// clip returns at most n bytes of valid UTF-8.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}

// cleanVerdict makes the numbers of a verdict such that a snapshot gives them back.
func cleanVerdict(v model.Verdict) model.Verdict {
	evidence := func(es []model.Evidence) []model.Evidence {
		es = slices.Clone(es)
		for i := range es {
			e := &es[i]
			e.Low, e.High = finite(e.Low), finite(e.High)
			e.Values = slices.Clone(e.Values)
			for j, x := range e.Values {
				e.Values[j] = finite(x)
			}
		}
		return es
	}
	v.FirstFailure, v.Impact = evidence(v.FirstFailure), evidence(v.Impact)
	v.Candidates = slices.Clone(v.Candidates)
	for i := range v.Candidates {
		c := &v.Candidates[i]
		c.Score, c.Confidence = finite(c.Score), finite(c.Confidence)
		c.For, c.Against = evidence(c.For), evidence(c.Against)
	}
	return v
}
