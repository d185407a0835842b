package suite

import (
	"context"
	"fmt"
	"strings"

	"github.com/faultline-io/faultline/services/bench/adapters"
	"github.com/faultline-io/faultline/services/bench/quality"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// k8s scores reasons found in the state and the events of a cluster.
func k8s() Suite {
	s := Suite{Name: "k8s", Short: "what is wrong in a Kubernetes cluster, by state and events", Source: "Cloud-OpsBench (github.com/LLM4Ops/Cloud-OpsBench)"}
	s.Run = func(_ context.Context, o Options) (*Report, error) {
		cases, err := adapters.CloudOpsState(o.Dir, adapters.Options{Renamer: quality.NewRenamer(o.Rename), NoMetadata: o.NoMetadata})
		if err != nil {
			return nil, &errs.Error{Kind: errs.NotFound, Err: err, Hint: s.Source}
		}
		r := newCauseReport(s.Name)
		for _, c := range cases {
			sc := quality.State(c)
			r.add(sc)
			if o.Details && o.Progress != nil {
				o.Progress(fmt.Sprintf("== %s %s truth=%s %s place=%d object=%d\n   %s", c.Name, c.Fault, c.Object, c.Cause, sc.Place, sc.Forced, strings.Join(sc.Verdict.Checked, "\n   ")))
			}
		}
		out := r.report()
		out.Notes = append(out.Notes, "AC@k is A@k: object and cause both right. \"named\" is the right object at the first place, whatever the cause.")
		return out, nil
	}
	return s
}
