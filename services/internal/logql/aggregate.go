package logql

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// summable are the range aggregations whose sum over series is the aggregation of all their records.
var summable = []string{"count_over_time", "rate", "bytes_over_time", "bytes_rate", "sum_over_time"}

type group struct {
	labels []Label
	member []int
}

// grouped returns the labels that a series has in the result of an aggregation.
func grouped(ls []Label, g *Grouping) []Label {
	var out []Label
	for _, l := range ls {
		if g != nil && slices.Contains(g.Labels, l.Name) != g.Without {
			out = append(out, l)
		}
	}
	return out
}

func (v *evaluator) aggregate(e *AggExpr) ([]Series, error) {
	in, err := v.inner(e)
	if err != nil {
		return nil, err
	}
	if e.Op == "sort" || e.Op == "sort_desc" {
		if v.n == 1 {
			slices.SortStableFunc(in, func(a, b Series) int {
				c := cmp.Compare(a.Values[0], b.Values[0])
				if e.Op == "sort_desc" {
					c = -c
				}
				return c
			})
		}
		return in, nil
	}
	index := map[string]*group{}
	var order []*group
	for i := range in {
		ls := grouped(in[i].Labels, e.Group)
		key := string(labelKey(nil, ls))
		g := index[key]
		if g == nil {
			g = &group{labels: ls}
			index[key] = g
			order = append(order, g)
		}
		g.member = append(g.member, i)
	}
	if e.Op == "topk" || e.Op == "bottomk" {
		return v.topk(e, in, order), nil
	}
	out := make([]Series, len(order))
	for i, g := range order {
		out[i] = Series{Labels: g.labels, Values: v.fold(e.Op, in, g.member)}
	}
	return out, nil
}

// inner evaluates what is aggregated; a sum over countable records is counted in its groups from the start.
func (v *evaluator) inner(e *AggExpr) ([]Series, error) {
	r, ok := e.Inner.(*RangeExpr)
	if !ok || e.Op != "sum" || !slices.Contains(summable, r.Op) || e.Group != nil && e.Group.Without {
		return v.eval(e.Inner)
	}
	g := e.Group
	if g == nil {
		g = &Grouping{}
	}
	return v.rangeAgg(r, g)
}

// fold aggregates the member series by step.
func (v *evaluator) fold(op string, in []Series, member []int) []float64 {
	out := missing(v.n)
	for p := range v.n {
		var n, sum, mean, squares float64
		low, high := math.NaN(), math.NaN()
		for _, m := range member {
			x := in[m].Values[p]
			if IsMissing(x) {
				continue
			}
			n++
			sum += x
			d := x - mean
			mean += d / n
			squares += d * (x - mean)
			if n == 1 || x < low || math.IsNaN(low) {
				low = x
			}
			if n == 1 || x > high || math.IsNaN(high) {
				high = x
			}
		}
		if n == 0 {
			continue
		}
		switch op {
		case "sum":
			out[p] = sum
		case "avg":
			out[p] = sum / n
		case "min":
			out[p] = low
		case "max":
			out[p] = high
		case "count":
			out[p] = n
		case "stdvar":
			out[p] = squares / n
		case "stddev":
			out[p] = math.Sqrt(squares / n)
		}
	}
	return out
}

// topk keeps the k largest or smallest values of each step; series keep their labels.
func (v *evaluator) topk(e *AggExpr, in []Series, groups []*group) []Series {
	kept := make([][]float64, len(in))
	for _, g := range groups {
		for p := range v.n {
			var idx []int
			for _, m := range g.member {
				if !IsMissing(in[m].Values[p]) {
					idx = append(idx, m)
				}
			}
			sort.SliceStable(idx, func(i, j int) bool {
				a, b := in[idx[i]].Values[p], in[idx[j]].Values[p]
				switch {
				case math.IsNaN(a) || math.IsNaN(b):
					return !math.IsNaN(a)
				case a != b:
					return (a > b) == (e.Op == "topk")
				}
				return compareLabels(in[idx[i]].Labels, in[idx[j]].Labels) < 0
			})
			for _, m := range idx[:min(e.Param, len(idx))] {
				if kept[m] == nil {
					kept[m] = missing(v.n)
				}
				kept[m][p] = in[m].Values[p]
			}
		}
	}
	var out []Series
	for i := range in {
		if kept[i] != nil {
			out = append(out, Series{Labels: in[i].Labels, Values: kept[i]})
		}
	}
	if v.n == 1 {
		slices.SortStableFunc(out, func(a, b Series) int {
			c := cmp.Compare(b.Values[0], a.Values[0])
			if e.Op == "bottomk" {
				c = -c
			}
			return c
		})
	}
	return out
}
