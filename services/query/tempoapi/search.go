package tempoapi

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-logfmt/logfmt"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/traceql"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

// Bounds of a search: traces of an answer, and spans shown of each.
const (
	defaultTraces = 20
	maxTraces     = 1000
	defaultSpss   = 3
	maxSpss       = 100
	// searchBudget is how long a search may go on through time that has nothing.
	searchBudget = 20 * time.Second
)

// attribute is OpenTelemetry's key and value in JSON.
type attribute struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
}

func stringAttribute(key, value string) attribute {
	return attribute{Key: key, Value: map[string]string{"stringValue": value}}
}

type foundSpan struct {
	SpanID            string      `json:"spanID"`
	Name              string      `json:"name,omitempty"`
	StartTimeUnixNano string      `json:"startTimeUnixNano"`
	DurationNanos     string      `json:"durationNanos"`
	Attributes        []attribute `json:"attributes,omitempty"`
}

type spanSet struct {
	Spans   []foundSpan `json:"spans"`
	Matched uint64      `json:"matched"`
}

type foundTrace struct {
	TraceID           string    `json:"traceID"`
	RootServiceName   string    `json:"rootServiceName"`
	RootTraceName     string    `json:"rootTraceName"`
	StartTimeUnixNano string    `json:"startTimeUnixNano"`
	DurationMs        int64     `json:"durationMs"`
	SpanSet           *spanSet  `json:"spanSet,omitempty"`
	SpanSets          []spanSet `json:"spanSets,omitempty"`
}

// search answers /api/search: by TraceQL in q, or by tags and durations.
func (h *handlers) search(c *gin.Context) {
	out, searched, err := h.find(c)
	if err != nil {
		fail(c, err)
		return
	}
	body := gin.H{"traces": out, "metrics": gin.H{"inspectedTraces": len(out), "completedJobs": 1, "totalJobs": 1}}
	if searched != 0 {
		body["status"] = "PARTIAL"
		body["message"] = fmt.Sprintf("the search stopped after %s at %s; ask for a shorter time or a rarer condition", searchBudget, time.Unix(0, searched).UTC().Format(time.RFC3339))
	}
	c.JSON(http.StatusOK, body)
}

// find returns the traces found, and how far back was searched when the time for it was up.
func (h *handlers) find(c *gin.Context) ([]foundTrace, int64, error) {
	ctx := c.Request.Context()
	query, err := queryOf(c)
	if err != nil {
		return nil, 0, err
	}
	if query.Metric != nil {
		return nil, 0, errs.WithHint(errs.Invalid, "ask /api/metrics/query_range", "%s is a metrics query", query.Metric.Func)
	}
	limit, err := number(c, "limit", defaultTraces, maxTraces)
	if err != nil {
		return nil, 0, err
	}
	spss, err := number(c, "spss", defaultSpss, maxSpss)
	if err != nil {
		return nil, 0, err
	}
	q := clickhouse.TraceSearch{TraceFilter: clickhouse.TraceFilter{Tenant: reqctx.Tenant(ctx), Query: query}, Limit: limit, Budget: searchBudget}
	if q.StartNS, q.EndNS, err = h.times(c); err != nil {
		return nil, 0, err
	}
	page, err := h.reader.Search(ctx, q)
	if err != nil {
		return nil, 0, err
	}
	sets, err := h.spanSets(ctx, &q.TraceFilter, page.Rows, spss)
	if err != nil {
		return nil, 0, err
	}
	out := make([]foundTrace, len(page.Rows))
	for i := range page.Rows {
		r := &page.Rows[i]
		out[i] = foundTrace{
			TraceID: hex.EncodeToString([]byte(r.TraceID)), RootServiceName: r.RootService, RootTraceName: r.RootOperation,
			StartTimeUnixNano: strconv.FormatInt(r.StartNS, 10), DurationMs: (r.EndNS - r.StartNS) / 1e6,
		}
		if !r.HasRoot {
			out[i].RootServiceName, out[i].RootTraceName = "<root span not yet received>", ""
		}
		if set := sets[r.TraceID]; set != nil {
			set.Matched = r.Matched
			out[i].SpanSet, out[i].SpanSets = set, []spanSet{*set}
		}
	}
	return out, page.SearchedNS, nil
}

// queryOf reads what to find.
func queryOf(c *gin.Context) (*traceql.Query, error) {
	if q := strings.TrimSpace(c.Query("q")); q != "" {
		return traceql.Parse(q)
	}
	return tagQuery(c.Query("tags"), c.Query("minDuration"), c.Query("maxDuration"))
}

// tagQuery turns the older parameters into a query: tags in logfmt that one span or its resource must have, and durations of the trace.
func tagQuery(tags, minDuration, maxDuration string) (*traceql.Query, error) {
	if len(tags) > traceql.MaxBytes {
		return nil, errs.New(errs.Invalid, "tags has %d bytes; at most %d are read", len(tags), traceql.MaxBytes)
	}
	var conds []traceql.Cond
	dec := logfmt.NewDecoder(strings.NewReader(tags))
	for dec.ScanRecord() {
		for dec.ScanKeyval() {
			conds = append(conds, tagCond(string(dec.Key()), string(dec.Value())))
		}
	}
	if err := dec.Err(); err != nil {
		return nil, errs.WithHint(errs.Invalid, `write tags as service.name=shop http.status_code=500`, "tags: %v", err)
	}
	for _, d := range []struct {
		name, text string
		cmp        traceql.Cmp
	}{{"minDuration", minDuration, traceql.MoreEq}, {"maxDuration", maxDuration, traceql.LessEq}} {
		if d.text == "" {
			continue
		}
		v, err := time.ParseDuration(d.text)
		if err != nil || v < 0 {
			return nil, errs.New(errs.Invalid, "%s: %q is not a duration such as 250ms", d.name, d.text)
		}
		conds = append(conds, traceql.Cond{Field: traceql.Field{Scope: traceql.Intrinsic, Name: "traceDuration"}, Cmp: d.cmp,
			Value: traceql.Value{Kind: traceql.Duration, Num: float64(v)}})
	}
	if len(conds) > traceql.MaxConditions {
		return nil, errs.New(errs.Invalid, "there are more than %d tags", traceql.MaxConditions)
	}
	q := &traceql.Query{}
	for i := range conds {
		if q.Spans.Cond == nil {
			q.Spans.Cond = &conds[i]
			continue
		}
		q.Spans.Cond = &traceql.Cond{Op: traceql.And, Left: q.Spans.Cond, Right: &conds[i]}
	}
	return q, nil
}

// tagCond is one tag. A few names stand for what spans have by themselves.
func tagCond(key, value string) traceql.Cond {
	text := traceql.Value{Kind: traceql.String, Text: value}
	f := traceql.Field{Scope: traceql.Any, Name: key}
	switch key {
	case "name":
		f = traceql.Field{Scope: traceql.Intrinsic, Name: "name"}
	case "root.name":
		f = traceql.Field{Scope: traceql.Intrinsic, Name: "rootName"}
	case "root.service.name":
		f = traceql.Field{Scope: traceql.Intrinsic, Name: "rootServiceName"}
	case "error", "status.code", "status":
		status := map[string]float64{"true": 2, "error": 2, "ok": 1, "unset": 0}
		if n, ok := status[value]; ok {
			return traceql.Cond{Field: traceql.Field{Scope: traceql.Intrinsic, Name: "status"}, Cmp: traceql.Eq, Value: traceql.Value{Kind: traceql.Status, Num: n}}
		}
	}
	return traceql.Cond{Field: f, Cmp: traceql.Eq, Value: text}
}

// number reads a positive number with a bound.
func number(c *gin.Context, name string, or, most int) (int, error) {
	s := c.Query(name)
	if s == "" || s == "0" {
		return or, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > most {
		return 0, errs.New(errs.Invalid, "%s: %q is not a number from 1 to %d", name, s, most)
	}
	return n, nil
}

// spanSets returns, by trace, the first spans that the query asks for, with the attributes that it names.
func (h *handlers) spanSets(ctx context.Context, f *clickhouse.TraceFilter, traces []clickhouse.TraceRow, spss int) (map[string]*spanSet, error) {
	ids := make([]string, len(traces))
	for i := range traces {
		ids[i] = traces[i].TraceID
	}
	rows, err := h.reader.Matched(ctx, f, ids, spss)
	if err != nil {
		return nil, err
	}
	fields := f.Query.Fields()
	resources := map[uint64]map[string]string{}
	if slices.ContainsFunc(fields, func(f traceql.Field) bool { return f.Scope == traceql.Resource || f.Scope == traceql.Any }) {
		var need []uint64
		for i := range rows {
			if _, ok := resources[rows[i].ResourceID]; !ok {
				resources[rows[i].ResourceID] = nil
				need = append(need, rows[i].ResourceID)
			}
		}
		if resources, err = h.deps.DB.Resources(ctx, f.Tenant, need); err != nil {
			return nil, err
		}
	}
	out := map[string]*spanSet{}
	for i := range rows {
		r := &rows[i]
		set := out[r.TraceID]
		if set == nil {
			set = &spanSet{}
			out[r.TraceID] = set
		}
		set.Spans = append(set.Spans, foundSpan{
			SpanID: hex.EncodeToString([]byte(r.SpanID)), Name: r.Name, StartTimeUnixNano: strconv.FormatInt(r.StartNS, 10),
			DurationNanos: strconv.FormatUint(r.DurationNS, 10), Attributes: shown(fields, r, resources[r.ResourceID]),
		})
	}
	return out, nil
}

// Names of OpenTelemetry's enumerations by number.
var (
	statusNames = [...]string{"unset", "ok", "error"}
	kindNames   = [...]string{"unspecified", "internal", "server", "client", "producer", "consumer"}
)

// shown returns what a span has of the fields that a query names. The service is always of use.
func shown(fields []traceql.Field, r *clickhouse.SpanRow, resource map[string]string) []attribute {
	out := []attribute{}
	if r.Service != "" {
		out = append(out, stringAttribute("service.name", r.Service))
	}
	for _, f := range fields {
		switch {
		case f.Scope == traceql.Intrinsic && f.Name == "status":
			out = append(out, stringAttribute("status", statusNames[min(r.Status, 2)]))
		case f.Scope == traceql.Intrinsic && f.Name == "kind":
			out = append(out, stringAttribute("kind", kindNames[min(r.Kind, 5)]))
		case f.Scope == traceql.Intrinsic && f.Name == "statusMessage":
			out = append(out, stringAttribute("statusMessage", r.StatusMessage))
		case f.Scope == traceql.Intrinsic || f.Name == "service.name":
		default:
			if v, ok := r.Attributes[f.Name]; ok && f.Scope != traceql.Resource {
				out = append(out, stringAttribute(f.Name, v))
			} else if v, ok := resource[f.Name]; ok && f.Scope != traceql.Span {
				out = append(out, stringAttribute(f.Name, v))
			}
		}
	}
	return out
}
