package tracesapi

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/query/problem"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

// maxSpans bounds one trace as it is given; a waterfall longer than this is not read by anybody.
const maxSpans = 10_000

// Names of OpenTelemetry's enumerations by number.
var (
	statusNames = [...]string{"unset", "ok", "error"}
	kindNames   = [...]string{"unspecified", "internal", "server", "client", "producer", "consumer"}
)

type traceInput struct {
	ID string `path:"id" doc:"32 hexadecimal digits"`
}

// Trace is one trace.
type Trace struct {
	TraceID    string   `json:"trace_id"`
	StartNS    int64    `json:"start_ns"`
	DurationNS int64    `json:"duration_ns"`
	Services   []string `json:"services"`
	Spans      []Span   `json:"spans" doc:"In order of their beginning"`
	Warnings   []string `json:"warnings"`
}

// Span is one span of a trace.
type Span struct {
	SpanID        string            `json:"span_id"`
	ParentSpanID  string            `json:"parent_span_id" doc:"Empty for a root"`
	Service       string            `json:"service"`
	Host          string            `json:"host"`
	Name          string            `json:"name"`
	Kind          string            `json:"kind" enum:"unspecified,internal,server,client,producer,consumer"`
	StartNS       int64             `json:"start_ns"`
	DurationNS    uint64            `json:"duration_ns"`
	Status        string            `json:"status" enum:"unset,ok,error"`
	StatusMessage string            `json:"status_message"`
	Scope         string            `json:"scope" doc:"Instrumentation scope"`
	Attributes    map[string]string `json:"attributes"`
	Resource      map[string]string `json:"resource"`
	Events        []Event           `json:"events"`
	Links         []Link            `json:"links"`
}

// Event is something that happened during a span.
type Event struct {
	TimeNS     int64             `json:"time_ns"`
	Name       string            `json:"name"`
	Attributes map[string]string `json:"attributes"`
}

// Link points to a span that has to do with this one.
type Link struct {
	TraceID    string            `json:"trace_id"`
	SpanID     string            `json:"span_id"`
	Attributes map[string]string `json:"attributes"`
}

type traceOutput struct {
	Body Trace
}

func (h *handlers) trace(ctx context.Context, in *traceInput) (*traceOutput, error) {
	raw, err := hex.DecodeString(in.ID)
	if err != nil || len(raw) != 16 {
		return nil, problem.InvalidField("path.id", "is not 32 hexadecimal digits", in.ID)
	}
	tenant := reqctx.Tenant(ctx)
	rows, err := h.reader.Trace(ctx, tenant, string(raw), maxSpans+1)
	if err != nil {
		return nil, err
	}
	var ids []uint64
	for i := range rows {
		if !slices.Contains(ids, rows[i].ResourceID) {
			ids = append(ids, rows[i].ResourceID)
		}
	}
	resources, err := h.db.Resources(ctx, tenant, ids)
	if err != nil {
		return nil, err
	}
	return &traceOutput{Body: assemble(in.ID, rows, resources)}, nil
}

// assemble turns rows, which are in order of their beginning and at least one, into the answer.
func assemble(id string, rows []clickhouse.SpanRow, resources map[uint64]map[string]string) Trace {
	t := Trace{TraceID: id, Services: []string{}, Warnings: []string{}}
	if len(rows) > maxSpans {
		rows = rows[:maxSpans]
		t.Warnings = append(t.Warnings, fmt.Sprintf("the trace has more than %d spans; the first are shown", maxSpans))
	}
	t.Spans = make([]Span, len(rows))
	known := make(map[string]bool, len(rows))
	for i := range rows {
		known[rows[i].SpanID] = true
	}
	orphans, roots, end := 0, 0, int64(0)
	for i := range rows {
		r := &rows[i]
		t.Spans[i] = span(r, resources[r.ResourceID])
		switch {
		case t.Spans[i].ParentSpanID == "":
			roots++
		case !known[r.ParentSpanID]:
			orphans++
		}
		end = max(end, r.StartNS+int64(r.DurationNS))
		if !slices.Contains(t.Services, r.Service) {
			t.Services = append(t.Services, r.Service)
		}
	}
	t.StartNS = rows[0].StartNS
	t.DurationNS = end - t.StartNS
	if roots == 0 {
		t.Warnings = append(t.Warnings, "the root of the trace has not arrived")
	}
	if orphans > 0 {
		t.Warnings = append(t.Warnings, fmt.Sprintf("%d spans name a parent that has not arrived", orphans))
	}
	return t
}

func span(r *clickhouse.SpanRow, resource map[string]string) Span {
	s := Span{
		SpanID: hex.EncodeToString([]byte(r.SpanID)), ParentSpanID: hexID(r.ParentSpanID), Service: r.Service, Host: r.Host, Name: r.Name,
		Kind: kindNames[min(int(r.Kind), len(kindNames)-1)], StartNS: r.StartNS, DurationNS: r.DurationNS, Status: statusNames[min(int(r.Status), len(statusNames)-1)],
		StatusMessage: r.StatusMessage, Scope: r.ScopeName, Attributes: notNil(r.Attributes), Resource: notNil(resource), Events: []Event{}, Links: []Link{},
	}
	for _, e := range r.Events {
		s.Events = append(s.Events, Event{TimeNS: e.TimeNS, Name: e.Name, Attributes: notNil(e.Attributes)})
	}
	for _, l := range r.Links {
		s.Links = append(s.Links, Link{TraceID: hex.EncodeToString([]byte(l.TraceID)), SpanID: hex.EncodeToString([]byte(l.SpanID)), Attributes: notNil(l.Attributes)})
	}
	return s
}

// hexID returns an id in hexadecimal digits, "" for one of zeros.
func hexID(raw string) string {
	for i := range len(raw) {
		if raw[i] != 0 {
			return hex.EncodeToString([]byte(raw))
		}
	}
	return ""
}

func notNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
