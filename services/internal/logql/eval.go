package logql

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Series is one line of a result: a value for each step, Missing where there is none.
type Series struct {
	Labels []Label // sorted
	Values []float64
}

// missingBits is a NaN that no arithmetic makes.
const missingBits = 0x7ff0_0000_0000_0a0a

// Missing is the value of a step without one.
func Missing() float64 { return math.Float64frombits(missingBits) }

// IsMissing reports whether a step has no value. A NaN that a query computed is a value.
func IsMissing(v float64) bool { return math.Float64bits(v) == missingBits }

func missing(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = Missing()
	}
	return out
}

// Grid is the times a query is evaluated at: Start, Start+Step … up to End. A step of 0 is Start alone.
type Grid struct {
	StartNS, EndNS, StepNS int64
}

// Points returns their number.
func (g Grid) Points() int {
	if g.StepNS <= 0 || g.EndNS < g.StartNS {
		return 1
	}
	return int((g.EndNS-g.StartNS)/g.StepNS) + 1
}

// At returns the time of point i.
func (g Grid) At(i int) int64 { return g.StartNS + int64(i)*g.StepNS }

// Select asks a source for records: those of Log with AfterNS < time <= UntilNS. Names are the labels that are looked at, nil for
// all; Line says whether the lines are.
type Select struct {
	Log              *LogExpr
	AfterNS, UntilNS int64
	Line             bool
	// Meta says whether structured metadata is needed.
	Meta bool
}

// CountSelect asks a source to count by itself. Edges are the borders of the intervals, ascending: interval i has Edges[i] < time <=
// Edges[i+1].
type CountSelect struct {
	Log   *LogExpr
	Edges []int64
	Bytes bool
	// By are the labels that are asked for; nil is those of the stream.
	By []string
}

// Source has records.
type Source interface {
	// Entries calls take with every record that the hints of the query let through, in any order. What take gets is valid during the call.
	Entries(ctx context.Context, q Select, take func(*Entry) error) error
	// Counts counts by stream and interval where the source can do so exactly; ok is false where it cannot.
	Counts(ctx context.Context, q CountSelect, take func(s *Stream, interval int, n float64) error) (ok bool, err error)
}

// Result types of a metric query.
const (
	TypeScalar = "scalar"
	TypeVector = "vector"
)

// Evaluate runs a metric query over grid. typ is TypeScalar for a query that is a number. Errors: errs.Invalid for what the query
// does wrong, errs.Exhausted naming the limit; a *PipelineError for lines that a stage could not read.
func Evaluate(ctx context.Context, e Expr, g Grid, src Source, lim Limits) (out []Series, typ string, err error) {
	if n := g.Points(); n > lim.MaxPoints {
		return nil, "", errs.New(errs.Invalid, "exceeded maximum resolution of %d points per time series (max_query_points). Try increasing the value of the step parameter", lim.MaxPoints)
	}
	v := &evaluator{ctx: ctx, g: g, n: g.Points(), src: src, lim: lim}
	if n, ok := e.(*NumberExpr); ok {
		return []Series{{Values: v.constant(n.V)}}, TypeScalar, nil
	}
	out, err = v.eval(e)
	if err != nil {
		return nil, "", err
	}
	if a, ok := e.(*AggExpr); !ok || a.Op != "sort" && a.Op != "sort_desc" && a.Op != "topk" && a.Op != "bottomk" || v.n > 1 {
		slices.SortFunc(out, func(a, b Series) int { return compareLabels(a.Labels, b.Labels) })
	}
	return out, TypeVector, nil
}

func compareLabels(a, b []Label) int {
	for i := range min(len(a), len(b)) {
		if c := strings.Compare(a[i].Name, b[i].Name); c != 0 {
			return c
		}
		if c := strings.Compare(a[i].Value, b[i].Value); c != 0 {
			return c
		}
	}
	return len(a) - len(b)
}

type evaluator struct {
	ctx context.Context
	g   Grid
	n   int
	src Source
	lim Limits
}

func (v *evaluator) constant(x float64) []float64 {
	out := make([]float64, v.n)
	for i := range out {
		out[i] = x
	}
	return out
}

func (v *evaluator) eval(e Expr) ([]Series, error) {
	switch e := e.(type) {
	case *RangeExpr:
		return v.rangeAgg(e, nil)
	case *AggExpr:
		return v.aggregate(e)
	case *BinExpr:
		return v.binary(e)
	case *VectorExpr:
		return []Series{{Values: v.constant(e.V)}}, nil
	case *NumberExpr:
		return []Series{{Values: v.constant(e.V)}}, nil
	case *LabelReplaceExpr:
		return v.labelReplace(e)
	case *LabelJoinExpr:
		return v.labelJoin(e)
	}
	return nil, errs.New(errs.Invalid, "a log query has no value; put it into count_over_time(… [5m]) or the like")
}

func (v *evaluator) labelReplace(e *LabelReplaceExpr) ([]Series, error) {
	in, err := v.eval(e.Inner)
	if err != nil {
		return nil, err
	}
	return relabeled(in, func(ls []Label) []Label {
		src, _ := find(ls, e.Src)
		m := e.re.FindStringSubmatchIndex(src)
		if m == nil {
			return ls
		}
		return withLabel(ls, e.Dst, string(e.re.ExpandString(nil, e.Replacement, src, m)))
	})
}

func (v *evaluator) labelJoin(e *LabelJoinExpr) ([]Series, error) {
	in, err := v.eval(e.Inner)
	if err != nil {
		return nil, err
	}
	return relabeled(in, func(ls []Label) []Label {
		parts := make([]string, len(e.Src))
		for i, n := range e.Src {
			parts[i], _ = find(ls, n)
		}
		return withLabel(ls, e.Dst, strings.Join(parts, e.Sep))
	})
}

// withLabel returns ls with a label set, or without it when the value is empty.
func withLabel(ls []Label, name, value string) []Label {
	out := remove(slices.Clone(ls), name)
	if value != "" {
		out = append(out, Label{name, value})
		sortLabels(out)
	}
	return out
}

func relabeled(in []Series, f func([]Label) []Label) ([]Series, error) {
	seen := map[string]bool{}
	for i := range in {
		in[i].Labels = f(in[i].Labels)
		key := string(labelKey(nil, in[i].Labels))
		if seen[key] {
			return nil, errs.New(errs.Invalid, "vector cannot contain metrics with the same labelset")
		}
		seen[key] = true
	}
	return in, nil
}

// edges returns the borders of the intervals in which every window of r begins and ends, ascending and without repetition.
func (v *evaluator) edges(r *RangeExpr) []int64 {
	out := make([]int64, 0, 2*v.n)
	for i := range v.n {
		t := v.g.At(i) - int64(r.Offset)
		out = append(out, t, t-int64(r.Range))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// checkTimes refuses ranges that int64 nanoseconds do not hold.
func (v *evaluator) checkTimes(r *RangeExpr) error {
	const far = math.MaxInt64 / 4
	if r.Range > 100*365*24*time.Hour || max(r.Offset, -r.Offset) > 100*365*24*time.Hour || v.g.StartNS < -far || v.g.EndNS > far*3 {
		return errs.New(errs.Invalid, "the range or offset of %s is too long", r.Op)
	}
	return nil
}
