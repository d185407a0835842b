// Package jaegerapi answers the HTTP API of Jaeger's query service over our spans, so that Grafana's data source of that type, Jaeger's
// own page and Kiali can read them: services, operations, traces, and the calls between services. It holds no state and writes nothing.
package jaegerapi

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/traceql"
	"github.com/faultline-io/faultline/services/query/limits"
	"github.com/faultline-io/faultline/services/query/problem"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

// Prefix is where Jaeger's paths live.
const Prefix = "/jaeger"

// Bounds of answers. Lists have no time in Jaeger's API: they are of the last day.
const (
	listSpan   = 24 * time.Hour
	maxNames   = 10_000
	maxEdges   = 10_000
	maxLookup  = 30 * 24 * time.Hour
	defaultDay = 24 * time.Hour
)

// Deps is what the handlers need.
type Deps struct {
	DB   *clickhouse.DB
	Gate *limits.Gate
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

type handlers struct {
	deps   Deps
	reader *clickhouse.SpanReader
}

// Register adds the routes. They are not part of our own OpenAPI description: their reference is Jaeger's.
func Register(r gin.IRouter, deps Deps) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	h := &handlers{deps: deps, reader: clickhouse.NewSpanReader(deps.DB)}
	gate := deps.Gate.Gin(fail)
	get := func(path string, f func(c *gin.Context) (any, int, error)) { r.GET(path, gate, answer(f)) }
	get(Prefix+"/api/services", h.services)
	get(Prefix+"/api/services/:service/operations", h.serviceOperations)
	get(Prefix+"/api/operations", h.operations)
	get(Prefix+"/api/traces", h.traces)
	// Grafana's data source drops the path of its address in a search.
	get("/api/traces", h.traces)
	get(Prefix+"/api/traces/:id", h.trace)
	get(Prefix+"/api/dependencies", h.dependencies)
}

// envelope is the outside of every answer.
type envelope struct {
	Data   any        `json:"data"`
	Total  int        `json:"total"`
	Limit  int        `json:"limit"`
	Offset int        `json:"offset"`
	Errors []apiError `json:"errors"`
}

type apiError struct {
	Code int    `json:"code"`
	Msg  string `json:"msg"`
}

func answer(f func(c *gin.Context) (any, int, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		data, total, err := f(c)
		if err != nil {
			fail(c, err)
			return
		}
		c.JSON(http.StatusOK, envelope{Data: data, Total: total})
	}
}

// fail answers in Jaeger's form.
func fail(c *gin.Context, err error) {
	status := problem.Status(errs.KindOf(err))
	text := err.Error()
	if hint := errs.HintOf(err); hint != "" {
		text += " (" + hint + ")"
	}
	if status >= http.StatusInternalServerError {
		_ = c.Error(err)
	}
	if status == http.StatusInternalServerError {
		text = "the server met an error it did not expect; its log has it"
	}
	if status == http.StatusTooManyRequests {
		c.Header("Retry-After", "1")
	}
	c.Abort()
	c.JSON(status, envelope{Errors: []apiError{{Code: status, Msg: text}}})
}

// lately returns the time that lists are of.
func (h *handlers) lately() (startNS, endNS int64) {
	now := h.deps.Now()
	return now.Add(-listSpan).UnixNano(), now.UnixNano()
}

func (h *handlers) services(c *gin.Context) (any, int, error) {
	start, end := h.lately()
	ctx := c.Request.Context()
	field := traceql.Field{Scope: traceql.Resource, Name: "service.name"}
	names, err := h.reader.TagValues(ctx, field, nil, reqctx.Tenant(ctx), start, end, maxNames)
	if err != nil {
		return nil, 0, err
	}
	if names == nil {
		names = []string{}
	}
	return names, len(names), nil
}

// operation is the name of an operation with the kind of its spans.
type operation struct {
	Name     string `json:"name"`
	SpanKind string `json:"spanKind"`
}

func (h *handlers) list(ctx context.Context, service string) ([]operation, error) {
	if service == "" {
		return nil, errs.New(errs.Invalid, "parameter 'service' is required")
	}
	start, end := h.lately()
	found, err := h.reader.Operations(ctx, reqctx.Tenant(ctx), service, start, end, maxNames)
	out := make([]operation, len(found))
	for i, o := range found {
		out[i] = operation{Name: o.Name, SpanKind: kindName(o.Kind)}
	}
	return out, err
}

func (h *handlers) serviceOperations(c *gin.Context) (any, int, error) {
	found, err := h.list(c.Request.Context(), c.Param("service"))
	names := []string{}
	for _, o := range found {
		names = append(names, o.Name)
	}
	names = slices.Compact(names)
	return names, len(names), err
}

func (h *handlers) operations(c *gin.Context) (any, int, error) {
	found, err := h.list(c.Request.Context(), c.Query("service"))
	if kind := c.Query("spanKind"); kind != "" {
		found = slices.DeleteFunc(found, func(o operation) bool { return o.SpanKind != kind })
	}
	return found, len(found), err
}

// dependency is how often one service called another.
type dependency struct {
	Parent    string `json:"parent"`
	Child     string `json:"child"`
	CallCount uint64 `json:"callCount"`
}

func (h *handlers) dependencies(c *gin.Context) (any, int, error) {
	end := h.deps.Now()
	if ms, err := millis(c, "endTs"); err != nil {
		return nil, 0, err
	} else if ms > 0 {
		end = time.UnixMilli(ms)
	}
	lookback := defaultDay
	if ms, err := millis(c, "lookback"); err != nil {
		return nil, 0, err
	} else if ms > 0 {
		lookback = time.Duration(min(ms, maxLookup.Milliseconds()+1)) * time.Millisecond
	}
	if lookback > maxLookup {
		return nil, 0, errs.New(errs.Invalid, "lookback: at most %d milliseconds (30 days) are looked back", maxLookup.Milliseconds())
	}
	ctx := c.Request.Context()
	edges, _, err := h.reader.CallEdges(ctx, reqctx.Tenant(ctx), end.Add(-lookback).UnixNano(), end.UnixNano(), maxEdges)
	if err != nil {
		return nil, 0, err
	}
	out := make([]dependency, len(edges))
	for i, e := range edges {
		out[i] = dependency{Parent: e.Parent, Child: e.Child, CallCount: e.Calls}
	}
	slices.SortFunc(out, func(a, b dependency) int {
		return cmp.Or(cmp.Compare(a.Parent, b.Parent), cmp.Compare(a.Child, b.Child))
	})
	return out, len(out), nil
}

// millis reads a number that is not negative; 0 when absent.
func millis(c *gin.Context, name string) (int64, error) {
	s := c.Query(name)
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > 1<<53 {
		return 0, errs.New(errs.Invalid, "%s: %q is not a number of milliseconds", name, s)
	}
	return n, nil
}
