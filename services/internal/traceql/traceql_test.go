package traceql

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/internal/errs"
)

func leaf(f Field, c Cmp, v Value) *Cond { return &Cond{Field: f, Cmp: c, Value: v} }

func TestParse(t *testing.T) {
	f := func(in string, want Query) {
		t.Helper()
		got, err := Parse(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			return
		}
		if d := cmp.Diff(want, *got); d != "" {
			t.Errorf("%s: %s", in, d)
		}
	}
	service := leaf(Field{Resource, "service.name"}, Eq, Value{Kind: String, Text: "x"})
	code := leaf(Field{Span, "http.status_code"}, MoreEq, Value{Kind: Number, Num: 500, Text: "500"})
	slow := leaf(Field{Intrinsic, "duration"}, More, Value{Kind: Duration, Num: 1e8, Text: "100ms"})
	f(`{}`, Query{})
	f(`{ true }`, Query{Spans: Set{Cond: &Cond{Always: true}}})
	f(`{resource.service.name="x" && span.http.status_code>=500 && duration>100ms}`,
		Query{Spans: Set{Cond: &Cond{Op: And, Left: &Cond{Op: And, Left: service, Right: code}, Right: slow}}})
	f("{ 100ms < duration }", Query{Spans: Set{Cond: slow}})
	notService, notCode := *service, *code
	notService.Negated, notCode.Negated = true, true
	f(`{ !(resource.service.name="x" || span.http.status_code>=500) }`, Query{Spans: Set{Cond: &Cond{Op: And, Left: &notService, Right: &notCode}}})
	f(`{resource.service.name="x"} && {span.http.status_code>=500} || {}`, Query{Spans: Set{Op: Or, Left: &Set{Op: And, Left: &Set{Cond: service}, Right: &Set{Cond: code}}, Right: &Set{}}})
	f(`{resource.service.name="x"} | count() > 3 | avg(duration) <= 1s | select(span.a, .b)`, Query{
		Spans:      Set{Cond: service},
		Aggregates: []Aggregate{{Func: "count", Cmp: More, Value: 3}, {Func: "avg", Field: Field{Intrinsic, "duration"}, Cmp: LessEq, Value: 1e9}},
		Select:     []Field{{Span, "a"}, {Any, "b"}},
	})
	f(`{kind=server && status=error && span."with space"=nil}`, Query{Spans: Set{Cond: &Cond{Op: And,
		Left: &Cond{Op: And, Left: leaf(Field{Intrinsic, "kind"}, Eq, Value{Kind: Kind, Num: 2, Text: "server"}),
			Right: leaf(Field{Intrinsic, "status"}, Eq, Value{Kind: Status, Num: 2, Text: "error"})},
		Right: leaf(Field{Span, "with space"}, Eq, Value{Kind: Nil})}}})
	f(`{} | quantile_over_time(duration, .5, 0.99) by (resource.service.name, name)`, Query{Metric: &Metric{Func: "quantile_over_time",
		Field: Field{Intrinsic, "duration"}, Quantiles: []float64{.5, .99}, By: []Field{{Resource, "service.name"}, {Intrinsic, "name"}}}})
	f(`{} | rate()`, Query{Metric: &Metric{Func: "rate"}})
}

func TestParseRefuses(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if _, err := Parse(in); errs.KindOf(err) != errs.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, want %q", in, err, want)
		}
	}
	f(``, `expected "{"`)
	f(`{`, "field")
	f(`{name="a"`, `expected "}"`)
	f(`{name="a}`, "not closed")
	f(`{name=~"("}`, "missing closing")
	f(`{name="a"} >> {}`, "structural operator >>")
	f(`{} > {}`, "structural operator >")
	f(`{span.a + 1 > 2}`, "arithmetic")
	f(`{span.a = span.b}`, "two fields")
	f(`{event.name = "x"}`, "event.name is not supported")
	f(`{foo = "x"}`, "span.foo")
	f(`{duration = "x"}`, "cannot be compared")
	f(`{status = 2}`, "cannot be compared")
	f(`{} | by(name)`, "function by")
	f(`{} | count() > "x"`, "number")
	f(`{} | quantile_over_time(duration, 2)`, "quantiles")
	f(`{} | rate() by (rootName)`, "not supported")
	f(`{} | rate() | count() > 1`, "after rate")
	f(`{} extra`, "unexpected")
	f("{name=\"\xff\"}", "UTF-8")
	f(strings.Repeat("(", 1000)+"{}", "nested")
	f("{"+strings.Repeat("!", 1000)+"true}", "nested")
	f("{"+strings.Repeat("name=\"a\"||", 100)+"true}", "more than 64")
	f(strings.Repeat("{}||", 100)+"{}", "more than 64")
	f(strings.Repeat(" ", MaxBytes+1), "bytes")
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{ resource.service.name="x" && !(span.a>=5 || duration>100ms) } && {kind=server} | count()>2 | select(name)`, `{} | rate() by (name)`, "{.a=~`x`}", `{1d<duration}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := Parse(s)
		if err == nil && len(q.Fields()) > 2*MaxConditions {
			t.Fatal("too many fields")
		}
		if err != nil && errs.KindOf(err) != errs.Invalid {
			t.Fatal(err)
		}
	})
}
