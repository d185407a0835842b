package jaegerapi

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/traceql"
	"github.com/faultline-io/faultline/services/query/reqctx"
	"github.com/faultline-io/faultline/services/query/timeparam"
)

// Bounds of a search. Jaeger's answers hold every span of every trace found, so their sum is bounded too: some fifty megabytes.
const (
	defaultTraces = 20
	maxTraces     = 1500 // Jaeger's own
	maxTraceSpans = 20_000
	maxAllSpans   = 50_000
	searchBudget  = 20 * time.Second
	defaultLook   = 24 * time.Hour
)

// traces answers a search, or a list of ids.
func (h *handlers) traces(c *gin.Context) (any, int, error) {
	ctx := c.Request.Context()
	var ids []string
	if given := c.QueryArray("traceID"); len(given) > 0 {
		if len(given) > maxTraces {
			return nil, 0, errs.New(errs.Invalid, "traceID: at most %d traces are given at once", maxTraces)
		}
		for _, s := range given {
			id, err := traceID(s)
			if err != nil {
				return nil, 0, err
			}
			ids = append(ids, id)
		}
	} else {
		q, err := h.searchOf(c)
		if err != nil {
			return nil, 0, err
		}
		q.Tenant = reqctx.Tenant(ctx)
		page, err := h.reader.Search(ctx, q)
		if err != nil {
			return nil, 0, err
		}
		for i := range page.Rows {
			ids = append(ids, page.Rows[i].TraceID)
		}
	}
	out, err := h.load(ctx, ids)
	return out, len(out), err
}

// trace answers one trace.
func (h *handlers) trace(c *gin.Context) (any, int, error) {
	id, err := traceID(c.Param("id"))
	if err != nil {
		return nil, 0, err
	}
	out, err := h.load(c.Request.Context(), []string{id})
	if err == nil && len(out) == 0 {
		return nil, 0, errs.New(errs.NotFound, "trace not found")
	}
	return out, len(out), err
}

func traceID(s string) (string, error) {
	if s != "" && len(s) <= 32 {
		if raw, err := hex.DecodeString(strings.Repeat("0", 32-len(s)) + s); err == nil {
			return string(raw), nil
		}
	}
	return "", errs.New(errs.Invalid, "the trace id %q does not have up to 32 hexadecimal digits", s)
}

// load returns traces with all their spans, in the order of ids.
func (h *handlers) load(ctx context.Context, ids []string) ([]*trace, error) {
	tenant := reqctx.Tenant(ctx)
	rows, err := h.reader.Traces(ctx, tenant, ids, maxTraceSpans+1, maxAllSpans+1)
	if err != nil {
		return nil, err
	}
	full := len(rows) > maxAllSpans
	rows = rows[:min(len(rows), maxAllSpans)]
	var need []uint64
	seen := map[uint64]bool{}
	for i := range rows {
		if !seen[rows[i].ResourceID] {
			seen[rows[i].ResourceID] = true
			need = append(need, rows[i].ResourceID)
		}
	}
	resources, err := h.deps.DB.Resources(ctx, tenant, need)
	if err != nil {
		return nil, err
	}
	byID := map[string]*trace{}
	for i := range rows {
		t := byID[rows[i].TraceID]
		if t == nil {
			t = newTrace(rows[i].TraceID)
			byID[rows[i].TraceID] = t
		}
		if len(t.Spans) == maxTraceSpans {
			t.warn(fmt.Sprintf("the trace has more than %d spans; the first are shown", maxTraceSpans))
			continue
		}
		t.add(&rows[i], resources[rows[i].ResourceID])
	}
	out := []*trace{}
	for _, id := range ids {
		switch t := byID[id]; {
		case t == nil && full:
			// Left out whole rather than shown without its spans; those that are shown say so.
		case t != nil && !slices.Contains(out, t):
			out = append(out, t)
		}
	}
	if full && len(out) > 0 {
		out[0].warn(fmt.Sprintf("the traces found have more than %d spans; some are not shown", maxAllSpans))
	}
	return out, nil
}

// searchOf reads the parameters of a search.
func (h *handlers) searchOf(c *gin.Context) (q clickhouse.TraceSearch, err error) {
	service := c.Query("service")
	if service == "" {
		return q, errs.New(errs.Invalid, "parameter 'service' is required")
	}
	conds := []traceql.Cond{text(traceql.Field{Scope: traceql.Resource, Name: "service.name"}, service)}
	if op := c.Query("operation"); op != "" && op != "all" {
		conds = append(conds, text(traceql.Field{Scope: traceql.Intrinsic, Name: "name"}, op))
	}
	tags, err := tagsOf(c)
	if err != nil {
		return q, err
	}
	conds = append(conds, tags...)
	for name, cmp := range map[string]traceql.Cmp{"minDuration": traceql.MoreEq, "maxDuration": traceql.LessEq} {
		if s := c.Query(name); s != "" {
			d, err := time.ParseDuration(s)
			if err != nil || d < 0 {
				return q, errs.New(errs.Invalid, "%s: %q is not a duration such as 1.2s, 100ms or 500us", name, s)
			}
			conds = append(conds, traceql.Cond{Field: traceql.Field{Scope: traceql.Intrinsic, Name: "duration"}, Cmp: cmp,
				Value: traceql.Value{Kind: traceql.Duration, Num: float64(d)}})
		}
	}
	if len(conds) > traceql.MaxConditions {
		return q, errs.New(errs.Invalid, "there are more than %d tags", traceql.MaxConditions)
	}
	q.Query = &traceql.Query{Spans: traceql.Set{Cond: &conds[0]}}
	for i := range conds[1:] {
		q.Query.Spans.Cond = &traceql.Cond{Op: traceql.And, Left: q.Query.Spans.Cond, Right: &conds[i+1]}
	}
	q.Limit, q.Budget = defaultTraces, searchBudget
	if s := c.Query("limit"); s != "" {
		if q.Limit, err = strconv.Atoi(s); err != nil || q.Limit < 1 || q.Limit > maxTraces {
			return q, errs.New(errs.Invalid, "limit: %q is not a number from 1 to %d", s, maxTraces)
		}
	}
	q.StartNS, q.EndNS, err = h.times(c)
	return q, err
}

// times reads start and end in microseconds, or lookback before the end.
func (h *handlers) times(c *gin.Context) (startNS, endNS int64, err error) {
	micros := func(name string, or int64) (int64, error) {
		s := c.Query(name)
		if s == "" {
			return or, nil
		}
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 || n > (1<<63-1)/1000 {
			return 0, errs.New(errs.Invalid, "%s: %q is not a number of microseconds", name, s)
		}
		return n * 1000, nil
	}
	if endNS, err = micros("end", h.deps.Now().UnixNano()); err != nil {
		return 0, 0, err
	}
	look := defaultLook
	if s := c.Query("lookback"); s != "" && s != "custom" {
		if look, err = timeparam.Duration(s); err != nil {
			return 0, 0, errs.New(errs.Invalid, "lookback: %q is not a duration such as 1h or 2d", s)
		}
	}
	if startNS, err = micros("start", endNS-int64(look)); err != nil {
		return 0, 0, err
	}
	if startNS > endNS {
		return 0, 0, errs.New(errs.Invalid, "start is after end")
	}
	return startNS, endNS, nil
}

// tagsOf reads tags as JSON and as tag=key:value.
func tagsOf(c *gin.Context) ([]traceql.Cond, error) {
	tags := map[string]any{}
	if s := c.Query("tags"); s != "" {
		if len(s) > traceql.MaxBytes {
			return nil, errs.New(errs.Invalid, "tags has %d bytes; at most %d are read", len(s), traceql.MaxBytes)
		}
		if err := json.Unmarshal([]byte(s), &tags); err != nil {
			return nil, errs.New(errs.Invalid, `malformed 'tags' parameter, cannot unmarshal JSON: %v`, err)
		}
	}
	for _, s := range c.QueryArray("tag") {
		key, value, ok := strings.Cut(s, ":")
		if !ok || key == "" {
			return nil, errs.New(errs.Invalid, "malformed 'tag' parameter, expecting key:value, received: %s", s)
		}
		tags[key] = value
	}
	var out []traceql.Cond
	for _, key := range sortedKeys(tags) {
		out = append(out, tagCond(key, fmt.Sprint(tags[key])))
	}
	return out, nil
}

// tagCond is one tag. Jaeger shows some of what a span has by itself as tags, and so they are looked for.
func tagCond(key, value string) traceql.Cond {
	intrinsic := func(name string) traceql.Field { return traceql.Field{Scope: traceql.Intrinsic, Name: name} }
	status := func(n float64) traceql.Cond {
		return traceql.Cond{Field: intrinsic("status"), Cmp: traceql.Eq, Value: traceql.Value{Kind: traceql.Status, Num: n}}
	}
	attribute := text(traceql.Field{Scope: traceql.Any, Name: key}, value)
	switch {
	case key == "error" && value == "true":
		failed := status(2)
		return traceql.Cond{Op: traceql.Or, Left: &failed, Right: &attribute}
	case key == "span.kind" && slices.Contains(kindNames[:], value):
		n := float64(slices.Index(kindNames[:], value))
		return traceql.Cond{Field: intrinsic("kind"), Cmp: traceql.Eq, Value: traceql.Value{Kind: traceql.Kind, Num: n}}
	case key == "otel.status_code" && (value == "OK" || value == "ERROR"):
		return status(map[string]float64{"OK": 1, "ERROR": 2}[value])
	case key == "otel.status_description":
		return text(intrinsic("statusMessage"), value)
	case key == "otel.scope.name" || key == "otel.library.name":
		return text(intrinsic("scopeName"), value)
	}
	return attribute
}

func text(f traceql.Field, value string) traceql.Cond {
	return traceql.Cond{Field: f, Cmp: traceql.Eq, Value: traceql.Value{Kind: traceql.String, Text: value}}
}
