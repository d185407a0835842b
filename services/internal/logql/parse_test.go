package logql

import (
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// TestQueriesKeepTheirMeaning parses each query, writes it and parses it again.
func TestQueriesKeepTheirMeaning(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		e, err := Parse(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			return
		}
		got := e.String()
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
		again, err := Parse(got)
		if err != nil || again.String() != got {
			t.Errorf("%s does not parse to itself: %v", got, err)
		}
	}
	f(`{app="x"}`, `{app="x"}`)
	f(`{ app=~"x.+" , env!="" } |= "a" or "b" != `+"`c\\d`"+` |~ "d" # words`, `{app=~"x.+", env!=""} |= "a" or "b" != "c\\d" |~ "d"`)
	f(`{app="x"} |> "<_>a<_>" !> "b" |= ip("10.0.0.0/8")`, `{app="x"} |> "<_>a<_>" !> "b" |= ip("10.0.0.0/8")`)
	f(`{app="x"} | json | logfmt --strict --keep-empty | unpack | decolorize`, `{app="x"} | json | logfmt --strict --keep-empty | unpack | decolorize`)
	f(`{app="x"} | json a="b.c[0]", d | logfmt a, b="c"`, `{app="x"} | json a="b.c[0]", d | logfmt a, b="c"`)
	f(`{app="x"} | json != "x"`, `{app="x"} | json != "x"`)
	f(`{app="x"} | status>=500 and d<1.5s, size == 5KB or a="b"`, `{app="x"} | ( ( ( status>=500 and d<1.5s ) and size==5KB ) or a="b" )`)
	f(`{app="x"} | status=200 | a=ip("::1") | (x=1 or y=-2) z!=3`, `{app="x"} | status==200 | a=ip("::1") | ( ( x==1 or y==-2 ) and z!=3 )`)
	f("{app=\"x\"} | line_format \"{{.a}}\" | label_format b=c, d=`{{.e}}` | drop a, b=\"c\" | keep d", `{app="x"} | line_format "{{.a}}" | label_format b=c, d="{{.e}}" | drop a, b="c" | keep d`)
	f(`{app="x"} | regexp "(?P<a>.)" | pattern "<ip> <_>"`, `{app="x"} | regexp "(?P<a>.)" | pattern "<ip> <_>"`)
	f(`rate({app="x"} |= "e" [5m])`, `rate({app="x"} |= "e" [5m])`)
	f(`rate({app="x"}[5m] |= "e")`, `rate({app="x"} |= "e" [5m])`)
	f(`rate(({app="x"} |= "e")[1h30m] offset -1h)`, `rate({app="x"} |= "e" [1h30m] offset -1h)`)
	f(`rate(({app="x"} |= "e" [1m]))`, `rate({app="x"} |= "e" [1m])`)
	f(`sum(count_over_time({app="x"}[1m])) by (a,b)`, `sum by (a, b) (count_over_time({app="x"} [1m]))`)
	f(`topk without(a)(3, sum_over_time({app="x"} | unwrap bytes(s) | __error__="" [1m]))`, `topk without (a) (3, sum_over_time({app="x"} | unwrap bytes(s) | __error__="" [1m]))`)
	f(`approx_topk(3, rate({app="x"}[1m]))`, `topk (3, rate({app="x"} [1m]))`)
	f(`quantile_over_time(0.99, {app="x"} | json | unwrap duration(d) [1m]) by (p)`, `quantile_over_time(0.99, {app="x"} | json | unwrap duration(d) [1m]) by (p)`)
	f(`1 + 2 * 3 ^ 2 ^ 3 - -1`, formatNumber(1+2*6561+1))
	f(`vector(1)+vector(1)`, `(vector(1) + vector(1))`)
	f(`rate({a="b"}[1m]) / on (x) group_left (y) rate({a="c"}[1m]) > bool 1 or vector(0)`,
		`(((rate({a="b"} [1m]) / on (x) group_left (y) rate({a="c"} [1m])) > bool 1) or vector(0))`)
	f(`label_replace(rate({a="b"}[1m]), "x", "$1", "a", "(.*)")`, `label_replace(rate({a="b"} [1m]), "x", "$1", "a", "(.*)")`)
	f(`label_join(rate({a="b"}[1m]), "x", "-", "a", "b")`, `label_join(rate({a="b"} [1m]), "x", "-", "a", "b")`)
}

func TestErrorsSayWhere(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		_, err := Parse(in)
		if errs.KindOf(err) != errs.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", in, err, want)
		}
	}
	f(``, "line 1, col 1: syntax error: unexpected end of the query")
	f(`{}`, "at least one regexp or equality matcher")
	f(`{app=~".*"}`, "at least one regexp or equality matcher")
	f(`{app="x"`, `col 9: syntax error: unexpected end of the query, expecting ","`)
	f("{app=\"x\"}\n| jsn", `line 2, col 6: syntax error: unexpected end of the query, expecting a comparison after the label "jsn"`)
	f(`{app="x"} |~ "("`, "col 14")
	f(`{app=~"("}`, "col 7")
	f(`{app="x} `, "the string has no end")
	f(`{app="x"} | a > "b"`, "strings are compared")
	f(`{app="x"} | a > 5parsec`, "5parsec")
	f(`rate({app="x"})`, "a range such as [5m]")
	f(`rate({app="x"}[0s])`, "longer than 0")
	f(`sum({app="x"})`, "needs a metric query")
	f(`sum_over_time({app="x"}[1m])`, "without unwrap")
	f(`count_over_time({app="x"} | unwrap a [1m])`, "with unwrap")
	f(`{app="x"} | unwrap a`, "unwrap is for range aggregations only")
	f(`rate({app="x"}[1m]) by (a)`, "grouping not allowed")
	f(`count_over_time({app="x"}[1m]) by (a)`, "grouping not allowed")
	f(`{app="x"} + 1`, "a log query has no value")
	f(`topk(0, rate({a="b"}[1m]))`, "greater than 0")
	f(`foo(1)`, "no such function")
	f(`{app="x"} | regexp "a"`, "at least one named capture")
	f(`{app="x"} | pattern "<a><b>"`, "consecutive capture")
	f(`{app="x"} | json a="b["`, "cannot parse expression")
	f(`{app="x"} | line_format "{{.a"`, "invalid line template")
	f(`{app="x"} | line_format "{{define \"x\"}}{{end}}"`, "not allowed")
	f(`{app="x"} | ip="`+strings.Repeat("(", 5)+`" or `+strings.Repeat("(", 200)+`a=1`, "nests deeper")
	f(strings.Repeat("(", 200)+"1", "nests deeper")
	f(strings.Repeat("x", maxQueryBytes+1), "bytes, more than")
	f(`{app=~"`+strings.Repeat("x", maxPatternBytes+1)+`"}`, "regular expression has")
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{app="x"} |= "a" or "b" | json a="b.c[0]" | a>5ms or b=ip("1.2.3.4") | line_format "{{.a}}"`, `sum by (a) (rate({a="b"}[5m] offset 1h)) / 2 > bool 1`,
		`quantile_over_time(0.5, {a="b"} | unwrap duration(x) [1m]) by (c)`, `label_replace(vector(1), "a", "b", "c", "d")`, `{a="b"} | regexp "(?P<x>.)" | pattern "<a> <_>" | drop a, b="c"`,
	} {
		f.Add(s, `{"a":{"b":[1,"x"]},"c":"d"} k=v q="a\"b"`)
	}
	f.Fuzz(func(t *testing.T, query, line string) {
		e, err := Parse(query)
		if err != nil {
			return
		}
		text := e.String()
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("%q becomes %q: %v", query, text, err)
		}
		if second := again.String(); second != text {
			t.Fatalf("%q becomes %q becomes %q", query, text, second)
		}
		if l, ok := e.(*LogExpr); ok {
			NewPipeline(l).Run(&Entry{Line: line, Stream: &Stream{Labels: []Label{{"app", "x"}}}})
		}
	})
}
