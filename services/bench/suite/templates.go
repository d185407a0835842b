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
		r := &Report{Suite: s.Name, Columns: []string{"system", "lines", "GA", "FGA", "found", "true", "lines/s/core"}, Values: map[string]float64{}}
		var ga, fga float64
		for _, c := range cases {
			t := quality.Templates(c)
			r.Add(t.Name, t.Lines, t.GA, t.FGA, t.Found, t.True, fmt.Sprintf("%.0f", t.LinesPerSec))
			ga, fga = ga+t.GA, fga+t.FGA
		}
		n := float64(len(cases))
		r.Values["ga"], r.Values["fga"] = ga/n, fga/n
		r.Add("mean", "", ga/n, fga/n, "", "", "")
		return r, nil
	}
	return s
}
