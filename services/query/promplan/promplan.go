// Package promplan evaluates the common shapes of PromQL itself: rates, increases, deltas and simple functions over time of plain
// floats, and sums, averages, extremes and counts over them or over selectors. Such a part of a query is computed series by series over
// slices, on all processors, and takes its place in the query as a vector that is known already; Prometheus' engine evaluates the rest.
// A query that is such a part as a whole never reaches the engine.
//
// Results are those of Prometheus' engine bit by bit: the same operations in the same order. Whatever is not known to be so, native
// histograms first of all, is left to the engine. The package reads through storage.Queryable and knows no tables.
//
// Cost: one decoded series a processor, a million values under way, and the result.
package promplan

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// Config says how much a plan may do. The first fields are those of the engine that it stands before.
type Config struct {
	// MaxSamples bounds the values of a part's result; more is left to the engine, which has its own limit and words.
	MaxSamples int
	// Timeout bounds a query that the engine does not see.
	Timeout time.Duration
	// NoStepSubqueryInterval is the step of subqueries without one, for a range in milliseconds; nil leaves them to the engine.
	NoStepSubqueryInterval func(rangeMS int64) int64
	// DelayedNames says that the engine drops metric names at the end of a query only.
	DelayedNames bool
	// Workers is how many series are decoded at once; 0 is one a processor, at most eight.
	Workers int
	// Off leaves everything to the engine, with the reason for plans to tell.
	Off bool
}

// maxWorkers keeps one query of a large machine from taking all of it.
const maxWorkers = 8

// Engine is a promql.QueryEngine that plans. It is safe for concurrent use.
type Engine struct {
	inner *promql.Engine
	cfg   Config
}

var _ promql.QueryEngine = (*Engine)(nil)

// New returns an engine that plans for inner, which keeps its owner.
func New(inner *promql.Engine, cfg Config) *Engine {
	if cfg.Workers <= 0 {
		cfg.Workers = min(runtime.GOMAXPROCS(0), maxWorkers)
	}
	return &Engine{inner: inner, cfg: cfg}
}

// NewInstantQuery implements promql.QueryEngine.
func (e *Engine) NewInstantQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, qs string, ts time.Time) (promql.Query, error) {
	known := &knownParts{Queryable: q}
	inner, err := e.inner.NewInstantQuery(ctx, known, opts, qs, ts)
	return e.wrap(inner, known, err)
}

// NewRangeQuery implements promql.QueryEngine.
func (e *Engine) NewRangeQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, qs string, start, end time.Time, step time.Duration) (promql.Query, error) {
	known := &knownParts{Queryable: q}
	inner, err := e.inner.NewRangeQuery(ctx, known, opts, qs, start, end, step)
	return e.wrap(inner, known, err)
}

func (e *Engine) wrap(inner promql.Query, known *knownParts, err error) (promql.Query, error) {
	if err != nil {
		return nil, err
	}
	return &query{Query: inner, engine: e, known: known, plan: &Plan{Steps: []Step{}}}, nil
}

type offKey struct{}

// Without returns a context whose queries are left to the engine.
func Without(ctx context.Context) context.Context { return context.WithValue(ctx, offKey{}, true) }

// query is a query with a plan.
type query struct {
	promql.Query
	engine *Engine
	known  *knownParts
	plan   *Plan
	cancel context.CancelFunc
}

// PlanOf returns how q was evaluated, once it was; nil for a query of another engine.
func PlanOf(q promql.Query) *Plan {
	if p, ok := q.(*query); ok {
		return p.plan
	}
	return nil
}

// Cancel stops the query.
func (q *query) Cancel() {
	if q.cancel != nil {
		q.cancel()
	}
	q.Query.Cancel()
}

// Exec evaluates the parts that it knows, and the rest with the engine.
func (q *query) Exec(ctx context.Context) *promql.Result {
	began := time.Now()
	defer func() { q.plan.ElapsedMS = sinceMS(began) }()
	stmt, ok := q.Statement().(*parser.EvalStmt)
	if off, _ := ctx.Value(offKey{}).(bool); !ok || off || q.engine.cfg.Off {
		q.plan.leave("planning is off")
		return q.Query.Exec(ctx)
	}
	parts := findParts(stmt, &q.engine.cfg)
	if len(parts) == 0 {
		q.plan.leave("no part of the query is a shape that the planner knows")
		return q.Query.Exec(ctx)
	}
	limited, cancel := context.WithTimeout(ctx, q.timeout())
	defer cancel()
	q.cancel = cancel
	results, err := q.evaluateParts(limited, parts)
	if err != nil {
		return &promql.Result{Err: engineError(limited, err)}
	}
	if whole(stmt, parts) && results[0] != nil {
		q.plan.Mode = ModeNative
		return q.answer(stmt, results[0])
	}
	return q.rest(ctx, parts, results)
}

func (q *query) timeout() time.Duration {
	if t := q.engine.cfg.Timeout; t > 0 {
		return t
	}
	return time.Hour
}

// rest puts the known results in place and lets the engine do what is left.
func (q *query) rest(ctx context.Context, parts []*part, results []*result) *promql.Result {
	q.plan.Mode = ModeEngine
	for i, p := range parts {
		if results[i] == nil {
			continue
		}
		q.plan.Mode = ModePartial
		*p.slot = q.known.add(p, results[i])
	}
	if q.plan.Mode == ModeEngine {
		q.plan.Reason = "every part that the planner knows had to be left: see the steps"
	}
	began := time.Now()
	res := q.Query.Exec(ctx)
	q.plan.EngineMS = sinceMS(began)
	for _, r := range results {
		if r != nil {
			res.Warnings = res.Warnings.Merge(r.notes)
		}
	}
	return res
}

// engineError gives an error the form in which the engine returns it.
func engineError(ctx context.Context, err error) error {
	const env = "expression evaluation"
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return promql.ErrQueryTimeout(env)
	case errors.Is(ctx.Err(), context.Canceled):
		return promql.ErrQueryCanceled(env)
	}
	return err
}

func sinceMS(t time.Time) float64 { return float64(time.Since(t).Microseconds()) / 1000 }
