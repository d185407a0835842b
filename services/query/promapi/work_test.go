package promapi

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

func TestCheckWork(t *testing.T) {
	p := parser.NewParser(language)
	end := time.Unix(1_800_000_000, 0)
	f := func(query string, span, step time.Duration, ok bool) {
		t.Helper()
		e, err := p.ParseExpr(query)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkWork(&parser.EvalStmt{Expr: e, Start: end.Add(-span), End: end, Interval: step}); (err == nil) != ok {
			t.Errorf("%s over %s by %s: %v", query, span, step, err)
		}
	}
	f("max_over_time(x[1y])", 0, 0, true)
	f("rate(x[30d])", 11_000*time.Minute, time.Minute, true)
	f("max_over_time(rate(x[5m])[1y:1m])", 0, 0, true)
	f("sum(max_over_time(rate(x[5m])[1y:]))", 7*24*time.Hour, 10*time.Minute, true)
	f("max_over_time(max_over_time(vector(1)[1y:1m])[1y:1m])", 0, 0, false)
	f("1 + sum(max_over_time(x[1y])) - max_over_time(avg_over_time(x[1y])[1y:1m])", 0, 0, false)
	f("max_over_time(vector(1)[1y:1s])", 11_000*time.Minute, time.Minute, false)
}

func TestDeep(t *testing.T) {
	f := func(query string, want bool) {
		t.Helper()
		if deep(query) != want {
			t.Errorf("%.40q: %t", query, !want)
		}
	}
	open, shut := strings.Repeat("(", maxDepth), strings.Repeat(")", maxDepth)
	f("", false)
	f(open+"1"+shut, false)
	f("("+open+"1"+shut+")", true)
	f(open+"1"+shut+" + "+open+"1"+shut, false)
	f(`x{a="`+open+`(\"("}`, false)
	f("x{a=`"+open+"((`}", false)
	f("1 # "+open+"((\n + 1", false)
	f(`"`, false)
	f(strings.Repeat("{[(", 400), true)
}
