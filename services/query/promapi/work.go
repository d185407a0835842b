package promapi

import (
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// maxWork bounds steps times samples of one function over one series: some ten seconds of a processor. The engine looks at its time limit and
// at its samples between series and not within one, so a subquery of a year within a subquery of a year would hold a processor for
// hours, and one of a hundred years in milliseconds the memory of the machine, whatever the limits. A graph of 11,000 steps of a
// function over thirty days is 1.9e9.
const maxWork = 4e9

// assumedInterval is how far apart samples are taken to be when the work is estimated: what is scraped comes about as often.
const assumedInterval = 15 * time.Second

// noStep is the step of a subquery that names none.
const noStep = time.Minute

// checkWork refuses a statement with more work than can be interrupted. Errors: errs.Exhausted, naming the limit that it would break.
func checkWork(s parser.Statement) error {
	e, ok := s.(*parser.EvalStmt)
	if !ok {
		return nil
	}
	steps, span := 1.0, e.End.Sub(e.Start)
	if e.Interval > 0 {
		steps = float64(span/e.Interval) + 1
	}
	if work := workOf(e.Expr, steps, span); work > maxWork {
		return errs.WithHint(errs.Exhausted, "use a shorter range or a longer step in the subquery",
			"query.timeout: a function would look at %.2g steps times samples of each series, and at most %.2g can be answered in time", work, float64(maxWork))
	}
	return nil
}

// workOf returns the greatest work of one function in e, which is evaluated at so many steps over a span of time.
func workOf(e parser.Node, steps float64, span time.Duration) float64 {
	most := 0.0
	switch n := e.(type) {
	case *parser.MatrixSelector:
		return steps * float64(n.Range/assumedInterval)
	case *parser.SubqueryExpr:
		step := n.Step
		if step <= 0 {
			step = noStep
		}
		inner := float64((span+n.Range)/step) + 1
		return max(steps*float64(n.Range/step), workOf(n.Expr, inner, span+n.Range))
	}
	for child := range parser.ChildrenIter(e) {
		most = max(most, workOf(child, steps, span))
	}
	return most
}

// maxDepth bounds brackets within each other: everybody who walks an expression copies the way to each node, so the cost grows with the
// square of the depth. People nest a dozen.
const maxDepth = 1000

// deep reports whether brackets of query, outside of strings and comments, stand more than maxDepth deep in each other.
func deep(query string) bool {
	depth := 0
	for i := 0; i < len(query); i++ {
		switch c := query[i]; c {
		case '(', '[', '{':
			if depth++; depth > maxDepth {
				return true
			}
		case ')', ']', '}':
			depth--
		case '"', '\'', '`':
			for i++; i < len(query) && query[i] != c; i++ {
				if query[i] == '\\' && c != '`' {
					i++
				}
			}
		case '#':
			for i < len(query) && query[i] != '\n' {
				i++
			}
		}
	}
	return false
}
