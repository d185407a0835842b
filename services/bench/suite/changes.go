package suite

import (
	"context"

	"github.com/faultline-io/faultline/services/bench/adapters"
	"github.com/faultline-io/faultline/services/bench/quality"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// changes scores which of several changes is to blame.
func changes() Suite {
	s := Suite{Name: "changes", Short: "which change is to blame", Source: "ChangeRCA (github.com/IntelligentDDS/ChangeRCA)"}
	s.Run = func(_ context.Context, o Options) (*Report, error) {
		cases, err := adapters.ChangeCases(o.Dir, adapters.Options{Renamer: quality.NewRenamer(o.Rename), NoMetadata: o.NoMetadata})
		if err != nil {
			return nil, &errs.Error{Kind: errs.NotFound, Err: err, Hint: s.Source}
		}
		r := causeReport(s.Name, cases, o)
		r.Notes = append(r.Notes, "AC@k is the hit rate HR@k of the changed service among the services that were changed; verdicts are asked for five minutes after the detection.")
		return r, nil
	}
	return s
}
