package logql

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"github.com/prometheus/prometheus/model/labels"
)

// finish puts the intervals of each window together. Counts and sums slide; the rest is merged for each window, which is cheap
// unless windows are many times the step.
func (w *window) finish(s *windowSeries) (out []float64, any bool) {
	out = missing(w.v.n)
	var prefix, sums []float64
	prefix = cumulative(s.count)
	if w.r.Op == "sum_over_time" || w.r.Op == "rate" && s.a != nil {
		sums = s.a
	}
	for p := range w.v.n {
		t := w.v.g.At(p) - int64(w.r.Offset)
		from, _ := slices.BinarySearch(w.edges, t-int64(w.r.Range))
		to, _ := slices.BinarySearch(w.edges, t)
		n := prefix[to] - prefix[from]
		if n == 0 {
			continue
		}
		any = true
		seconds := w.r.Range.Seconds()
		switch w.r.Op {
		case "count_over_time", "bytes_over_time":
			out[p] = n
		case "rate", "bytes_rate":
			if sums != nil {
				n = sum(sums[from:to])
			}
			out[p] = n / seconds
		case "sum_over_time":
			out[p] = sum(sums[from:to])
		default:
			out[p] = w.merge(s, from, to)
		}
	}
	return out, any
}

func sum(vs []float64) float64 {
	t := 0.0
	for _, v := range vs {
		t += v
	}
	return t
}

func cumulative(vs []float64) []float64 {
	out := make([]float64, len(vs)+1)
	for i, v := range vs {
		out[i+1] = out[i] + v
	}
	return out
}

// merge puts the intervals from to to together.
func (w *window) merge(s *windowSeries, from, to int) float64 {
	if s.values != nil {
		return w.mergeValues(s, from, to)
	}
	var n, a, b float64
	var at int64
	for i := from; i < to; i++ {
		c := s.count[i]
		if c == 0 {
			continue
		}
		switch w.r.Op {
		case "min_over_time":
			if n == 0 || s.a[i] < a || math.IsNaN(a) {
				a = s.a[i]
			}
		case "max_over_time":
			if n == 0 || s.a[i] > a || math.IsNaN(a) {
				a = s.a[i]
			}
		case "first_over_time":
			if n == 0 || s.at[i] < at {
				a, at = s.a[i], s.at[i]
			}
		case "last_over_time":
			if n == 0 || s.at[i] >= at {
				a, at = s.a[i], s.at[i]
			}
		default: // mean and squares: Chan, Golub, LeVeque 1979
			d := s.a[i] - a
			b += s.b[i] + d*d*n*c/(n+c)
			a += d * c / (n + c)
		}
		n += c
	}
	switch w.r.Op {
	case "stdvar_over_time":
		return b / n
	case "stddev_over_time":
		return math.Sqrt(b / n)
	}
	return a
}

func (w *window) mergeValues(s *windowSeries, from, to int) float64 {
	var all []timed
	for i := from; i < to; i++ {
		all = append(all, s.values[i]...)
	}
	if w.r.Op == "quantile_over_time" {
		slices.SortFunc(all, func(a, b timed) int { return cmp.Compare(a.v, b.v) })
		return quantile(w.r.Param, len(all), func(i int) float64 { return all[i].v })
	}
	slices.SortStableFunc(all, func(a, b timed) int { return cmp.Compare(a.ns, b.ns) })
	if len(all) < 2 {
		return 0
	}
	increase := 0.0
	for i := 1; i < len(all); i++ {
		if all[i].v < all[i-1].v {
			increase += all[i].v // a reset
		} else {
			increase += all[i].v - all[i-1].v
		}
	}
	return w.extrapolated(all, increase)
}

// extrapolated turns the increase between the first and the last value into a rate over the window, as Prometheus' rate does: up to
// the borders where a value may be expected there, else by half a distance between values, and never below zero.
func (w *window) extrapolated(all []timed, increase float64) float64 {
	first, last := all[0], all[len(all)-1]
	between := float64(last.ns-first.ns) / 1e9
	if between <= 0 {
		return 0
	}
	return increase / between * min(1, between/w.r.Range.Seconds()*(1+1/float64(len(all)-1)))
}

// quantile interpolates between the sorted values.
func quantile(q float64, n int, at func(int) float64) float64 {
	switch {
	case n == 0 || math.IsNaN(q):
		return math.NaN()
	case q < 0:
		return math.Inf(-1)
	case q > 1:
		return math.Inf(1)
	}
	rank := q * float64(n-1)
	low := int(math.Floor(rank))
	high := min(low+1, n-1)
	weight := rank - float64(low)
	return at(low)*(1-weight) + at(high)*weight
}

// absent is 1 where nothing was found, under the labels that the selector gives for certain.
func (w *window) absent() []Series {
	out := w.v.constant(1)
	for _, s := range w.order {
		values, _ := w.finishCount(s)
		for i, v := range values {
			if v > 0 {
				out[i] = Missing()
			}
		}
	}
	if !slices.ContainsFunc(out, func(v float64) bool { return !IsMissing(v) }) {
		return nil
	}
	var ls []Label
	for _, m := range w.r.Log.Matchers {
		if m.Type == labels.MatchEqual && m.Value != "" {
			if _, twice := find(ls, m.Name); !twice {
				ls = append(ls, Label{m.Name, m.Value})
			}
		}
	}
	sortLabels(ls)
	return []Series{{Labels: ls, Values: out}}
}

// finishCount is the number of records by window.
func (w *window) finishCount(s *windowSeries) ([]float64, bool) {
	prefix := cumulative(s.count)
	out := make([]float64, w.v.n)
	for p := range w.v.n {
		t := w.v.g.At(p) - int64(w.r.Offset)
		from := sort.Search(len(w.edges), func(i int) bool { return w.edges[i] >= t-int64(w.r.Range) })
		to := sort.Search(len(w.edges), func(i int) bool { return w.edges[i] >= t })
		out[p] = prefix[to] - prefix[from]
	}
	return out, true
}
