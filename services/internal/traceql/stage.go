package traceql

import "slices"

// aggregates are the functions of a pipeline over the spans found; metrics those over time.
var (
	aggregates = []string{"count", "avg", "min", "max", "sum"}
	metrics    = []string{"rate", "count_over_time", "min_over_time", "max_over_time", "avg_over_time", "sum_over_time", "quantile_over_time"}
)

// maxBy and maxQuantiles bound the labels and lines of a metrics query.
const (
	maxBy        = 5
	maxQuantiles = 10
)

// stage reads what stands behind a pipe.
func (p *parser) stage(q *Query) error {
	t := p.peek()
	switch {
	case t.kind == punctToken && (t.text == "{" || t.text == "("):
		return p.unsupported("a set of spans in a pipeline")
	case t.kind != wordToken:
		return p.errorf("expected a function: count(), avg(…), min(…), max(…), sum(…), select(…), rate() or …_over_time(…)")
	case q.Metric != nil:
		return p.unsupported("a stage after " + q.Metric.Func)
	}
	p.next()
	switch {
	case t.text == "select":
		fields, err := p.fields()
		q.Select = append(q.Select, fields...)
		return err
	case slices.Contains(aggregates, t.text):
		return p.aggregate(q, t.text)
	case slices.Contains(metrics, t.text):
		return p.metric(q, t.text)
	case t.text == "with":
		return p.unsupported("with(…)")
	}
	p.pos--
	return p.unsupported("the function " + t.text)
}

// fields reads ( field, field … ).
func (p *parser) fields() ([]Field, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var out []Field
	for {
		f, err := p.field()
		if err != nil {
			return nil, err
		}
		if out = append(out, f); len(out) > MaxConditions {
			return nil, p.errorf("there are more than %d fields", MaxConditions)
		}
		if !p.accept(",") {
			return out, p.expect(")")
		}
	}
}

func (p *parser) aggregate(q *Query, name string) error {
	a := Aggregate{Func: name}
	if err := p.expect("("); err != nil {
		return err
	}
	if name != "count" {
		f, err := p.field()
		if err != nil {
			return err
		}
		if f.OfTrace() || f.Scope == Intrinsic && f.Name != "duration" {
			return p.unsupported(name + " of " + f.String())
		}
		a.Field = f
	}
	if err := p.expect(")"); err != nil {
		return err
	}
	cmp, ok := p.cmp()
	if !ok || cmp == Match || cmp == NotMatch {
		return p.errorf("expected a comparison with a number, as in | %s(…) > 2", name)
	}
	t := p.next()
	if t.kind != numberToken && (t.kind != durationToken || name == "count") {
		p.pos--
		return p.errorf("expected a number")
	}
	a.Cmp, a.Value = cmp, t.num
	if q.Aggregates = append(q.Aggregates, a); len(q.Aggregates) > MaxConditions {
		return p.errorf("there are more than %d aggregates", MaxConditions)
	}
	return nil
}

func (p *parser) metric(q *Query, name string) error {
	m := &Metric{Func: name}
	if err := p.expect("("); err != nil {
		return err
	}
	if name != "rate" && name != "count_over_time" {
		f, err := p.field()
		if err != nil {
			return err
		}
		if f.OfTrace() || f.Scope == Intrinsic && f.Name != "duration" {
			return p.unsupported(name + " of " + f.String())
		}
		m.Field = f
	}
	for p.accept(",") {
		t := p.next()
		if name != "quantile_over_time" || t.kind != numberToken || t.num < 0 || t.num > 1 || len(m.Quantiles) >= maxQuantiles {
			return p.errorf("expected at most %d quantiles from 0 to 1", maxQuantiles)
		}
		m.Quantiles = append(m.Quantiles, t.num)
	}
	if err := p.expect(")"); err != nil {
		return err
	}
	if name == "quantile_over_time" && len(m.Quantiles) == 0 {
		return p.errorf("quantile_over_time needs a quantile, as in quantile_over_time(duration, 0.95)")
	}
	if t := p.peek(); t.kind == wordToken && t.text == "by" {
		p.next()
		by, err := p.fields()
		if err != nil {
			return err
		}
		if len(by) > maxBy {
			return p.errorf("by() has more than %d fields", maxBy)
		}
		if slices.ContainsFunc(by, Field.OfTrace) {
			return p.unsupported("by() with a field of the trace")
		}
		m.By = by
	}
	if len(q.Aggregates) > 0 {
		return p.unsupported("an aggregate before " + name)
	}
	q.Metric = m
	return nil
}
