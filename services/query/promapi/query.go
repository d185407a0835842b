package promapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/stats"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/query/dialect"
)

// errLimit is Prometheus' warning for a list that a limit cut.
const errLimit = "results truncated due to limit"

// maxQuery is the longest query: nested as deeply as it can be, it still fits the stack of those who walk it.
const maxQuery = 128 << 10

// maxNotes bounds the warnings and infos of an answer, as Prometheus does.
const maxNotes = 10

func (a *API) query(c *gin.Context) (reply, error) {
	r := c.Request
	at, err := optionalTime(r, "time", a.deps.Clock(), a.deps.Clock())
	if err != nil {
		return reply{}, err
	}
	return a.evaluate(r, func(ctx context.Context, opts promql.QueryOpts, query string) (promql.Query, error) {
		return a.planned().NewInstantQuery(ctx, a.deps.Queryable, opts, query, at)
	})
}

func (a *API) queryRange(c *gin.Context) (reply, error) {
	r := c.Request
	now := a.deps.Clock()
	start, err := requiredTime(r, "start", now)
	if err != nil {
		return reply{}, err
	}
	end, err := requiredTime(r, "end", now)
	if err != nil {
		return reply{}, err
	}
	if end.Before(start) {
		return reply{}, badData("invalid parameter %q: end timestamp must not be before start time", "end")
	}
	step, err := durationOf("step", r.FormValue("step"))
	if err != nil {
		return reply{}, err
	}
	if step <= 0 {
		return reply{}, badData("invalid parameter %q: zero or negative query resolution step widths are not accepted. Try a positive integer", "step")
	}
	if end.Sub(start)/step > maxPoints {
		return reply{}, badData("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)")
	}
	return a.evaluate(r, func(ctx context.Context, opts promql.QueryOpts, query string) (promql.Query, error) {
		return a.planned().NewRangeQuery(ctx, a.deps.Queryable, opts, query, start, end, step)
	})
}

// prepare makes a query of its text.
type prepare func(ctx context.Context, opts promql.QueryOpts, query string) (promql.Query, error)

// prepared makes the query of a request. What is no PromQL is read as MetricsQL; note says what it was taken for.
func (a *API) prepared(ctx context.Context, opts promql.QueryOpts, query string, make prepare) (q promql.Query, note string, err error) {
	if err := checkText(query); err != nil {
		return nil, "", err
	}
	q, err = make(ctx, opts, query)
	if err == nil {
		return q, "", nil
	}
	if !utf8.ValidString(query) {
		return nil, "", badData("invalid parameter %q: %v", "query", err)
	}
	plain, why := dialect.Translate(a.parser, query)
	if why != nil {
		return nil, "", badData("invalid parameter %q: %v; %v", "query", err, why)
	}
	if plain == "" {
		return nil, "", badData("invalid parameter %q: %v", "query", err)
	}
	q, err = make(ctx, opts, plain)
	if err != nil {
		return nil, "", badData("invalid parameter %q: %v", "query", err)
	}
	return q, "the query is MetricsQL, answered as PromQL: " + plain, nil
}

// evaluate runs a query with the request's own limits.
func (a *API) evaluate(r *http.Request, make prepare) (reply, error) {
	limit, err := limitOf(r, "limit")
	if err != nil {
		return reply{}, err
	}
	opts, err := optsOf(r)
	if err != nil {
		return reply{}, err
	}
	ctx, plan, err := planOf(r)
	if err != nil {
		return reply{}, err
	}
	if s := r.FormValue("timeout"); s != "" {
		timeout, err := durationOf("timeout", s)
		if err != nil {
			return reply{}, err
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, max(timeout, time.Millisecond))
		defer cancel()
	}
	if a.deps.Memory != nil {
		var leave func()
		ctx, leave = a.deps.Memory.Enter(ctx)
		defer leave()
	}
	q, note, err := a.prepared(ctx, opts, r.FormValue("query"), make)
	if err != nil {
		return reply{}, err
	}
	defer q.Close()
	if err := checkWork(q.Statement()); err != nil {
		return reply{}, &evalError{err}
	}
	res := q.Exec(ctx)
	if res.Err != nil {
		if cause := context.Cause(ctx); errs.KindOf(cause) == errs.Exhausted {
			return reply{}, &evalError{cause} // ended for its memory
		}
		return reply{}, &evalError{res.Err}
	}
	// The engine's memory for the result is reused when the query is closed, so it is encoded before.
	data, cut := encodeValue(res.Value, limit)
	out := reply{data: data}
	out.warnings, out.infos = res.Warnings.AsStrings(r.FormValue("query"), maxNotes, maxNotes)
	if note != "" {
		out.infos = append(out.infos, note)
	}
	if cut {
		out.warnings = append(out.warnings, errLimit)
	}
	if plan.show {
		if out, err = withPlan(out, q, plan.read); err != nil {
			return reply{}, err
		}
	}
	return withStats(out, r.FormValue("stats"), q)
}

// checkText refuses a query for what it costs to parse and to walk.
func checkText(query string) error {
	switch {
	case len(query) > maxQuery:
		return badData("invalid parameter %q: the query has %d bytes, and at most %d are read", "query", len(query), maxQuery)
	case deep(query):
		return badData("invalid parameter %q: parse error: more than %d brackets within each other", "query", maxDepth)
	}
	return nil
}

// parse reads an expression.
func (a *API) parse(query string) (parser.Expr, error) {
	if err := checkText(query); err != nil {
		return nil, err
	}
	expr, err := a.parser.ParseExpr(query)
	if err != nil {
		return nil, badData("invalid parameter %q: %v", "query", err)
	}
	return expr, nil
}

func (a *API) formatQuery(c *gin.Context) (reply, error) {
	expr, err := a.parse(c.Request.FormValue("query"))
	if err != nil {
		return reply{}, err
	}
	return replyJSON(expr.Pretty(0))
}

// withStats adds the engine's statistics to the data of an answer, when the request asks for them, and warns of a value of the parameter
// that Prometheus is about to refuse.
func withStats(out reply, param string, q promql.Query) (reply, error) {
	if param == "" {
		return out, nil
	}
	b, err := json.Marshal(stats.NewQueryStats(q.Stats()))
	if err != nil {
		return reply{}, errs.New(errs.Internal, "encode statistics: %w", err)
	}
	out.data = append(append(out.data[:len(out.data)-1], `,"stats":`...), b...)
	out.data = append(out.data, '}')
	if param != statsTrue && param != statsAll {
		out.warnings = append(out.warnings, fmt.Sprintf("value %q for parameter \"stats\" is deprecated and will be rejected in the next major release, use %q or %q",
			param, statsTrue, statsAll))
	}
	return out, nil
}

// The values of the parameter stats: of the whole query, and of each step too.
const (
	statsTrue = "true"
	statsAll  = "all"
)
