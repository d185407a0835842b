package clickhouse

import (
	"context"
	"strings"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/traceql"
	"github.com/faultline-io/faultline/services/model"
)

// SpanReader reads spans and traces. It is safe for concurrent use.
type SpanReader struct {
	db *DB
}

// NewSpanReader returns a reader of db.
func NewSpanReader(db *DB) *SpanReader { return &SpanReader{db: db} }

// SpanRow is one span as stored; ids are raw bytes, ParentSpanID is zeros for a root.
type SpanRow struct {
	TraceID, SpanID, ParentSpanID string
	ResourceID                    uint64
	Service, Host, Name           string
	Kind, Status                  uint8
	StartNS                       int64
	DurationNS                    uint64
	StatusMessage, TraceState     string
	ScopeName, ScopeVersion       string
	Attributes                    map[string]string
	Events                        []SpanEventRow
	Links                         []SpanLinkRow
}

// SpanEventRow is one event of a span.
type SpanEventRow struct {
	TimeNS     int64
	Name       string
	Attributes map[string]string
}

// SpanLinkRow points to another span.
type SpanLinkRow struct {
	TraceID, SpanID string
	Attributes      map[string]string
}

const selectTraceTime = `
SELECT
    toUnixTimestamp64Nano(min(min_ts)) AS first,
    toUnixTimestamp64Nano(max(max_ts)) AS last,
    sum(spans) AS n
FROM trace_index
WHERE tenant_id = {tenant:UInt32}
  AND trace_id IN (SELECT toFixedString(unhex(arrayJoin({ids:Array(String)})), 16))
LIMIT 1`

// traceTime returns when the spans of traces began, first and last; ok is false when nothing is known of any of them.
func (r *SpanReader) traceTime(ctx context.Context, tenant model.TenantID, ids []string) (first, last int64, ok bool, err error) {
	var p params
	p.uint("tenant", uint64(tenant))
	p.strs("ids", hexAll(ids))
	var a, b proto.ColInt64
	var n proto.ColUInt64
	err = r.db.read(ctx, tenant, chgo.Query{
		Body: selectTraceTime, Parameters: p, Result: proto.Results{{Name: "first", Data: &a}, {Name: "last", Data: &b}, {Name: "n", Data: &n}},
	}, func(int) error {
		first, last, ok = a[0], b[0], n[0] > 0
		return nil
	})
	return first, last, ok, err
}

func hexAll(raw []string) []string {
	out := make([]string, len(raw))
	for i, s := range raw {
		out[i] = hexOf(s)
	}
	return out
}

// spanColumnList is what spanBlock reads.
const spanColumnList = `
    toUnixTimestamp64Nano(ts) AS start_ns,
    trace_id,
    span_id,
    parent_span_id,
    resource_id,
    CAST(service, 'String') AS service_name,
    CAST(host, 'String') AS host_name,
    CAST(name, 'String') AS span_name,
    kind,
    duration_ns,
    status,
    status_message,
    trace_state,
    CAST(scope_name, 'String') AS scope,
    CAST(scope_version, 'String') AS scope_v,
    attributes,
    arrayMap(t -> toUnixTimestamp64Nano(t), event_times) AS event_ns,
    event_names,
    event_attributes,
    link_trace_ids,
    link_span_ids,
    link_attributes`

// Senders repeat spans when they are not sure that one arrived, so one row a span id is taken.
const selectTrace = `
SELECT` + spanColumnList + `
FROM spans
WHERE tenant_id = {tenant:UInt32}
  AND trace_id = toFixedString(unhex({trace:String}), 16)
  AND ` + timeBounds + `
ORDER BY ts, span_id
LIMIT 1 BY span_id
LIMIT {limit:UInt64}`

// Trace returns up to limit spans of a trace in order of their beginning. Errors: errs.NotFound when there is no span of it.
func (r *SpanReader) Trace(ctx context.Context, tenant model.TenantID, traceID string, limit int) ([]SpanRow, error) {
	first, last, ok, err := r.traceTime(ctx, tenant, []string{traceID})
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errs.WithHint(errs.NotFound, "check the id, the retention of spans, and whether the services that took part send traces here",
			"no span of trace %s is stored", hexOf(traceID))
	}
	var p params
	p.uint("tenant", uint64(tenant))
	p.str("trace", hexOf(traceID))
	p.int("start", first)
	p.int("end", last)
	p.uint("limit", uint64(limit))
	block := newSpanBlock()
	var out []SpanRow
	err = r.db.read(ctx, tenant, chgo.Query{Body: selectTrace, Parameters: p, Result: block.results()}, func(rows int) error {
		for i := range rows {
			out = append(out, block.row(i))
		}
		return nil
	})
	return out, err
}

// spanBlock is one block of a result of selectTrace.
type spanBlock struct {
	start                           proto.ColInt64
	trace, span, parent             proto.ColFixedStr
	resource, duration              proto.ColUInt64
	service, host, name, message    proto.ColStr
	state, scope, scopeV            proto.ColStr
	kind, status                    proto.ColUInt8
	attributes                      *proto.ColMap[string, string]
	eventNS                         *proto.ColArr[int64]
	eventNames                      *proto.ColArr[string]
	eventAttributes, linkAttributes *proto.ColArr[map[string]string]
	linkTraces, linkSpans           *proto.ColArr[[]byte]
}

func newSpanBlock() *spanBlock {
	dictMap := func() *proto.ColMap[string, string] {
		return proto.NewMap[string, string](new(proto.ColStr).LowCardinality(), new(proto.ColStr))
	}
	return &spanBlock{
		trace: proto.ColFixedStr{Size: 16}, span: proto.ColFixedStr{Size: 8}, parent: proto.ColFixedStr{Size: 8}, attributes: dictMap(),
		eventNS: new(proto.ColInt64).Array(), eventNames: new(proto.ColStr).Array(),
		eventAttributes: proto.NewArray[map[string]string](dictMap()), linkAttributes: proto.NewArray[map[string]string](dictMap()),
		linkTraces: proto.NewArray[[]byte](&proto.ColFixedStr{Size: 16}), linkSpans: proto.NewArray[[]byte](&proto.ColFixedStr{Size: 8}),
	}
}

func (c *spanBlock) results() proto.Results {
	return proto.Results{
		{Name: "start_ns", Data: &c.start}, {Name: "trace_id", Data: &c.trace}, {Name: "span_id", Data: &c.span}, {Name: "parent_span_id", Data: &c.parent},
		{Name: "resource_id", Data: &c.resource}, {Name: "service_name", Data: &c.service}, {Name: "host_name", Data: &c.host}, {Name: "span_name", Data: &c.name},
		{Name: "kind", Data: &c.kind}, {Name: "duration_ns", Data: &c.duration}, {Name: "status", Data: &c.status}, {Name: "status_message", Data: &c.message},
		{Name: "trace_state", Data: &c.state}, {Name: "scope", Data: &c.scope}, {Name: "scope_v", Data: &c.scopeV}, {Name: "attributes", Data: c.attributes},
		{Name: "event_ns", Data: c.eventNS}, {Name: "event_names", Data: c.eventNames}, {Name: "event_attributes", Data: c.eventAttributes},
		{Name: "link_trace_ids", Data: c.linkTraces}, {Name: "link_span_ids", Data: c.linkSpans}, {Name: "link_attributes", Data: c.linkAttributes},
	}
}

func (c *spanBlock) row(i int) SpanRow {
	s := SpanRow{
		TraceID: string(c.trace.Row(i)), SpanID: string(c.span.Row(i)), ParentSpanID: string(c.parent.Row(i)), ResourceID: c.resource[i],
		Service: c.service.Row(i), Host: c.host.Row(i), Name: c.name.Row(i), Kind: c.kind[i], Status: c.status[i], StartNS: c.start[i], DurationNS: c.duration[i],
		StatusMessage: c.message.Row(i), TraceState: c.state.Row(i), ScopeName: c.scope.Row(i), ScopeVersion: c.scopeV.Row(i), Attributes: c.attributes.Row(i),
	}
	names, attrs := c.eventNames.Row(i), c.eventAttributes.Row(i)
	for j, t := range c.eventNS.Row(i) {
		s.Events = append(s.Events, SpanEventRow{TimeNS: t, Name: names[j], Attributes: attrs[j]})
	}
	spans, linkAttrs := c.linkSpans.Row(i), c.linkAttributes.Row(i)
	for j, t := range c.linkTraces.Row(i) {
		s.Links = append(s.Links, SpanLinkRow{TraceID: string(t), SpanID: string(spans[j]), Attributes: linkAttrs[j]})
	}
	return s
}

// TraceFilter says which traces a question is about: those with one span that has all of it. Without a service or an operation, the
// durations are those of roots.
type TraceFilter struct {
	Tenant             model.TenantID
	StartNS, EndNS     int64
	Service, Operation string
	// Status is 0 for any, else OpenTelemetry's status code and one: 1 unset, 2 ok, 3 error.
	Status                       uint8
	MinDurationNS, MaxDurationNS uint64
	// Query is what to find in TraceQL, beside the rest; nil is nothing more.
	Query *traceql.Query
	// find is the part of Query by which traces are looked for before all of it is checked; nil is any span that it asks for.
	find *traceql.Set
	// wholeNS, when set, leaves out traces that cannot be as long.
	wholeNS int64
}

// spanCondition returns what a span must have, without time and tenant. Every value is a parameter.
func (f *TraceFilter) spanCondition(p *params) string {
	var b strings.Builder
	b.WriteString("1")
	if f.Service != "" {
		b.WriteString(" AND service = {service:String}")
		p.str("service", f.Service)
	}
	if f.Operation != "" {
		b.WriteString(" AND name = {operation:String}")
		p.str("operation", f.Operation)
	}
	if f.Status > 0 {
		b.WriteString(" AND status = {status:UInt8}")
		p.uint("status", uint64(f.Status-1))
	}
	if f.MinDurationNS > 0 {
		b.WriteString(" AND duration_ns >= {min_duration:UInt64}")
		p.uint("min_duration", f.MinDurationNS)
	}
	if f.MaxDurationNS > 0 {
		b.WriteString(" AND duration_ns <= {max_duration:UInt64}")
		p.uint("max_duration", f.MaxDurationNS)
	}
	if f.Service == "" && f.Operation == "" && (f.MinDurationNS > 0 || f.MaxDurationNS > 0) {
		b.WriteString(" AND parent_span_id = toFixedString('', 8)")
	}
	if f.Query != nil {
		c := &spanCompiler{p: p, prefix: "f"}
		find := f.find
		if find == nil {
			find = &f.Query.Spans
		}
		b.WriteString(" AND " + c.any(find))
	}
	return b.String()
}
