package suite

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/bench/adapters"
	"github.com/faultline-io/faultline/services/bench/quality"
	"github.com/faultline-io/faultline/services/correlator/rootcause"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// alerts scores what is made of alerts: causes of incidents that are given as alerts, and incidents of a flood.
func alerts() Suite {
	s := Suite{Name: "alerts", Short: "alerts to incidents, and to causes",
		Source: "TVDiag (github.com/WHU-AISE/TVDiag) as *_cases.jsonl with *_labels.jsonl, and AIT-LDS alerts (github.com/ait-aecid/aecid-alert-aggregation) as *_<host>.json with attack_phases.json, in one folder or by itself"}
	s.Run = func(_ context.Context, o Options) (*Report, error) {
		ao := adapters.Options{Renamer: quality.NewRenamer(o.Rename), NoMetadata: o.NoMetadata}
		r := &Report{Suite: s.Name, Columns: []string{"case", "n", "HR@1", "HR@3", "HR@5", "Avg@5", "named HR@1", "random HR@1", "count HR@1", "count Avg@5", "ms/case"}, Values: map[string]float64{}}
		causes, causesErr := adapters.AlertCauses(o.Dir, ao)
		floods, floodsErr := adapters.AlertFloods(o.Dir, ao)
		if causesErr != nil && floodsErr != nil {
			return nil, errs.WithHint(errs.NotFound, s.Source, "no cases: %v; %v", causesErr, floodsErr)
		}
		alertCauses(r, causes)
		for _, c := range floods {
			alertFlood(r, quality.Flood(c))
		}
		r.Notes = append(r.Notes, "HR@k counts a verdict of \"unknown\" as wrong; \"named\" is HR@1 when a cause must be named. \"count\" orders instances by how many of their metrics are in alert.")
		return r, nil
	}
	return s
}

func alertCauses(r *Report, cases []quality.CauseCase) {
	var systems []string
	for _, c := range cases {
		if !slices.Contains(systems, c.System) {
			systems = append(systems, c.System)
		}
	}
	var all []quality.CauseScore
	var allCounted []int
	add := func(name string, scores []quality.CauseScore, counted []int) {
		c, n := quality.SumCauses(scores), quality.Rank(counted)
		r.Add(name, c.N, c.AC1.String(), c.AC3.String(), c.AC5.String(), c.Avg5.String(), c.ForcedAC1.String(), c.Chance, n.AC1.Mean, n.Avg5.Mean, c.MSPerCase)
		r.Values[name+"_hr1"], r.Values[name+"_hr3"], r.Values[name+"_hr5"], r.Values[name+"_avg5"] = c.AC1.Mean, c.AC3.Mean, c.AC5.Mean, c.Avg5.Mean
		r.Values[name+"_count_hr1"], r.Values[name+"_count_avg5"] = n.AC1.Mean, n.Avg5.Mean
	}
	for _, system := range systems {
		var of []quality.CauseCase
		for _, c := range cases {
			if c.System == system {
				of = append(of, c)
			}
		}
		scores, counted := quality.AlertedCauses(of, rootcause.Default())
		add(system, scores, counted)
		all, allCounted = append(all, scores...), append(allCounted, counted...)
	}
	if len(systems) > 1 {
		add("all", all, allCounted)
	}
}

func alertFlood(r *Report, s quality.FloodScore) {
	var found []string
	for phase, share := range s.Found {
		found = append(found, fmt.Sprintf("%s %.2f", phase, share))
	}
	slices.Sort(found)
	r.Notes = append(r.Notes, fmt.Sprintf("flood %s: %d alerts of %d phases in %d incidents, %d in none; reduction %.4f, purity %.3f, pairs P %.3f R %.3f F1 %.3f; in incidents: %s; %.0f ns an alert",
		s.Name, s.Alerts, s.Phases, s.Incidents, s.Unseen, s.Reduction, s.Purity, s.Precision, s.Recall, s.F1, strings.Join(found, ", "), s.NSPerAlert))
	for name, v := range map[string]float64{"reduction": s.Reduction, "purity": s.Purity, "pair_precision": s.Precision, "pair_recall": s.Recall, "pair_f1": s.F1, "incidents": float64(s.Incidents)} {
		r.Values["flood_"+s.Name+"_"+name] = v
	}
}
