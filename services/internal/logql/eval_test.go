package logql

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Entries implements Source.
func (m *memory) Entries(_ context.Context, q Select, take func(*Entry) error) error {
	for i := range m.entries {
		e := m.entries[len(m.entries)-1-i] // any order will do
		if e.TimeNS > q.AfterNS && e.TimeNS <= q.UntilNS && q.Log.MatchesStream(e.Stream) {
			if err := take(&e); err != nil {
				return err
			}
		}
	}
	return nil
}

// Counts implements Source.
func (m *memory) Counts(context.Context, CountSelect, func(*Stream, int, float64) error) (bool, error) {
	return false, nil
}

const sec = int64(1e9)

// sample has two streams of one line each ten seconds, up to a minute: value i at 10·i seconds.
func sample() *memory {
	m := &memory{}
	for i := int64(1); i <= 6; i++ {
		m.add(i*10*sec, fmt.Sprintf("v=%d d=%dms k=a", i, i*100), "app", "x", "pod", "p1")
		m.add(i*10*sec, fmt.Sprintf("v=%d d=bad k=b", 10*i), "app", "x", "pod", "p2")
	}
	m.add(60*sec, "v=1", "app", "y")
	return m
}

func evaluated(q string, g Grid, lim Limits) (string, error) {
	e, err := Parse(q)
	if err != nil {
		return "", err
	}
	out, _, err := Evaluate(context.Background(), e, g, sample(), lim)
	if err != nil {
		return "", err
	}
	var lines []string
	for _, s := range out {
		var ls, vs []string
		for _, l := range s.Labels {
			ls = append(ls, l.Name+"="+l.Value)
		}
		for _, v := range s.Values {
			text := "_"
			if !IsMissing(v) {
				text = fmt.Sprint(math.Round(v*1000) / 1000)
			}
			vs = append(vs, text)
		}
		lines = append(lines, "{"+strings.Join(ls, ",")+"} "+strings.Join(vs, " "))
	}
	return strings.Join(lines, "; "), nil
}

func TestEvaluate(t *testing.T) {
	grid := Grid{StartNS: 30 * sec, EndNS: 60 * sec, StepNS: 15 * sec}
	f := func(q, want string) {
		t.Helper()
		got, err := evaluated(q, grid, DefaultLimits())
		if err != nil {
			t.Errorf("%s: %v", q, err)
		} else if got != want {
			t.Errorf("%s\n got %s\nwant %s", q, got, want)
		}
	}
	f(`count_over_time({app="x"}[20s])`, `{app=x,pod=p1} 2 2 2; {app=x,pod=p2} 2 2 2`)
	f(`sum(count_over_time({app=~".+"}[20s]))`, `{} 4 4 5`)
	f(`sum by (pod) (rate({app="x"}[20s]))`, `{pod=p1} 0.1 0.1 0.1; {pod=p2} 0.1 0.1 0.1`)
	f(`sum without (pod) (count_over_time({app="x"}[20s]))`, `{app=x} 4 4 4`)
	f(`bytes_over_time({app="x",pod="p1"} | line_format "abc" [10s])`, `{app=x,pod=p1} 3 3 3`)
	f(`count_over_time({app="y"}[15s])`, `{app=y} _ _ 1`)
	f(`count_over_time({app="y"}[15s] offset -30s)`, `{app=y} 1 _ _`)
	f(`absent_over_time({app="y"}[15s])`, `{app=y} 1 1 _`)
	f(`sum_over_time({pod="p1"} | logfmt | unwrap v [20s]) `, `{app=x,d=200ms,k=a,pod=p1} 2 _ _; {app=x,d=300ms,k=a,pod=p1} 3 3 _; {app=x,d=400ms,k=a,pod=p1} _ 4 _; {app=x,d=500ms,k=a,pod=p1} _ _ 5; {app=x,d=600ms,k=a,pod=p1} _ _ 6`)
	f(`sum by (pod) (sum_over_time({app="x"} | logfmt | unwrap v [20s]))`, `{pod=p1} 5 7 11; {pod=p2} 50 70 110`)
	f(`avg_over_time({pod="p1"} | logfmt | unwrap v [30s]) by (pod)`, `{pod=p1} 2 3 5`)
	f(`min_over_time({pod="p1"} | logfmt | unwrap v [30s]) by ()`, `{} 1 2 4`)
	f(`max_over_time({pod="p1"} | logfmt | unwrap v [30s]) by ()`, `{} 3 4 6`)
	f(`first_over_time({pod="p1"} | logfmt | unwrap v [30s]) by ()`, `{} 1 2 4`)
	f(`last_over_time({pod="p1"} | logfmt | unwrap v [30s]) by ()`, `{} 3 4 6`)
	f(`stdvar_over_time({pod="p1"} | logfmt | unwrap v [30s]) by ()`, `{} 0.667 0.667 0.667`)
	f(`stddev_over_time({pod="p1"} | logfmt | unwrap v [30s]) by ()`, `{} 0.816 0.816 0.816`)
	f(`quantile_over_time(0.5, {pod="p1"} | logfmt | unwrap v [30s]) by ()`, `{} 2 3 5`)
	f(`avg_over_time({pod="p1"} | logfmt | unwrap duration(d) [30s]) by ()`, `{} 0.2 0.3 0.5`)
	f(`sum(sum_over_time({app="x"} | logfmt | unwrap duration(d) | __error__="" [30s]))`, `{} 0.6 0.9 1.5`)
	f(`topk(1, sum by (pod) (sum_over_time({app="x"} | logfmt | unwrap v [20s])))`, `{pod=p2} 50 70 110`)
	f(`bottomk(1, sum by (pod) (sum_over_time({app="x"} | logfmt | unwrap v [20s])))`, `{pod=p1} 5 7 11`)
	f(`avg(count_over_time({app="x"}[20s])) / 4 * 2 ^ 2`, `{} 2 2 2`)
	f(`max(sum by (pod) (sum_over_time({app="x"} | logfmt | unwrap v [20s])))`, `{} 50 70 110`)
	f(`stddev(sum by (pod) (sum_over_time({app="x"} | logfmt | unwrap v [20s])))`, `{} 22.5 31.5 49.5`)
	f(`count(count_over_time({app=~".+"}[20s]))`, `{} 2 2 3`)
	f(`sum by (pod) (count_over_time({app="x"}[20s])) / on () group_left () sum(count_over_time({app="x"}[20s]))`, `{pod=p1} 0.5 0.5 0.5; {pod=p2} 0.5 0.5 0.5`)
	f(`sum by (pod) (sum_over_time({app="x"} | logfmt | unwrap v [20s])) > 60`, `{pod=p2} _ 70 110`)
	f(`60 < bool sum by (pod) (sum_over_time({app="x"} | logfmt | unwrap v [20s]))`, `{pod=p1} 0 0 0; {pod=p2} 0 1 1`)
	f(`sum(count_over_time({app="y"}[20s])) or vector(0)`, `{} 0 0 1`)
	f(`sum by (pod) (count_over_time({app="x"}[20s])) and sum by (pod) (count_over_time({pod="p1"}[20s]))`, `{pod=p1} 2 2 2`)
	f(`sum by (pod) (count_over_time({app="x"}[20s])) unless sum by (pod) (count_over_time({pod="p1"}[20s]))`, `{pod=p2} 2 2 2`)
	f(`label_replace(sum by (pod) (count_over_time({pod="p1"}[20s])), "n", "$1", "pod", "p(.*)")`, `{n=1,pod=p1} 2 2 2`)
	f(`label_join(sum by (pod) (count_over_time({pod="p1"}[20s])), "j", "-", "pod", "pod")`, `{j=p1-p1,pod=p1} 2 2 2`)
	f(`vector(1)+vector(1)`, `{} 2 2 2`)
	f(`1+1`, `{} 2 2 2`)
	f(`sum by (k) (count_over_time({app="x"} | logfmt | v > 2 [20s]))`, `{k=a} 1 2 2; {k=b} 2 2 2`)
	f(`sum(rate_counter({pod="p1"} | logfmt | keep v | unwrap v [30s]))`, `{} 0.1 0.1 0.1`)
}

func TestEvaluateRefuses(t *testing.T) {
	grid := Grid{StartNS: 30 * sec, EndNS: 60 * sec, StepNS: 15 * sec}
	f := func(q string, g Grid, lim Limits, kind errs.Kind, want string) {
		t.Helper()
		_, err := evaluated(q, g, lim)
		if errs.KindOf(err) != kind || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", q, err, want)
		}
	}
	small := DefaultLimits()
	small.MaxSeries = 1
	f(`count_over_time({app="x"}[20s])`, grid, small, errs.Exhausted, "max_query_series")
	small = DefaultLimits()
	small.MaxCells = 3
	f(`count_over_time({app="x"}[20s])`, grid, small, errs.Exhausted, "max_query_cells")
	small = DefaultLimits()
	small.MaxValues = 3
	f(`quantile_over_time(0.5, {app="x"} | logfmt | unwrap v [20s])`, grid, small, errs.Exhausted, "max_query_values")
	f(`vector(1)`, Grid{EndNS: 1e18, StepNS: 1}, DefaultLimits(), errs.Invalid, "max_query_points")
	f(`count_over_time({app="x"}[20s]) / on (app) count_over_time({app="x"}[20s])`, grid, DefaultLimits(), errs.Invalid, "multiple matches")
	f(`label_replace(count_over_time({app="x"}[20s]), "pod", "", "app", ".*")`, grid, DefaultLimits(), errs.Invalid, "same labelset")
	_, err := evaluated(`sum(sum_over_time({app="x"} | logfmt | unwrap duration(d) [30s]))`, grid, DefaultLimits())
	var pe *PipelineError
	if !errors.As(err, &pe) || pe.Kind != "SampleExtractionErr" || !strings.Contains(err.Error(), `__error__!="SampleExtractionErr"`) {
		t.Errorf("got %v", err)
	}
}
