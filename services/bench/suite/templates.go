package suite

import (
	"context"
	"fmt"

	"github.com/faultline-io/faultline/services/bench/adapters"
	"github.com/faultline-io/faultline/services/bench/quality"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// templates scores the mining of log templates.
func templates() Suite {
	s := Suite{Name: "templates", Short: "log templates on Loghub-2k", Source: "Loghub-2k with corrected labels: github.com/logpai/loghub-2.0, folder 2k_dataset"}
	s.Run = func(_ context.Context, o Options) (*Report, error) {
		cases, err := adapters.Loghub(o.Dir)
		if err != nil {
			return nil, &errs.Error{Kind: errs.NotFound, Err: err, Hint: s.Source}
		}
		r := &Report{Suite: s.Name, Columns: []string{"system", "lines", "GA", "FGA", "PA", "FTA", "found", "true", "lines/s/core"}, Values: map[string]float64{}}
		var ga, fga, pa, fta float64
		for _, c := range cases {
			t := quality.Templates(c)
			r.Add(t.Name, t.Lines, t.GA, t.FGA, t.PA, t.FTA, t.Found, t.True, fmt.Sprintf("%.0f", t.LinesPerSec))
			ga, fga, pa, fta = ga+t.GA, fga+t.FGA, pa+t.PA, fta+t.FTA
		}
		n := float64(len(cases))
		r.Values["ga"], r.Values["fga"], r.Values["pa"], r.Values["fta"] = ga/n, fga/n, pa/n, fta/n
		r.Add("mean", "", ga/n, fga/n, pa/n, fta/n, "", "", "")
		return r, nil
	}
	return s
}
