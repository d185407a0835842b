package promapi

import (
	"math"
	"strconv"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// node is one object of a parsed query in the form of Prometheus' /api/v1/parse_query, which its own page draws as a tree.
type node map[string]any

func (a *API) parseQuery(c *gin.Context) (reply, error) {
	expr, err := a.parse(c.Request.FormValue("query"))
	if err != nil {
		return reply{}, err
	}
	return replyJSON(tree(expr))
}

// tree returns the tree of an expression; nil for none.
func tree(e parser.Expr) any {
	switch n := e.(type) {
	case *parser.AggregateExpr:
		return node{"type": "aggregation", "op": n.Op.String(), "expr": tree(n.Expr), "param": tree(n.Param), "grouping": list(n.Grouping), "without": n.Without}
	case *parser.BinaryExpr:
		return node{"type": "binaryExpr", "op": n.Op.String(), "lhs": tree(n.LHS), "rhs": tree(n.RHS), "matching": matchingTree(n.VectorMatching), "bool": n.ReturnBool}
	case *parser.Call:
		args := make([]any, len(n.Args))
		for i, arg := range n.Args {
			args[i] = tree(arg)
		}
		f := node{"name": n.Func.Name, "argTypes": n.Func.ArgTypes, "variadic": n.Func.Variadic, "returnType": n.Func.ReturnType}
		return node{"type": "call", "func": f, "args": args}
	case *parser.MatrixSelector:
		vs, ok := n.VectorSelector.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		out := selectorTree("matrixSelector", vs)
		out["range"], out["rangeExpr"] = n.Range.Milliseconds(), durationTree(n.RangeExpr)
		return out
	case *parser.VectorSelector:
		return selectorTree("vectorSelector", n)
	case *parser.SubqueryExpr:
		return node{
			"type": "subquery", "expr": tree(n.Expr), "range": n.Range.Milliseconds(), "rangeExpr": durationTree(n.RangeExpr),
			"offset": n.OriginalOffset.Milliseconds(), "offsetExpr": durationTree(n.OriginalOffsetExpr), "step": n.Step.Milliseconds(),
			"stepExpr": durationTree(n.StepExpr), "timestamp": n.Timestamp, "startOrEnd": startOrEnd(n.StartOrEnd),
		}
	case *parser.DurationExpr:
		return durationTree(n)
	case *parser.NumberLiteral:
		return node{"type": "numberLiteral", "val": number(n)}
	case *parser.ParenExpr:
		return node{"type": "parenExpr", "expr": tree(n.Expr)}
	case *parser.StringLiteral:
		return node{"type": "stringLiteral", "val": n.Val}
	case *parser.UnaryExpr:
		return node{"type": "unaryExpr", "op": n.Op.String(), "expr": tree(n.Expr)}
	}
	return nil
}

func selectorTree(kind string, n *parser.VectorSelector) node {
	return node{
		"type": kind, "name": n.Name, "offset": n.OriginalOffset.Milliseconds(), "offsetExpr": durationTree(n.OriginalOffsetExpr),
		"matchers": matcherTrees(n.LabelMatchers), "timestamp": n.Timestamp, "startOrEnd": startOrEnd(n.StartOrEnd),
		"anchored": n.Anchored, "smoothed": n.Smoothed,
	}
}

func matchingTree(m *parser.VectorMatching) any {
	if m == nil {
		return nil
	}
	return node{
		"card": m.Card.String(), "labels": list(m.MatchingLabels), "on": m.On, "include": list(m.Include),
		"fillValues": node{"lhs": fill(m.FillValues.LHS), "rhs": fill(m.FillValues.RHS)},
	}
}

// fill is a value that stands for a missing side; those that JSON has no number for are text, where Prometheus has no answer at all.
func fill(v *float64) any {
	switch {
	case v == nil:
		return nil
	case math.IsNaN(*v) || math.IsInf(*v, 0):
		return strconv.FormatFloat(*v, 'f', -1, 64)
	}
	return *v
}

// durationTree returns the tree of a duration that is computed; its absence is a nil pointer of one of two types, or none at all.
func durationTree(e parser.Expr) any {
	switch n := e.(type) {
	case *parser.DurationExpr:
		if n != nil {
			return node{"type": "durationExpr", "op": n.Op.String(), "lhs": durationTree(n.LHS), "rhs": durationTree(n.RHS), "wrapped": n.Wrapped}
		}
	case *parser.NumberLiteral:
		if n != nil {
			return node{"type": "numberLiteral", "val": number(n), "duration": n.Duration}
		}
	default:
		return tree(e)
	}
	return nil
}

func number(n *parser.NumberLiteral) string { return strconv.FormatFloat(n.Val, 'f', -1, 64) }

func matcherTrees(ms []*labels.Matcher) []node {
	out := make([]node, len(ms))
	for i, m := range ms {
		out[i] = node{"name": m.Name, "value": m.Value, "type": m.Type.String()}
	}
	return out
}

func startOrEnd(t parser.ItemType) any {
	if t == 0 {
		return nil
	}
	return t.String()
}

// list is ss without null.
func list(ss []string) []string {
	if ss == nil {
		return []string{}
	}
	return ss
}
