package promplan

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
)

// fill stores two hours of series that have everything that samples can have: jitter, gaps, resets, staleness markers, what is not a number.
func fill(t testing.TB, s storage.Storage, r *rand.Rand) {
	t.Helper()
	app := s.AppenderV2(t.Context())
	for i := range 24 {
		name := []string{"requests_total", "temperature", "odd"}[i%3]
		ls := labels.FromStrings("__name__", name, "host", fmt.Sprint("h", i%4), "mode", fmt.Sprint("m", i/4))
		step := int64(1000 * (1 + r.IntN(40)))
		v := r.Float64() * 1000
		for at := int64(r.IntN(600_000)); at < 7_200_000; at += step {
			if r.IntN(60) == 0 {
				at += int64(r.IntN(900_000))
			}
			switch v += r.Float64() * 10; {
			case name == "temperature":
				v = math.Round(r.NormFloat64()*100) / 10
			case name == "requests_total" && r.IntN(50) == 0:
				v = r.Float64()
			case name == "odd" && r.IntN(12) == 0:
				v = []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e308, -1e308, 0}[r.IntN(6)]
			case name == "odd" && (math.IsNaN(v) || math.IsInf(v, 0)):
				v = r.Float64()
			}
			sample := v
			if r.IntN(40) == 0 {
				sample = missing()
			}
			if _, err := app.Append(0, ls, 0, at+int64(r.IntN(3)), sample, nil, nil, storage.AppendV2Options{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

// queries writes random queries around the shapes that the planner knows.
type queries struct{ *rand.Rand }

func (q queries) one(of ...string) string { return of[q.IntN(len(of))] }

func (q queries) selector() string {
	return q.one("requests_total", "temperature", "odd", `requests_total{host="h1"}`, `temperature{mode=~"m[1-3]"}`, `{__name__="odd",host!="h0"}`, `nothing`, `{host="h2"}`)
}

func (q queries) modifiers() string {
	return q.one("", "", "", "", " offset 7m", " offset -3m", " @ 3600", " @ 3600.5 offset 90s", " @ start()", " @ end() offset -1m")
}

func (q queries) leaf() string {
	fn := q.one("rate", "increase", "delta", "irate", "idelta", "sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "count_over_time", "present_over_time",
		"last_over_time", "first_over_time", "changes", "resets", "quantile_over_time", "deriv", "stddev_over_time", "absent_over_time")
	sel := q.selector() + "[" + q.one("1s", "45s", "5m", "17m", "1h") + "]" + q.modifiers()
	if fn == "quantile_over_time" {
		return fn + "(0.9, " + sel + ")"
	}
	return fn + "(" + sel + ")"
}

func (q queries) agg(inner string) string {
	return q.one("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "sum", "avg") + q.one("", " by (host)", " by (mode, host)", " without (mode)", " by (absent)", " by (__name__)", " without (host, mode)") + " (" + inner + ")"
}

// expr leaves out what the engine itself answers differently from time to time, since it walks a map after binary operators: ties of topk,
// and sums in the order of their series.
func (q queries) expr(depth int) string {
	if depth == 0 {
		return q.one(q.leaf(), q.selector()+q.modifiers(), q.agg(q.leaf()), q.agg(q.selector()+q.modifiers()), "("+q.agg("("+q.leaf()+")")+")")
	}
	inner := q.expr(depth - 1)
	return q.one(inner, "topk(2, "+q.expr(0)+")", "100 * (1 - "+inner+")", inner+" / on (host) group_left () "+q.agg(q.leaf()), "-("+inner+")", q.one("max", "min", "count")+" by (host) ("+inner+")",
		"absent("+inner+")", "max_over_time(("+inner+")[20m:"+q.one("", "1m", "90s")+"]"+q.modifiers()+")", inner+" or "+q.expr(depth-1), `label_replace(`+inner+`, "copy", "$1", "host", "(.*)")`,
		"timestamp("+inner+")", "scalar("+inner+")", "round("+inner+")", inner+" > bool 1", "count_values(\"v\", "+inner+")", "quantile(0.5, "+inner+")")
}

// same compares two results bit by bit, whatever the order of series.
func same(a, b *promql.Result) string {
	if (a.Err == nil) != (b.Err == nil) {
		return fmt.Sprintf("errors %v and %v", a.Err, b.Err)
	}
	if a.Err != nil {
		return ""
	}
	text := func(r *promql.Result) map[string]string {
		out := map[string]string{}
		put := func(ls labels.Labels, points ...promql.FPoint) {
			var s strings.Builder
			for _, p := range points {
				bits := math.Float64bits(p.F)
				if math.IsNaN(p.F) {
					bits = 1 // which of the many that are not a number says nothing
				}
				fmt.Fprintf(&s, "%d:%x(%g) ", p.T, bits, p.F)
			}
			out[ls.String()] += s.String()
		}
		switch v := r.Value.(type) {
		case promql.Matrix:
			for _, s := range v {
				put(s.Metric, s.Floats...)
			}
		case promql.Vector:
			for _, s := range v {
				put(s.Metric, promql.FPoint{T: s.T, F: s.F})
			}
		case promql.Scalar:
			put(labels.EmptyLabels(), promql.FPoint{T: v.T, F: v.V})
		}
		w, i := r.Warnings.AsStrings("", 0, 0)
		slices.Sort(w)
		slices.Sort(i)
		out["warnings"], out["infos"] = fmt.Sprint(w), fmt.Sprint(i)
		return out
	}
	x, y := text(a), text(b)
	if len(x) != len(y) {
		return fmt.Sprintf("%d and %d series:\n%v\n%v", len(x), len(y), x, y)
	}
	for k, v := range x {
		if y[k] != v {
			return fmt.Sprintf("%s:\n%s\n%s", k, v, y[k])
		}
	}
	return ""
}

// TestPlansChangeNothing evaluates random queries with and without a plan.
func TestPlansChangeNothing(t *testing.T) {
	for _, delayed := range []bool{false, true} {
		t.Run(fmt.Sprintf("delayed=%v", delayed), func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			r := rand.New(rand.NewPCG(seed, 1))
			s := newFloatStorage(t)
			fill(t, s, r)
			inner := testEngine(t, delayed)
			planned := New(inner, Config{MaxSamples: 10_000_000, NoStepSubqueryInterval: minutely, DelayedNames: delayed, Workers: 3})
			modes, failed := map[string]int{}, 0
			for range 4000 {
				expr := queries{r}.expr(r.IntN(3))
				start := time.UnixMilli(int64(r.IntN(7_000_000)))
				end, step := start.Add(time.Duration(r.IntN(4000))*time.Second), time.Duration(1+r.IntN(300_000))*time.Millisecond
				step = max(step, end.Sub(start)/200)
				instant := r.IntN(4) == 0
				run := func(e promql.QueryEngine) (*promql.Result, *Plan) {
					var q promql.Query
					var err error
					if instant {
						q, err = e.NewInstantQuery(context.Background(), s, nil, expr, start)
					} else {
						q, err = e.NewRangeQuery(context.Background(), s, nil, expr, start, end, step)
					}
					if err != nil {
						return &promql.Result{Err: err}, nil
					}
					return q.Exec(t.Context()), PlanOf(q)
				}
				want, _ := run(inner)
				got, plan := run(planned)
				if plan != nil {
					modes[plan.Mode]++
				}
				if want.Err != nil {
					failed++
				}
				diff := same(want, got)
				if diff != "" {
					t.Fatalf("seed %d: %s from %d to %d step %s instant %v:\n%s", seed, expr, start.UnixMilli(), end.UnixMilli(), step, instant, diff)
				}
			}
			if modes[ModeNative] < 200 || modes[ModePartial] < 600 || failed > 2000 {
				t.Errorf("modes %v, %d errors: the queries do not reach the planner", modes, failed)
			}
			t.Logf("%v, %d errors", modes, failed)
		})
	}
}
