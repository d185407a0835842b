package query

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/prometheus/promql"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// agentLookback is how old a sample of an agent may be to speak for now: a minute and a half, for intervals of up to a minute. PromQL's
// own five minutes would show processes long after they ended.
const agentLookback = 90 * time.Second

// Columns are a series as two columns: Unix milliseconds and values, null where there is none.
type Columns struct {
	T []int64    `json:"t" doc:"Unix milliseconds"`
	V []*float64 `json:"v" doc:"Values; null where there is none"`
}

// sample is one element of an instant vector. Labels are asked for by name.
type sample struct {
	label func(name string) string
	value float64
}

// instant evaluates an expression of our own at a time.
func (q *Query) instant(ctx context.Context, expr string, at time.Time) ([]sample, error) {
	query, err := q.prom.Engine().NewInstantQuery(ctx, q.series, promql.NewPrometheusQueryOpts(false, agentLookback), expr, at)
	if err != nil {
		return nil, errs.New(errs.Internal, "own query %q: %w", expr, err)
	}
	defer query.Close()
	res := query.Exec(ctx)
	if res.Err != nil {
		return nil, evalError(res.Err)
	}
	vector, err := res.Vector()
	if err != nil {
		return nil, errs.New(errs.Internal, "own query %q: %w", expr, err)
	}
	out := make([]sample, 0, len(vector))
	for _, s := range vector {
		if !math.IsNaN(s.F) && !math.IsInf(s.F, 0) {
			out = append(out, sample{label: s.Metric.Get, value: s.F})
		}
	}
	return out, nil
}

// sparklines evaluates an expression over a range and returns its series by a label.
func (q *Query) sparklines(ctx context.Context, expr, by string, start, end time.Time, points int) (map[string]Columns, error) {
	step := max(end.Sub(start)/time.Duration(points), 15*time.Second).Truncate(time.Second)
	// Whole steps keep the points where they are while the page refreshes.
	start = start.Truncate(step)
	query, err := q.prom.Engine().NewRangeQuery(ctx, q.series, promql.NewPrometheusQueryOpts(false, agentLookback), expr, start, end, step)
	if err != nil {
		return nil, errs.New(errs.Internal, "own query %q: %w", expr, err)
	}
	defer query.Close()
	res := query.Exec(ctx)
	if res.Err != nil {
		return nil, evalError(res.Err)
	}
	matrix, err := res.Matrix()
	if err != nil {
		return nil, errs.New(errs.Internal, "own query %q: %w", expr, err)
	}
	out := make(map[string]Columns, len(matrix))
	for _, s := range matrix {
		out[s.Metric.Get(by)] = columnsOf(s.Floats, start.UnixMilli(), end.UnixMilli(), step.Milliseconds())
	}
	return out, nil
}

// columnsOf puts points on a grid, with null where there is none: a gap must look like one.
func columnsOf(points []promql.FPoint, startMS, endMS, stepMS int64) Columns {
	c := Columns{T: []int64{}, V: []*float64{}}
	i := 0
	for t := startMS; t <= endMS; t += stepMS {
		var v *float64
		if i < len(points) && points[i].T == t {
			if f := points[i].F; !math.IsNaN(f) && !math.IsInf(f, 0) {
				v = &f
			}
			i++
		}
		c.T, c.V = append(c.T, t), append(c.V, v)
	}
	return c
}

// evalError gives the engine's own errors their kind; those of the store have one.
func evalError(err error) error {
	switch e := err.(type) {
	case promql.ErrStorage:
		return e.Err
	case promql.ErrQueryTimeout:
		return errs.New(errs.Timeout, "%w", err)
	case promql.ErrQueryCanceled:
		return errs.New(errs.Canceled, "%w", err)
	case promql.ErrTooManySamples:
		return errs.WithHint(errs.Exhausted, "ask for a shorter time", "%v", err)
	}
	return err
}
