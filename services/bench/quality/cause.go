package quality

import (
	"slices"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/correlator/rootcause"
	"github.com/faultline-io/faultline/services/model"
)

// CauseCase is one incident with its cause, as it is known afterwards.
type CauseCase struct {
	Name string
	// System and Fault group cases in reports.
	System, Fault string
	Input         rootcause.Input
	// Truth are the names of the entity that is to blame.
	Truth []string
	// Indicators are words of which the name of the blamed signal must have one, or roles; empty where the set says nothing.
	Indicators []string
	Roles      []model.Role
	// Quiet says that nothing is wrong, so that the right answer is none.
	Quiet bool
	// Changed limits answers to entities that were changed, where the question is which change it was.
	Changed []string
}

// CauseScore is how the verdict on one case came out.
type CauseScore struct {
	Name, System, Fault string
	// Place is that of the truth among the candidates from 1, 0 when it is not there; Forced is the place when a cause must be named.
	Place, Forced int
	// Indicator is the place of the right entity with the right signal; -1 where the set does not say.
	Indicator int
	// Chance is the probability that a guess among the entities is right.
	Chance  float64
	Unknown bool
	Quiet   bool
	Took    time.Duration
	Series  int
	// Confidence is that of the first candidate; 0 for unknown.
	Confidence float64
	Verdict    model.Verdict
}

// Cause asks for the verdict on a case and compares it with the truth.
func Cause(c CauseCase, cfg rootcause.Config) CauseScore {
	s := CauseScore{Name: c.Name, System: c.System, Fault: c.Fault, Quiet: c.Quiet, Series: len(c.Input.Windows), Indicator: -1}
	start := time.Now()
	v := rootcause.Rank(c.Input, cfg)
	s.Took = time.Since(start)
	s.Verdict, s.Unknown = v, v.Unknown
	list := c.allowed(v.Candidates)
	s.Place = c.place(list, false)
	if len(list) > 0 {
		s.Confidence = list[0].Confidence
	}
	forced := cfg
	forced.Forced = true
	s.Forced = c.place(c.allowed(rootcause.Rank(c.Input, forced).Candidates), false)
	if len(c.Indicators)+len(c.Roles) > 0 {
		s.Indicator = c.place(list, true)
	}
	if n := c.entities(); n > 0 {
		s.Chance = 1 / float64(n)
	}
	return s
}

// allowed leaves out candidates that were not asked for.
func (c *CauseCase) allowed(list []model.Candidate) []model.Candidate {
	if len(c.Changed) == 0 {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(x model.Candidate) bool { return !slices.Contains(c.Changed, x.Entity.Name) })
}

// place returns the place of the truth, with the signal too if asked.
func (c *CauseCase) place(list []model.Candidate, signal bool) int {
	for i, x := range list {
		if slices.Contains(c.Truth, x.Entity.Name) {
			if signal && !c.rightSignal(x.Signal) {
				return 0
			}
			return i + 1
		}
	}
	return 0
}

func (c *CauseCase) rightSignal(s *model.SignalRef) bool {
	if s == nil {
		return false
	}
	if slices.Contains(c.Roles, s.Role) {
		return true
	}
	return slices.ContainsFunc(c.Indicators, func(w string) bool { return strings.EqualFold(w, s.Name) })
}

// entities counts what could be answered.
func (c *CauseCase) entities() int {
	if len(c.Changed) > 0 {
		return len(c.Changed)
	}
	part := map[model.Entity]bool{}
	all := map[model.Entity]bool{}
	for _, e := range c.Input.Edges {
		if e.Kind == model.EdgePartOf {
			part[e.To] = true
		}
		all[e.From], all[e.To] = true, true
	}
	for i := range c.Input.Windows {
		all[c.Input.Windows[i].Entity] = true
	}
	return len(all) - len(part)
}

// Causes are the figures of a group of cases.
type Causes struct {
	Ranking
	// ForcedAC1 is AC@1 when an answer must be given; Indicator that of entity and signal together.
	ForcedAC1, Indicator Interval
	// Specificity is the share of quiet cases without an answer.
	Specificity Interval
	Chance      float64
	// MSPerCase is the mean time of one verdict.
	MSPerCase float64
	N, Quiet  int
}

// SumCauses adds up scores.
func SumCauses(scores []CauseScore) Causes {
	var ranks []int
	var forced, indicator, quiet []float64
	var out Causes
	var took time.Duration
	one := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	for _, s := range scores {
		took += s.Took
		if s.Quiet {
			quiet = append(quiet, one(s.Unknown))
			continue
		}
		ranks = append(ranks, s.Place)
		forced = append(forced, one(s.Forced == 1))
		if s.Indicator >= 0 {
			indicator = append(indicator, one(s.Indicator == 1))
		}
		out.Chance += s.Chance
	}
	out.Ranking = Rank(ranks)
	out.ForcedAC1, out.Indicator, out.Specificity = Bootstrap(forced), Bootstrap(indicator), Bootstrap(quiet)
	out.N, out.Quiet = len(ranks), len(quiet)
	if out.N > 0 {
		out.Chance /= float64(out.N)
	}
	if len(scores) > 0 {
		out.MSPerCase = float64(took.Microseconds()) / 1000 / float64(len(scores))
	}
	return out
}
