package promapi

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/prometheus/promql"
)

// errLimit is Prometheus' warning for a list that a limit cut.
const errLimit = "results truncated due to limit"

// maxNotes bounds the warnings and infos of an answer, as Prometheus does.
const maxNotes = 10

func (a *API) query(c *gin.Context) (reply, error) {
	r := c.Request
	at, err := timeOf(r, "time", a.deps.Clock(), a.deps.Clock())
	if err != nil {
		return reply{}, err
	}
	return a.evaluate(r, func(ctx context.Context, opts promql.QueryOpts) (promql.Query, error) {
		return a.engine.NewInstantQuery(ctx, a.deps.Queryable, opts, r.FormValue("query"), at)
	})
}

func (a *API) queryRange(c *gin.Context) (reply, error) {
	r := c.Request
	now := a.deps.Clock()
	if r.FormValue("start") == "" || r.FormValue("end") == "" || r.FormValue("step") == "" {
		return reply{}, badData("invalid parameter: start, end and step are required")
	}
	start, err := timeOf(r, "start", now, now)
	if err != nil {
		return reply{}, err
	}
	end, err := timeOf(r, "end", now, now)
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
	return a.evaluate(r, func(ctx context.Context, opts promql.QueryOpts) (promql.Query, error) {
		return a.engine.NewRangeQuery(ctx, a.deps.Queryable, opts, r.FormValue("query"), start, end, step)
	})
}

// evaluate runs the query that prepare makes, with the request's own limits.
func (a *API) evaluate(r *http.Request, prepare func(context.Context, promql.QueryOpts) (promql.Query, error)) (reply, error) {
	limit, err := limitOf(r, "limit")
	if err != nil {
		return reply{}, err
	}
	opts, err := optsOf(r)
	if err != nil {
		return reply{}, err
	}
	ctx := r.Context()
	if s := r.FormValue("timeout"); s != "" {
		timeout, err := durationOf("timeout", s)
		if err != nil {
			return reply{}, err
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, max(timeout, time.Millisecond))
		defer cancel()
	}
	q, err := prepare(ctx, opts)
	if err != nil {
		return reply{}, badData("invalid parameter %q: %v", "query", err)
	}
	defer q.Close()
	res := q.Exec(ctx)
	if res.Err != nil {
		return reply{}, &evalError{res.Err}
	}
	// The engine's memory for the result is reused when the query is closed, so it is encoded before.
	data, cut := encodeValue(res.Value, limit)
	out := reply{data: data}
	out.warnings, out.infos = res.Warnings.AsStrings(r.FormValue("query"), maxNotes, maxNotes)
	if cut {
		out.warnings = append(out.warnings, errLimit)
	}
	return out, nil
}

func (a *API) formatQuery(c *gin.Context) (reply, error) {
	expr, err := a.parser.ParseExpr(c.Request.FormValue("query"))
	if err != nil {
		return reply{}, badData("invalid parameter %q: %v", "query", err)
	}
	return replyJSON(expr.Pretty(0))
}
