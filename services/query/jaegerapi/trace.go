package jaegerapi

import (
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
)

// kindNames are OpenTelemetry's kinds of spans by number, as Jaeger writes them.
var kindNames = [...]string{"unspecified", "internal", "server", "client", "producer", "consumer"}

func kindName(kind uint8) string {
	if kind == 0 || int(kind) >= len(kindNames) {
		return ""
	}
	return kindNames[kind]
}

type keyValue struct {
	Key   string `json:"key"`
	Type  string `json:"type"`
	Value any    `json:"value"`
}

type reference struct {
	RefType string `json:"refType"`
	TraceID string `json:"traceID"`
	SpanID  string `json:"spanID"`
}

type spanLog struct {
	Timestamp int64      `json:"timestamp"`
	Fields    []keyValue `json:"fields"`
}

type span struct {
	TraceID       string      `json:"traceID"`
	SpanID        string      `json:"spanID"`
	Flags         int         `json:"flags"`
	OperationName string      `json:"operationName"`
	References    []reference `json:"references"`
	StartTime     int64       `json:"startTime"`
	Duration      int64       `json:"duration"`
	Tags          []keyValue  `json:"tags"`
	Logs          []spanLog   `json:"logs"`
	ProcessID     string      `json:"processID"`
	Warnings      []string    `json:"warnings"`
}

type process struct {
	ServiceName string     `json:"serviceName"`
	Tags        []keyValue `json:"tags"`
}

type trace struct {
	TraceID   string             `json:"traceID"`
	Spans     []span             `json:"spans"`
	Processes map[string]process `json:"processes"`
	Warnings  []string           `json:"warnings"`

	byResource map[uint64]string
}

func newTrace(id string) *trace {
	return &trace{TraceID: hex.EncodeToString([]byte(id)), Spans: []span{}, Processes: map[string]process{}, byResource: map[uint64]string{}}
}

// warn notes a warning once.
func (t *trace) warn(text string) {
	if !slices.Contains(t.Warnings, text) {
		t.Warnings = append(t.Warnings, text)
	}
}

// add puts a span into the trace, and its resource among the processes.
func (t *trace) add(r *clickhouse.SpanRow, resource map[string]string) {
	p, ok := t.byResource[r.ResourceID]
	if !ok {
		p = "p" + strconv.Itoa(len(t.Processes)+1)
		t.byResource[r.ResourceID] = p
		rest := maps.Clone(resource)
		delete(rest, "service.name")
		t.Processes[p] = process{ServiceName: r.Service, Tags: tags(rest)}
	}
	s := span{
		TraceID: t.TraceID, SpanID: hex.EncodeToString([]byte(r.SpanID)), Flags: 1, OperationName: r.Name, References: []reference{},
		StartTime: r.StartNS / 1000, Duration: int64(r.DurationNS / 1000), Tags: append(tags(r.Attributes), ownTags(r)...), Logs: []spanLog{}, ProcessID: p,
	}
	if strings.Trim(r.ParentSpanID, "\x00") != "" {
		s.References = append(s.References, reference{RefType: "CHILD_OF", TraceID: t.TraceID, SpanID: hex.EncodeToString([]byte(r.ParentSpanID))})
	}
	for _, l := range r.Links {
		s.References = append(s.References, reference{RefType: "FOLLOWS_FROM", TraceID: hex.EncodeToString([]byte(l.TraceID)), SpanID: hex.EncodeToString([]byte(l.SpanID))})
	}
	for _, e := range r.Events {
		fields := tags(e.Attributes)
		if e.Name != "" {
			fields = append([]keyValue{{"event", "string", e.Name}}, fields...)
		}
		s.Logs = append(s.Logs, spanLog{Timestamp: e.TimeNS / 1000, Fields: fields})
	}
	t.Spans = append(t.Spans, s)
}

// ownTags are what Jaeger shows of a span's own fields.
func ownTags(r *clickhouse.SpanRow) []keyValue {
	var out []keyValue
	add := func(key, value string) {
		if value != "" {
			out = append(out, keyValue{key, "string", value})
		}
	}
	add("span.kind", kindName(r.Kind))
	switch r.Status {
	case 1:
		add("otel.status_code", "OK")
	case 2:
		add("otel.status_code", "ERROR")
		out = append(out, keyValue{"error", "bool", true})
	}
	add("otel.status_description", r.StatusMessage)
	add("otel.scope.name", r.ScopeName)
	add("otel.scope.version", r.ScopeVersion)
	add("w3c.tracestate", r.TraceState)
	return out
}

func tags(m map[string]string) []keyValue {
	out := make([]keyValue, 0, len(m))
	for _, k := range sortedKeys(m) {
		out = append(out, keyValue{k, "string", m[k]})
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
