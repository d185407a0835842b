package dialect

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/faultline-io/faultline/services/internal/errs"
)

var promql = parser.NewParser(parser.Options{EnableExperimentalFunctions: true})

func TestTranslate(t *testing.T) {
	f := func(query, want string) {
		t.Helper()
		if _, err := promql.ParseExpr(query); err == nil {
			t.Errorf("%s is PromQL, and would not come here", query)
		}
		got, err := Translate(promql, query)
		if err != nil || got != want {
			t.Errorf("%s:\ngot  %s, %v\nwant %s", query, got, err, want)
		}
	}
	f(`WITH (errors = rate(http_errors{job="a"}[5m])) sum(errors) / 2`, `sum(rate(http_errors{job="a"}[5m])) / 2`)
	f(`WITH (r(m, w) = rate(m[w])) r(foo, 5m) + r(bar, 1m)`, `rate(foo[5m]) + rate(bar[1m])`)
	f(`WITH (f = {job="a",instance=~"b.*"}) max(foo{f}) by (instance)`, `max(foo{job="a",instance=~"b.*"}) by(instance)`)
	f(`sum(rate(x[5m])) default 0`, `sum(rate(x[5m])) or vector(0)`)
	f(`(sum(a) / sum(b)) default -1`, `(sum(a) / sum(b)) or vector(-1)`)
	f(`median(foo) by (bar)`, `quantile(0.5, foo) by(bar)`)
	f(`foo if (sum(bar) > 5)`, `foo and on() (sum(bar) > 5)`)
	f(`foo ifnot sum(bar)`, `foo unless on() sum(bar)`)
	f(`foo if on(job) bar`, `foo and on(job) bar`)
	f(`rate(foo{a="b"}[5m]) keep_metric_names`, `label_replace(rate(foo{a="b"}[5m]), "__name__", "foo", "", "")`)
	f(`-1`+strings.Repeat(" ", 2)+`)`, "") // no query of either
	f(`sum(`, "")
}

func TestWhatCannotBeTranslatedIsNamed(t *testing.T) {
	f := func(query string, wants ...string) {
		t.Helper()
		if _, err := promql.ParseExpr(query); err == nil {
			t.Errorf("%s is PromQL, and would not come here", query)
		}
		got, err := Translate(promql, query)
		if errs.KindOf(err) != errs.Invalid || err == nil {
			t.Errorf("%s: got %q, %v", query, got, err)
			return
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; want %q in it", query, err, want)
			}
		}
	}
	f(`rate(foo)`, "without a window", "rate(foo[5m])")
	f(`sum(increase(foo{a="b"})) by (x)`, `increase(foo{a="b"}[5m])`)
	f(`rollup_rate(foo[5m])`, "rollup_rate", "rate(a[1m])")
	f(`rollup(foo[5m])`, "rollup", "avg_over_time")
	f(`foo default 0`, "default", "last_over_time")
	f(`foo if bar`, "if", "a and b")
	f(`rate({__name__=~"a|b"}[5m]) keep_metric_names`, "keep_metric_names", "label_replace")
	f(`range_avg(foo)`, "range_avg", "avg_over_time", "@ end()")
	f(`range_median(foo)`, "range_quantile", "quantile_over_time")
	f(`topk_avg(3, foo)`, "topk_avg", "topk(5, avg_over_time")
	f(`foo{a="b" or c="d"}`, "or inside a selector")
	f(`rate(sum(foo)[5m])`, "[5m:1m]")
	f(`sum(foo) by (a) limit 3`, "limit 3", "topk")
	f(`label_set(foo, "a", "b")`, "label_set", "label_replace")
	f(`smooth_exponential(foo, 0.1)`, "smooth_exponential")
	f(`(foo, bar)`, "union", "a or b")
	f(`rate(foo[5i])`, "5i", "step()")
}

// TestTemplatesDoNotExplode expands texts that double with each name.
func TestTemplatesDoNotExplode(t *testing.T) {
	chain := "WITH (z1 = foo + foo, z2 = z1 + z1 + z1 + z1, z3 = z2 + z2 + z2 + z2, z4 = z3 + z3 + z3 + z3, z5 = z4 + z4 + z4 + z4, z6 = z5+z5+z5+z5) z6"
	for _, query := range []string{chain, strings.Repeat("ru(1, ", 60) + "1" + strings.Repeat(")", 60), strings.Repeat("(", maxQuery), strings.Repeat("-", maxQuery-1) + "1"} {
		started := time.Now()
		_, _ = Translate(promql, query) // an error or none, but soon
		if took := time.Since(started); took > 20*time.Second {
			t.Errorf("%.60s took %s", query, took)
		}
	}
	if _, err := Translate(promql, chain); err == nil || !strings.Contains(err.Error(), "WITH") {
		t.Errorf("%v", err)
	}
}

func FuzzTranslate(f *testing.F) {
	for _, q := range []string{`WITH (a = b) a`, `sum(x) default 0`, `median(x)`, `a if b`, `rate(x) keep_metric_names`, `{a="b" or c="d"}`, `ru(a, b)`} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		got, err := Translate(promql, q)
		if err == nil && got != "" {
			if _, err := promql.ParseExpr(got); err != nil {
				t.Errorf("%q became %q: %v", q, got, err)
			}
		}
	})
}
