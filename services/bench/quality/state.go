package quality

import (
	"cmp"
	"slices"
	"time"

	"github.com/faultline-io/faultline/services/correlator/kubestate"
	"github.com/faultline-io/faultline/services/correlator/rootcause"
	"github.com/faultline-io/faultline/services/model"
)

// Causes that the state of a cluster does not show, and its metrics may.
const (
	CPUOverload kubestate.Cause = "cpu_overload"
	PodNetwork  kubestate.Cause = "pod_network"
	NodeNetwork kubestate.Cause = "node_network"
)

// StateCase is one state of a cluster with what is wrong in it.
type StateCase struct {
	Name, System, Fault string
	Cluster             *kubestate.Cluster
	// Metrics is the same case by its metrics, nil when there are none.
	Metrics *CauseCase
	Kind    kubestate.Kind
	Object  string
	// Cause is the set's word, Words translate the product's ones into it.
	Cause string
	Words map[kubestate.Cause]string
}

// State asks for the reasons in a case. Place is that of the right object with the right cause; Forced that of the right object alone.
func State(c StateCase) CauseScore {
	s := CauseScore{Name: c.Name, System: c.System, Fault: c.Fault, Indicator: -1}
	start := time.Now()
	answers := kubestate.Diagnose(c.Cluster)
	if c.Metrics != nil {
		answers = append(answers, fromMetrics(c)...)
	}
	slices.SortStableFunc(answers, func(a, b kubestate.Answer) int { return cmp.Compare(b.Weight, a.Weight) })
	s.Took = time.Since(start)
	s.Unknown = len(answers) == 0
	for i, a := range answers {
		if a.Kind != c.Kind || a.Name != c.Object {
			continue
		}
		if s.Forced == 0 {
			s.Forced = i + 1
		}
		if c.Words[a.Cause] == c.Cause && s.Place == 0 {
			s.Place = i + 1
		}
	}
	for _, a := range answers {
		s.Verdict.Checked = append(s.Verdict.Checked, string(a.Kind)+" "+a.Name+" "+string(a.Cause)+": "+a.Why)
	}
	return s
}

// fromMetrics translates candidates of the search for causes into the words of states.
func fromMetrics(c StateCase) []kubestate.Answer {
	cfg := rootcause.Default()
	cfg.Forced = true
	var out []kubestate.Answer
	for _, x := range rootcause.Rank(c.Metrics.Input, cfg).Candidates {
		a := kubestate.Answer{Kind: kubestate.KindWorkload, Name: x.Entity.Name, Weight: x.Confidence, Why: x.Why}
		switch {
		case x.Entity.Kind == model.KindHost:
			a.Kind, a.Cause = kubestate.KindNode, NodeNetwork
		case x.Kind == model.CauseSaturation:
			a.Cause = CPUOverload
		default:
			// Latency that nothing explains, with resources as before, is lost on the way.
			a.Cause = PodNetwork
		}
		if !slices.ContainsFunc(out, func(o kubestate.Answer) bool { return o.Name == a.Name && o.Cause == a.Cause }) {
			out = append(out, a)
		}
	}
	return out
}
