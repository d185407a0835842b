package group

import (
	"cmp"
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// What evidence is made of.
const (
	// mostSurprise caps what one finding can say: beyond one in a million a tail is a guess.
	mostSurprise = 6.0
	// Signals of one entity move together, and entities of one system share their load: with n values of which each two have this
	// correlation, their sum has the variance n + n(n−1)ρ (Stouffer's method with dependence, after Strube, Psychological Bulletin 1985).
	// The values are on the cautious side of what telemetry shows; 1 would let nothing but the strongest count.
	signalCorrelation, entityCorrelation = 0.5, 0.3
	// loadOnly is by what evidence counts when nothing in it is a symptom: load and use of resources change for good reasons.
	loadOnly = 0.6
	// usersSurprise is what a finding needs that shows an effect on users: not more than two or three of its kind a day.
	// plainSurprise is enough where users are hit hard.
	usersSurprise, plainSurprise = 1.0, 0.5
)

// surprise returns −log10 of the probability of a finding in an hour without a fault, in [0, mostSurprise]. It is the lesser of two: what its
// detector says, weighted by its confidence, and what its own habit says, whatever the detector is calibrated on. rate is in findings per
// millisecond.
func surprise(f *model.Finding, rate float64) float64 {
	told := mostSurprise
	confidence := min(max(f.Confidence, 0), 1)
	switch {
	case f.PValue > 0 && f.PValue <= 1:
		told = -math.Log10(f.PValue)
		if confidence > 0 {
			told *= 0.5 + 0.5*confidence
		}
	case confidence > 0:
		told = -math.Log10(1 - min(confidence, 1-1e-6))
	}
	habit := -math.Log10(-math.Expm1(-rate * float64(hour)))
	return min(max(min(told, habit), 0), mostSurprise)
}

// kindOf identifies a kind of opening: what people's judgement is remembered by.
func kindOf(f *model.Finding) uint64 {
	b := model.AppendIdentity(nil, f.Entity.String(), string(f.Signal.Role))
	return model.Hash64(string(model.AppendIdentity(b, "kind", string(f.Kind))))
}

// deviate returns the normal deviate of a surprise: how many standard deviations are as improbable; not below 0.
func deviate(s float64) float64 {
	return max(0, math.Sqrt2*math.Erfinv(1-2*math.Pow(10, -s)))
}

// stouffer combines deviates of which each two are correlated.
func stouffer(zs []float64, correlation float64) float64 {
	n, sum := float64(len(zs)), 0.0
	for _, z := range zs {
		sum += z
	}
	if n == 0 {
		return 0
	}
	return sum / math.Sqrt(n+n*(n-1)*correlation)
}

// aspect is what shows a finding: a role of an entity, or for what has no role of its own, the name. The instances of a service are aspects of it.
type aspect struct {
	owner, entity model.Entity
	role          string
}

// aspectOf returns the aspect of a finding. Two percentiles of one latency are one aspect, and so are failures and what is missing of success; two
// rules of somebody's are two.
func aspectOf(f *finding, v *vicinity) aspect {
	role := string(f.F.Signal.Role)
	switch f.F.Signal.Role {
	case model.RoleSuccess:
		role = string(model.RoleErrors)
	case model.RoleOther, model.RoleAlert, model.RoleState, "":
		role += "/" + f.F.Signal.Name
	}
	return aspect{v.owner(f.F.Entity), f.F.Entity, role}
}

// foldWhole takes what a service shows as a whole to its strongest instance with the same: the same requests are counted in both.
func foldWhole(best map[aspect]float64) {
	strongest := map[aspect]aspect{}
	for a, z := range best {
		whole := aspect{a.owner, a.owner, a.role}
		if a == whole {
			continue
		}
		had, ok := strongest[whole]
		if !ok || z > best[had] || z == best[had] && a.entity.Compare(had.entity) < 0 {
			strongest[whole] = a
		}
	}
	for whole, part := range strongest {
		if z, ok := best[whole]; ok {
			best[part] = max(best[part], z)
			delete(best, whole)
		}
	}
}

// evidence is what a group of findings says together.
type evidence struct {
	// Z is the combined deviate, Aspects how many different things show it, Entities on how many owners.
	Z                 float64
	Aspects, Entities int
}

// combine combines findings: of one aspect the strongest counts, aspects of an entity are combined, then entities.
func combine(fs []*finding, v *vicinity) evidence {
	best := map[aspect]float64{}
	symptoms := false
	for _, f := range fs {
		a := aspectOf(f, v)
		best[a] = max(best[a], deviate(f.Surprise))
		symptoms = symptoms || isSymptom(&f.F)
	}
	foldWhole(best)
	aspects := make([]aspect, 0, len(best))
	for a := range best {
		aspects = append(aspects, a)
	}
	slices.SortFunc(aspects, func(a, b aspect) int {
		return cmp.Or(a.owner.Compare(b.owner), a.entity.Compare(b.entity), cmp.Compare(a.role, b.role))
	})
	var owners, zs []float64
	for i, a := range aspects {
		zs = append(zs, best[a])
		if i+1 == len(aspects) || aspects[i+1].owner != a.owner {
			owners = append(owners, bestOf(zs, signalCorrelation))
			zs = zs[:0]
		}
	}
	e := evidence{Z: bestOf(owners, entityCorrelation), Aspects: len(aspects), Entities: len(owners)}
	if !symptoms {
		e.Z *= loadOnly
	}
	return e
}

// bestOf combines the strongest k of the deviates for the k that says most: weak ones beside a strong one take nothing from it. The choice of k
// makes the result a little too large; the cautious correlations are meant to cover that.
func bestOf(zs []float64, correlation float64) float64 {
	zs = slices.Clone(zs)
	slices.SortFunc(zs, func(a, b float64) int { return cmp.Compare(b, a) })
	most := 0.0
	for k := range zs {
		most = max(most, stouffer(zs[:k+1], correlation))
	}
	return most
}

// isSymptom says whether a finding shows that something does not work, and not only that it is used otherwise.
func isSymptom(f *model.Finding) bool {
	switch f.Kind {
	case model.FindingLimit, model.FindingSilence, model.FindingGone, model.FindingAlert:
		return true
	}
	switch f.Signal.Role {
	case model.RoleErrors, model.RoleSuccess, model.RoleLatency, model.RoleSelfTime, model.RoleGap, model.RoleQueue, model.RoleAlert:
		return true
	case model.RoleLog:
		return f.Kind == model.FindingNew && !chatter(f)
	case model.RoleState:
		return true
	}
	return false
}

// chatter says whether a finding is a new kind of log line that its own program finds unimportant.
func chatter(f *model.Finding) bool {
	if f.Kind != model.FindingNew || f.Signal.Role != model.RoleLog {
		return false
	}
	switch model.Lookup(f.Signal.Labels, "severity") {
	case "info", "debug", "trace":
		return true
	}
	return false
}

// weak says whether a finding may belong to others, but connects nothing: what happens once in a few hours anyway, and chatter.
func (f *finding) weak() bool {
	return f.Surprise < usersSurprise && f.F.Kind != model.FindingAlert || chatter(&f.F)
}

// opening decides whether findings make an incident, and says why.
func (g *Grouper) opening(fs []*finding, v *vicinity) (why string, ok bool) {
	var strongest *finding
	var its effect
	effects := effectsOf(fs, v, g.nowMS)
	for n, f := range fs {
		if e := effects[n]; e.opens(f, g.nowMS) && (strongest == nil || e.level > its.level) {
			strongest, its = f, e
		}
	}
	if strongest != nil {
		return its.why, true
	}
	e := combine(fs, v)
	if e.Aspects < 2 || e.Z < deviate(-math.Log10(g.cfg.OpenP)) {
		return "", false
	}
	p := 0.5 * math.Erfc(e.Z/math.Sqrt2)
	return togetherText(e, p), true
}
