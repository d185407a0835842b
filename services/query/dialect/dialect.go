// Package dialect reads queries in MetricsQL, VictoriaMetrics' language, that are not PromQL: what has exactly the same meaning in PromQL
// is translated, and of the rest the error names the construct and says how PromQL puts it. What is PromQL never comes here, so no
// query changes its meaning. It costs a second parse of queries that are refused anyway.
package dialect

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Bounds of what is read at all.
const (
	// maxQuery is the longest text: what people write by hand. VictoriaMetrics takes 16 KiB.
	maxQuery = 16 << 10
	// maxExpansion bounds how often WITH templates may be used within each other: each use copies a text of at most maxQuery.
	maxExpansion = 500
	// maxBuiltin bounds the uses of VictoriaMetrics' own templates (ru, ttf), which repeat their arguments.
	maxBuiltin = 4
)

// Translate returns the PromQL that says exactly what query says in MetricsQL; "" when it is not MetricsQL either. Errors: errs.Invalid
// for MetricsQL that PromQL cannot say in the same way, with the construct and the way to say it.
func Translate(p parser.Parser, query string) (string, error) {
	if len(query) > maxQuery {
		return "", nil
	}
	if !expandable(query) {
		return "", errs.New(errs.Invalid, "the WITH templates expand to too much: use each fewer times, or spell the query out")
	}
	e, err := metricsql.Parse(query)
	if err != nil {
		return "", nil //nolint:nilerr // it is no query of this language, and the caller has the error of its own
	}
	if e, err = rewrite(e); err != nil {
		return "", err
	}
	text := string(e.AppendString(nil))
	if _, err := p.ParseExpr(text); err != nil {
		if text == strings.TrimSpace(query) {
			return "", nil // the same text has the same error
		}
		return "", errs.New(errs.Invalid, "this is MetricsQL with something that PromQL does not have: as PromQL it would be %s (%v)", shorten(text), err)
	}
	return text, nil
}

// Names that are defined: name = ..., name(arguments) = ..., and label filters, which do no harm here.
var (
	defined = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_:.]*)\s*(?:\([^()]*\))?\s*=`)
	word    = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_:.]*`)
	builtin = regexp.MustCompile(`(?i)\b(?:ru|ttf)\s*\(`)
)

// expandable reports whether the expansion of the templates is bounded: a template inside a template inside a template doubles a text each
// time. Every chain of uses has each name at most as often as the text has it.
func expandable(query string) bool {
	if len(builtin.FindAllString(query, maxBuiltin+1)) > maxBuiltin {
		return false
	}
	if !strings.Contains(strings.ToLower(query), "with") {
		return true
	}
	uses := map[string]int{}
	for _, w := range word.FindAllString(query, -1) {
		uses[w]++
	}
	total := 1
	seen := map[string]bool{}
	for _, m := range defined.FindAllStringSubmatch(query, -1) {
		if seen[m[1]] {
			continue
		}
		seen[m[1]] = true
		if total *= uses[m[1]]; total > maxExpansion {
			return false
		}
	}
	return true
}

// rewrite returns e with PromQL's words for MetricsQL's. It works in place.
func rewrite(e metricsql.Expr) (metricsql.Expr, error) {
	switch n := e.(type) {
	case *metricsql.FuncExpr:
		return rewriteFunc(n)
	case *metricsql.AggrFuncExpr:
		return rewriteAggregation(n)
	case *metricsql.BinaryOpExpr:
		return rewriteOperator(n)
	case *metricsql.RollupExpr:
		return rewriteRange(n)
	case *metricsql.MetricExpr:
		if len(n.LabelFilterss) > 1 {
			return nil, refuse("or inside a selector", "{a=\"1\"} or {b=\"2\"}, or one matcher with =~")
		}
	}
	return e, nil
}

func refuse(construct, way string) error {
	return errs.New(errs.Invalid, "%s is MetricsQL; in PromQL write %s", construct, way)
}

func rewriteAll(es []metricsql.Expr) error {
	for i := range es {
		var err error
		if es[i], err = rewrite(es[i]); err != nil {
			return err
		}
	}
	return nil
}

func rewriteFunc(n *metricsql.FuncExpr) (metricsql.Expr, error) {
	name := strings.ToLower(n.Name)
	if name == "" {
		name = "union" // (a, b)
	}
	f, known := parser.Functions[name]
	if !known {
		return nil, unknown(name)
	}
	for i, arg := range n.Args {
		if m, ok := arg.(*metricsql.MetricExpr); ok && i < len(f.ArgTypes) && f.ArgTypes[i] == parser.ValueTypeMatrix {
			return nil, refuse(fmt.Sprintf("%s(%s) without a window (MetricsQL takes the step)", name, shorten(text(m))), fmt.Sprintf("%s(%s[5m])", name, shorten(text(m))))
		}
	}
	if err := rewriteAll(n.Args); err != nil {
		return nil, err
	}
	n.Name = name
	if !n.KeepMetricNames {
		return n, nil
	}
	metric := oneName(n.Args)
	if metric == "" {
		return nil, refuse("keep_metric_names", `label_replace(..., "__name__", "the_name", "", "")`)
	}
	n.KeepMetricNames = false
	return &metricsql.FuncExpr{Name: "label_replace", Args: []metricsql.Expr{n, str(model.LabelName), str(metric), str(""), str("")}}, nil
}

func str(s string) *metricsql.StringExpr { return &metricsql.StringExpr{S: s} }

func text(e metricsql.Expr) string { return string(e.AppendString(nil)) }

// oneName returns the name of the metric when a function is of a single selector that names one.
func oneName(args []metricsql.Expr) string {
	found := ""
	for _, arg := range args {
		if r, ok := arg.(*metricsql.RollupExpr); ok {
			arg = r.Expr
		}
		m, ok := arg.(*metricsql.MetricExpr)
		switch {
		case !ok:
			if _, number := arg.(*metricsql.NumberExpr); !number {
				return ""
			}
		case found != "" || len(m.LabelFilterss) != 1 || len(m.LabelFilterss[0]) == 0:
			return ""
		default:
			f := m.LabelFilterss[0][0]
			if f.Label != model.LabelName || f.IsRegexp || f.IsNegative {
				return ""
			}
			found = f.Value
		}
	}
	return found
}

// aggregations are PromQL's.
var aggregations = map[string]bool{
	"sum": true, "avg": true, "min": true, "max": true, "count": true, "group": true, "stddev": true, "stdvar": true,
	"topk": true, "bottomk": true, "count_values": true, "quantile": true, "limitk": true, "limit_ratio": true,
}

func rewriteAggregation(n *metricsql.AggrFuncExpr) (metricsql.Expr, error) {
	n.Name = strings.ToLower(n.Name)
	if n.Limit > 0 {
		return nil, refuse(fmt.Sprintf("limit %d in an aggregation", n.Limit), fmt.Sprintf("limitk(%d, ...) or topk(%d, ...)", n.Limit, n.Limit))
	}
	if err := rewriteAll(n.Args); err != nil {
		return nil, err
	}
	if n.Name == "median" && len(n.Args) == 1 {
		n.Name, n.Args = "quantile", []metricsql.Expr{&metricsql.NumberExpr{N: 0.5}, n.Args[0]}
	}
	if !aggregations[n.Name] {
		return nil, unknown(n.Name)
	}
	return n, nil
}

func rewriteRange(n *metricsql.RollupExpr) (metricsql.Expr, error) {
	_, selector := n.Expr.(*metricsql.MetricExpr)
	for _, d := range []*metricsql.DurationExpr{n.Window, n.Step, n.Offset} {
		if d != nil && strings.Contains(string(d.AppendString(nil)), "i") {
			return nil, refuse("a duration in steps, such as 5i", "the duration itself, or step() * 5")
		}
	}
	if !selector && n.Window != nil && n.Step == nil && !n.InheritStep {
		w := string(n.Window.AppendString(nil))
		return nil, refuse(fmt.Sprintf("[%s] after an expression", w), fmt.Sprintf("[%s:1m] with the step of the inner query", w))
	}
	var err error
	n.Expr, err = rewrite(n.Expr)
	return n, err
}

func rewriteOperator(n *metricsql.BinaryOpExpr) (metricsql.Expr, error) {
	var err error
	if n.Left, err = rewrite(n.Left); err != nil {
		return nil, err
	}
	if n.Right, err = rewrite(n.Right); err != nil {
		return nil, err
	}
	if n.KeepMetricNames {
		return nil, refuse("keep_metric_names", `label_replace(..., "__name__", "the_name", "", "")`)
	}
	if n.JoinModifierPrefix != nil || (len(n.JoinModifier.Args) == 1 && n.JoinModifier.Args[0] == "*") {
		return nil, refuse("a prefix or * in "+n.JoinModifier.Op, "the labels one by one, renamed with label_replace")
	}
	switch strings.ToLower(n.Op) {
	case "default":
		return rewriteDefault(n)
	case "if":
		return rewriteIf(n, "and")
	case "ifnot":
		return rewriteIf(n, "unless")
	}
	return n, nil
}

// rewriteDefault: a or b, where both sides are one series without labels. Between other series, default fills the gaps of those that
// exist somewhere in the range, which no operator of PromQL does.
func rewriteDefault(n *metricsql.BinaryOpExpr) (metricsql.Expr, error) {
	if !unlabelled(n.Left) || n.GroupModifier.Op != "" || (!unlabelled(n.Right) && !number(n.Right)) {
		return nil, refuse("default between series with labels", "a or b, with b made to have the labels of a: a or 0 * last_over_time(a[1h])")
	}
	n.Op, n.Right = "or", vector(n.Right)
	return n, nil
}

// rewriteIf: a and on() b, where b is one series without labels: that is what MetricsQL makes of it. Between other series the two
// languages agree except where b happens to be one series without labels, which cannot be seen from the query.
func rewriteIf(n *metricsql.BinaryOpExpr, op string) (metricsql.Expr, error) {
	if n.GroupModifier.Op == "" {
		if !unlabelled(n.Right) && !number(n.Right) || number(n.Left) {
			return nil, refuse(n.Op+" between series with labels", "a "+op+" b, or a "+op+" on() b when b is one value for all")
		}
		n.GroupModifier.Op = "on"
	}
	n.Op, n.Right = op, vector(n.Right)
	return n, nil
}

func number(e metricsql.Expr) bool {
	_, ok := e.(*metricsql.NumberExpr)
	return ok
}

// vector makes a vector of a number.
func vector(e metricsql.Expr) metricsql.Expr {
	if !number(e) {
		return e
	}
	return &metricsql.FuncExpr{Name: "vector", Args: []metricsql.Expr{e}}
}

// unlabelled reports whether e is at most one series without labels, whatever the data.
func unlabelled(e metricsql.Expr) bool {
	switch n := e.(type) {
	case *metricsql.AggrFuncExpr:
		switch n.Name {
		case "topk", "bottomk", "limitk", "limit_ratio", "count_values":
			return false
		}
		return n.Modifier.Op == ""
	case *metricsql.FuncExpr:
		return n.Name == "vector"
	case *metricsql.BinaryOpExpr:
		return n.GroupModifier.Op == "" && n.JoinModifier.Op == "" && (unlabelled(n.Left) || number(n.Left)) && (unlabelled(n.Right) || number(n.Right)) &&
			!(number(n.Left) && number(n.Right))
	}
	return false
}

// shorten keeps errors readable.
func shorten(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
