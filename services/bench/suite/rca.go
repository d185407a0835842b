package suite

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/bench/adapters"
	"github.com/faultline-io/faultline/services/bench/quality"
	"github.com/faultline-io/faultline/services/correlator/rootcause"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// causeColumns are the columns of both suites of root causes.
var causeColumns = []string{"system", "fault", "n", "AC@1", "AC@3", "Avg@5", "named AC@1", "signal", "random", "quiet right", "ms/case"}

// rca scores root causes with the onset given.
func rca() Suite {
	s := Suite{Name: "rca", Short: "root cause, given the onset",
		Source: "Nezha (github.com/IntelligentDDS/Nezha), PetShop (github.com/amazon-science/petshop-root-cause-analysis), Cloud-OpsBench (github.com/LLM4Ops/Cloud-OpsBench), in one folder or by itself"}
	s.Run = func(ctx context.Context, o Options) (*Report, error) {
		ao := adapters.Options{Renamer: quality.NewRenamer(o.Rename), NoMetadata: o.NoMetadata}
		var cases []quality.CauseCase
		var problems []string
		for _, read := range []func(string, adapters.Options) ([]quality.CauseCase, error){adapters.NezhaCases, adapters.Petshop, adapters.CloudOpsMetrics} {
			c, err := read(o.Dir, ao)
			if err != nil {
				problems = append(problems, err.Error())
			}
			cases = append(cases, c...)
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		if len(cases) == 0 {
			return nil, errs.WithHint(errs.NotFound, s.Source, "no cases: %s", strings.Join(problems, "; "))
		}
		r := causeReport(s.Name, cases, o)
		r.Notes = append(r.Notes,
			"AC@k counts a verdict of \"unknown\" as wrong; \"named\" is AC@1 when a cause must be named. \"signal\" needs the right entity with the right signal; \"quiet right\" is the share of quiet windows without a cause.",
		)
		return r, nil
	}
	return s
}

// causeTable adds up scores by system and fault.
type causeTable struct {
	name   string
	groups map[[2]string][]quality.CauseScore
}

func newCauseReport(name string) *causeTable {
	return &causeTable{name, map[[2]string][]quality.CauseScore{}}
}

func (t *causeTable) add(s quality.CauseScore) {
	for _, k := range [][2]string{{s.System, s.Fault}, {s.System, "all"}, {"all", "all"}} {
		t.groups[k] = append(t.groups[k], s)
	}
}

// report writes the table, sums last.
func (t *causeTable) report() *Report {
	r := &Report{Suite: t.name, Columns: causeColumns, Values: map[string]float64{}}
	keys := make([][2]string, 0, len(t.groups))
	for k := range t.groups {
		keys = append(keys, k)
	}
	last := func(s string) string {
		if s == "all" {
			return "\xff"
		}
		return s
	}
	slices.SortFunc(keys, func(a, b [2]string) int {
		return cmp.Or(strings.Compare(last(a[0]), last(b[0])), strings.Compare(last(a[1]), last(b[1])))
	})
	for _, k := range keys {
		c := quality.SumCauses(t.groups[k])
		some := func(i quality.Interval) string {
			if i.N == 0 {
				return ""
			}
			return i.String()
		}
		r.Add(k[0], k[1], c.N, some(c.AC1), some(c.AC3), some(c.Avg5), some(c.ForcedAC1), some(c.Indicator), c.Chance, some(c.Specificity), c.MSPerCase)
		p := k[0] + "." + k[1] + "."
		r.Values[p+"ac1"], r.Values[p+"ac3"], r.Values[p+"avg5"], r.Values[p+"specificity"] = c.AC1.Mean, c.AC3.Mean, c.Avg5.Mean, c.Specificity.Mean
	}
	return r
}

// causeReport runs cases and sums up by system and fault.
func causeReport(name string, cases []quality.CauseCase, o Options) *Report {
	t := newCauseReport(name)
	for _, c := range cases {
		sc := quality.Cause(c, rootcause.Default())
		if o.Details && o.Progress != nil {
			explainScore(o.Progress, c, sc)
		}
		t.add(sc)
	}
	return t.report()
}

// explainScore tells one verdict with its evidence.
func explainScore(tell func(string), c quality.CauseCase, s quality.CauseScore) {
	tell(fmt.Sprintf("\n== %s %s %s truth=%v place=%d forced=%d unknown=%v\n   %s", c.Name, c.System, c.Fault, c.Truth, s.Place, s.Forced, s.Unknown, s.Verdict.Sentence))
	for i, x := range s.Verdict.Candidates {
		tell(fmt.Sprintf("   %d. %s score %.2f conf %.2f %s: %s", i+1, x.Entity.Name, x.Score, x.Confidence, x.Kind, x.Why))
		for _, e := range x.For {
			tell("        + " + e.Text)
		}
		for _, e := range x.Against {
			tell("        - " + e.Text)
		}
	}
}
