package promapi

import (
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// boundSubqueries refuses a query whose subqueries would evaluate what is inside of them more often than a query may hold samples. The
// engine counts samples when it has them, and a subquery over a hundred years in steps of a millisecond takes the memory of the machine
// before the first is counted. A query that does not parse is left to the engine's own error.
func (a *API) boundSubqueries(query string) error {
	expr, err := a.parser.ParseExpr(query)
	if err != nil {
		return nil
	}
	limit := float64(a.cfg.MaxSamples)
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		if _, ok := node.(*parser.SubqueryExpr); !ok || err != nil {
			return err
		}
		points := 1.0
		for _, n := range append(path[:len(path):len(path)], node) {
			if s, ok := n.(*parser.SubqueryExpr); ok {
				step := s.Step
				if step <= 0 {
					step = time.Minute // As NoStepSubqueryIntervalFn says.
				}
				points *= max(1, float64(s.Range)/float64(step))
			}
		}
		if points > limit {
			err = errs.WithHint(errs.Exhausted, "ask for a shorter range or a longer step in the subquery, or raise query.max_samples",
				"query.max_samples: a subquery has %.0f points, and at most %d samples are held", points, a.cfg.MaxSamples)
		}
		return err
	})
	if err != nil {
		return &evalError{err}
	}
	return nil
}
