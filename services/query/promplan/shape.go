package promplan

import (
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/faultline-io/faultline/services/model"
)

// grid is the times at which an expression is evaluated, in Unix milliseconds.
type grid struct {
	start, end, step int64
}

// points returns the number of times.
func (g grid) points() int {
	if g.end < g.start {
		return 0
	}
	return int((g.end-g.start)/g.step) + 1
}

// first returns the grid of an expression whose value is the same at all times: the engine evaluates it once.
func (g grid) first() grid { return grid{g.start, g.start, g.step} }

// part is a piece of a query that this package evaluates: a function over a range selector, an aggregation over one, or an aggregation
// over an instant selector.
type part struct {
	slot *parser.Expr
	expr parser.Expr
	grid grid
	// agg is the aggregation; nil is none.
	agg *parser.AggregateExpr
	// call is the function over the range; nil is an instant selector.
	call   *parser.Call
	kernel kernel
	vector *parser.VectorSelector
	// rangeMS is the width of the window before each time: that of the range selector, or how far an instant selector looks back.
	rangeMS int64
	// offsetMS is how much earlier the window ends; fixedMS, where it is set, is where it ends at all times.
	offsetMS int64
	fixedMS  *int64
}

// finder collects the parts of a query.
type finder struct {
	cfg      *Config
	lookback time.Duration
	parts    []*part
}

// findParts returns the parts of a statement, the outermost ones, none within another.
func findParts(stmt *parser.EvalStmt, cfg *Config) []*part {
	g := grid{stmt.Start.UnixMilli(), stmt.End.UnixMilli(), stmt.Interval.Milliseconds()}
	if stmt.Interval == 0 {
		g.step = 1
	}
	if g.step <= 0 {
		return nil // a step below a millisecond is the engine's to refuse
	}
	f := &finder{cfg: cfg, lookback: stmt.LookbackDelta}
	f.walk(&stmt.Expr, g)
	return f.parts
}

// whole reports whether a statement is nothing but its only part.
func whole(stmt *parser.EvalStmt, parts []*part) bool {
	e := stmt.Expr
	for {
		paren, ok := e.(*parser.ParenExpr)
		if !ok {
			break
		}
		e = paren.Expr
	}
	return len(parts) == 1 && e == parts[0].expr
}

// reads names the functions that look at the expression that they are given and not at its value only, so it must stay.
var reads = []string{"absent", "absent_over_time", "info", "timestamp", "start_timestamp"}

func (f *finder) walk(slot *parser.Expr, g grid) {
	switch e := (*slot).(type) {
	case *parser.AggregateExpr:
		if f.aggregation(slot, e, g) {
			return
		}
		f.walk(&e.Expr, g)
		if e.Param != nil {
			f.walk(&e.Param, g)
		}
	case *parser.Call:
		if !f.cfg.DelayedNames && f.function(slot, e, nil, g) {
			return
		}
		if slices.Contains(reads, e.Func.Name) {
			return
		}
		for i := range e.Args {
			f.walk(&e.Args[i], g)
		}
	case *parser.BinaryExpr:
		f.walk(&e.LHS, g)
		f.walk(&e.RHS, g)
	case *parser.ParenExpr:
		f.walk(&e.Expr, g)
	case *parser.UnaryExpr:
		f.walk(&e.Expr, g)
	case *parser.StepInvariantExpr:
		f.walk(&e.Expr, g.first())
	case *parser.SubqueryExpr:
		if inner, ok := f.subgrid(e, g); ok {
			f.walk(&e.Expr, inner)
		}
	default: // selectors and literals
	}
}

// subgrid returns the times at which the engine evaluates what is inside of a subquery. One with @ is left to the engine.
func (f *finder) subgrid(e *parser.SubqueryExpr, g grid) (grid, bool) {
	if e.Timestamp != nil || g.points() == 0 {
		return grid{}, false
	}
	step := e.Step.Milliseconds()
	if e.Step == 0 {
		if f.cfg.NoStepSubqueryInterval == nil {
			return grid{}, false
		}
		step = f.cfg.NoStepSubqueryInterval(e.Range.Milliseconds())
	}
	if step <= 0 {
		return grid{}, false
	}
	offset := e.OriginalOffset.Milliseconds()
	from := g.start - offset - e.Range.Milliseconds()
	start := step * (from / step)
	if start <= from {
		start += step
	}
	last := g.start + (g.end-g.start)/g.step*g.step
	return grid{start, last - offset, step}, true
}

// aggregates are the aggregations whose value depends on nothing but the values of a group in order.
var aggregates = []parser.ItemType{parser.SUM, parser.AVG, parser.MIN, parser.MAX, parser.COUNT, parser.GROUP, parser.STDDEV, parser.STDVAR}

func (f *finder) aggregation(slot *parser.Expr, e *parser.AggregateExpr, g grid) bool {
	if !slices.Contains(aggregates, e.Op) || f.cfg.DelayedNames && slices.Contains(e.Grouping, model.LabelName) {
		return false
	}
	inner := e.Expr
	for {
		paren, ok := inner.(*parser.ParenExpr)
		if !ok {
			break
		}
		inner = paren.Expr
	}
	switch inner := inner.(type) {
	case *parser.Call:
		return f.function(slot, inner, e, g)
	case *parser.VectorSelector:
		return f.add(&part{slot: slot, expr: e, grid: g, agg: e, kernel: kernels[""], vector: inner, rangeMS: f.lookback.Milliseconds()})
	default:
		return false
	}
}

// function adds a part for a function over a range selector, with agg around it where that is not nil.
func (f *finder) function(slot *parser.Expr, call *parser.Call, agg *parser.AggregateExpr, g grid) bool {
	k, ok := kernels[call.Func.Name]
	if !ok || len(call.Args) != 1 {
		return false
	}
	matrix, ok := call.Args[0].(*parser.MatrixSelector)
	if !ok {
		return false
	}
	vector := matrix.VectorSelector.(*parser.VectorSelector)
	if !k.keepsName && !namesMetric(vector) {
		return false // two metrics may become the same series without their names: the engine's error
	}
	p := &part{slot: slot, expr: call, grid: g, agg: agg, call: call, kernel: k, vector: vector, rangeMS: matrix.Range.Milliseconds()}
	if agg != nil {
		p.expr = agg
	}
	return f.add(p)
}

func (f *finder) add(p *part) bool {
	v := p.vector
	if v.Anchored || v.Smoothed || p.grid.points() == 0 || p.rangeMS <= 0 || len(v.LabelMatchers) == 0 {
		return false
	}
	p.offsetMS = v.OriginalOffset.Milliseconds()
	if v.Timestamp != nil {
		at := *v.Timestamp - p.offsetMS
		p.fixedMS = &at
	}
	f.parts = append(f.parts, p)
	return true
}

// namesMetric reports whether a selector names one metric.
func namesMetric(v *parser.VectorSelector) bool {
	return slices.ContainsFunc(v.LabelMatchers, func(m *labels.Matcher) bool {
		return m.Name == model.LabelName && m.Type == labels.MatchEqual && m.Value != ""
	})
}

// bounds returns the first and the last millisecond whose samples the part needs.
func (p *part) bounds() (minMS, maxMS int64) {
	g := p.grid
	first, last := g.start-p.offsetMS, g.start+int64(g.points()-1)*g.step-p.offsetMS
	if p.fixedMS != nil {
		first, last = *p.fixedMS, *p.fixedMS
	}
	return first - p.rangeMS + 1, last
}
