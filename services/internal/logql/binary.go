package logql

import (
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// binaryValue computes a op b; keep is false where a comparison without bool does not hold.
func binaryValue(op string, a, b float64, asBool bool) (v float64, keep bool) {
	truth := func(ok bool) (float64, bool) {
		switch {
		case !asBool:
			return a, ok
		case ok:
			return 1, true
		default:
			return 0, true
		}
	}
	switch op {
	case "+":
		return a + b, true
	case "-":
		return a - b, true
	case "*":
		return a * b, true
	case "/":
		return a / b, true
	case "%":
		return math.Mod(a, b), true
	case "^":
		return math.Pow(a, b), true
	case "==":
		return truth(a == b)
	case "!=":
		return truth(a != b)
	case ">":
		return truth(a > b)
	case ">=":
		return truth(a >= b)
	case "<":
		return truth(a < b)
	default:
		return truth(a <= b)
	}
}

func (v *evaluator) binary(e *BinExpr) ([]Series, error) {
	l, lok := e.L.(*NumberExpr)
	r, rok := e.R.(*NumberExpr)
	switch {
	case lok:
		right, err := v.eval(e.R)
		return v.withNumber(e, right, l.V, true), err
	case rok:
		left, err := v.eval(e.L)
		return v.withNumber(e, left, r.V, false), err
	}
	left, err := v.eval(e.L)
	if err != nil {
		return nil, err
	}
	right, err := v.eval(e.R)
	if err != nil {
		return nil, err
	}
	if precedence[e.Op] <= 2 {
		return v.setOperation(e, left, right), nil
	}
	return v.vectors(e, left, right)
}

// withNumber computes with a number on one side. A comparison keeps the value of the vector.
func (v *evaluator) withNumber(e *BinExpr, in []Series, n float64, numberLeft bool) []Series {
	var out []Series
	for _, s := range in {
		values, any := missing(v.n), false
		for p, x := range s.Values {
			if IsMissing(x) {
				continue
			}
			a, b := x, n
			if numberLeft {
				a, b = n, x
			}
			y, keep := binaryValue(e.Op, a, b, e.Bool)
			if !keep {
				continue
			}
			if precedence[e.Op] == 3 && !e.Bool {
				y = x
			}
			values[p], any = y, true
		}
		if any {
			out = append(out, Series{Labels: s.Labels, Values: values})
		}
	}
	return out
}

// signature returns the labels by which two series match.
func signature(ls []Label, m *Matching) []Label {
	if m == nil {
		return ls
	}
	var out []Label
	for _, l := range ls {
		if slices.Contains(m.Labels, l.Name) == m.On {
			out = append(out, l)
		}
	}
	return out
}

func signatureKey(ls []Label, m *Matching) string { return string(labelKey(nil, signature(ls, m))) }

func (v *evaluator) setOperation(e *BinExpr, left, right []Series) []Series {
	bySig := func(in []Series) map[string][]bool {
		out := map[string][]bool{}
		for _, s := range in {
			k := signatureKey(s.Labels, e.Match)
			if out[k] == nil {
				out[k] = make([]bool, v.n)
			}
			for p, x := range s.Values {
				out[k][p] = out[k][p] || !IsMissing(x)
			}
		}
		return out
	}
	filter := func(in []Series, other map[string][]bool, keepPresent bool) []Series {
		var out []Series
		for _, s := range in {
			has := other[signatureKey(s.Labels, e.Match)]
			values, any := missing(v.n), false
			for p, x := range s.Values {
				if present := has != nil && has[p]; !IsMissing(x) && present == keepPresent {
					values[p], any = x, true
				}
			}
			if any {
				out = append(out, Series{Labels: s.Labels, Values: values})
			}
		}
		return out
	}
	switch e.Op {
	case "and":
		return filter(left, bySig(right), true)
	case "unless":
		return filter(left, bySig(right), false)
	default:
		return v.union(left, filter(right, bySig(left), false))
	}
}

// union joins series; the same labels on both sides at different steps are one series.
func (v *evaluator) union(left, right []Series) []Series {
	index := map[string]int{}
	for i, s := range left {
		index[string(labelKey(nil, s.Labels))] = i
	}
	for _, s := range right {
		i, ok := index[string(labelKey(nil, s.Labels))]
		if !ok {
			left = append(left, s)
			continue
		}
		values := slices.Clone(left[i].Values)
		for p, x := range s.Values {
			if IsMissing(values[p]) {
				values[p] = x
			}
		}
		left[i].Values = values
	}
	return left
}

// vectors matches the series of both sides by their signatures and computes step by step.
func (v *evaluator) vectors(e *BinExpr, left, right []Series) ([]Series, error) {
	many, one, swapped := left, right, false
	grouped := e.Match != nil && e.Match.Card != ""
	if grouped && e.Match.Card == "right" {
		many, one, swapped = right, left, true
	}
	ones := map[string][]int{}
	for i := range one {
		k := signatureKey(one[i].Labels, e.Match)
		for _, j := range ones[k] {
			if overlap(one[i].Values, one[j].Values) {
				return nil, errs.New(errs.Invalid, "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right) and matched series must be unique")
			}
		}
		ones[k] = append(ones[k], i)
	}
	used := map[string][]int{}
	index := map[string]int{}
	var out []Series
	for i := range many {
		k := signatureKey(many[i].Labels, e.Match)
		if !grouped {
			for _, j := range used[k] {
				if len(ones[k]) > 0 && overlap(many[i].Values, many[j].Values) {
					return nil, errs.New(errs.Invalid, "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)")
				}
			}
			used[k] = append(used[k], i)
		}
		for _, j := range ones[k] {
			values, any := v.combine(e, many[i].Values, one[j].Values, swapped)
			if !any {
				continue
			}
			ls := resultLabels(e, many[i].Labels, one[j].Labels)
			key := string(labelKey(nil, ls))
			if at, ok := index[key]; ok {
				if overlap(out[at].Values, values) {
					return nil, errs.New(errs.Invalid, "multiple matches for labels: grouping labels must ensure unique matches")
				}
				out = v.union(out, []Series{{Labels: ls, Values: values}})
				continue
			}
			index[key] = len(out)
			out = append(out, Series{Labels: ls, Values: values})
		}
	}
	return out, nil
}

func overlap(a, b []float64) bool {
	for i := range a {
		if !IsMissing(a[i]) && !IsMissing(b[i]) {
			return true
		}
	}
	return false
}

func (v *evaluator) combine(e *BinExpr, many, one []float64, swapped bool) (values []float64, any bool) {
	values = missing(v.n)
	for p := range many {
		a, b := many[p], one[p]
		if IsMissing(a) || IsMissing(b) {
			continue
		}
		if swapped {
			a, b = b, a
		}
		if y, keep := binaryValue(e.Op, a, b, e.Bool); keep {
			values[p], any = y, true
		}
	}
	return values, any
}

func resultLabels(e *BinExpr, many, one []Label) []Label {
	m := e.Match
	switch {
	case m == nil:
		return many
	case m.Card == "":
		return signature(many, m)
	}
	out := slices.Clone(many)
	for _, n := range m.Include {
		value, _ := find(one, n)
		out = withLabel(out, n, value)
	}
	return out
}
