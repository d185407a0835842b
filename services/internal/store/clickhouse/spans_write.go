package clickhouse

import (
	"context"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/model"
)

// InsertSpans stores decoded batches: one INSERT into spans (materialized views fill the lookup tables under the same token) and,
// where resources have not been stored lately, one into resources. Repeating a call with the same token and batches stores nothing
// twice.
func (d *DB) InsertSpans(ctx context.Context, token string, batches []*model.Spans) error {
	fresh := d.resources.unseenSpans(batches)
	if err := d.insertResources(ctx, token, fresh); err != nil {
		return err
	}
	c := newSpanColumns()
	for _, b := range batches {
		for i := range b.Spans {
			c.append(b, &b.Spans[i])
		}
	}
	return d.insert(ctx, "spans", token, c.input())
}

// mapColumn is a column of maps whose rows are appended label by label.
type mapColumn struct {
	keys   *proto.ColLowCardinality[string]
	values *proto.ColStr
	col    *proto.ColMap[string, string]
}

func newMapColumn() mapColumn {
	m := mapColumn{keys: new(proto.ColStr).LowCardinality(), values: new(proto.ColStr)}
	m.col = proto.NewMap[string, string](m.keys, m.values)
	return m
}

func (m *mapColumn) append(ls []model.Label) {
	for i := range ls {
		m.keys.Append(ls[i].Name)
		m.values.Append(ls[i].Value)
	}
	m.col.Offsets = append(m.col.Offsets, uint64(len(m.keys.Values)))
}

// spanColumns is one block of the table spans.
type spanColumns struct {
	tenant                             proto.ColUInt32
	ts                                 proto.ColDateTime64
	trace, span, parent                proto.ColFixedStr
	resource, duration                 proto.ColUInt64
	service, host, name, scope, scopeV *proto.ColLowCardinality[string]
	kind, status                       proto.ColUInt8
	message, state                     proto.ColStr
	attributes                         mapColumn

	eventTimes *proto.ColArr[proto.DateTime64]
	eventTime  *rawNanos
	eventName  proto.ColStr
	eventNames *proto.ColArr[string]
	eventAttr  mapColumn
	eventAttrs *proto.ColArr[map[string]string]

	linkTrace, linkSpan   proto.ColFixedStr
	linkTraces, linkSpans *proto.ColArr[[]byte]
	linkAttr              mapColumn
	linkAttrs             *proto.ColArr[map[string]string]
}

// rawNanos is a DateTime64(9) column of raw values that can be an array's data.
type rawNanos struct{ proto.ColDateTime64 }

// Append appends a raw value.
func (c *rawNanos) Append(v proto.DateTime64) { c.AppendRaw(v) }

// AppendArr appends raw values.
func (c *rawNanos) AppendArr(vs []proto.DateTime64) { c.Data = append(c.Data, vs...) }

// Row returns a raw value.
func (c *rawNanos) Row(i int) proto.DateTime64 { return c.Data[i] }

func newSpanColumns() *spanColumns {
	dict := func() *proto.ColLowCardinality[string] { return new(proto.ColStr).LowCardinality() }
	c := &spanColumns{
		ts:    proto.ColDateTime64{Precision: proto.PrecisionNano, PrecisionSet: true},
		trace: proto.ColFixedStr{Size: 16}, span: proto.ColFixedStr{Size: 8}, parent: proto.ColFixedStr{Size: 8},
		service: dict(), host: dict(), name: dict(), scope: dict(), scopeV: dict(), attributes: newMapColumn(),
		eventTime: &rawNanos{proto.ColDateTime64{Precision: proto.PrecisionNano, PrecisionSet: true}}, eventAttr: newMapColumn(),
		linkTrace: proto.ColFixedStr{Size: 16}, linkSpan: proto.ColFixedStr{Size: 8}, linkAttr: newMapColumn(),
	}
	c.eventTimes = proto.NewArray[proto.DateTime64](c.eventTime)
	c.eventNames = proto.NewArray[string](&c.eventName)
	c.eventAttrs = proto.NewArray[map[string]string](c.eventAttr.col)
	c.linkTraces = proto.NewArray[[]byte](&c.linkTrace)
	c.linkSpans = proto.NewArray[[]byte](&c.linkSpan)
	c.linkAttrs = proto.NewArray[map[string]string](c.linkAttr.col)
	return c
}

func (c *spanColumns) append(b *model.Spans, s *model.Span) {
	r := &b.Resources[s.ResourceIdx]
	c.tenant = append(c.tenant, uint32(b.Tenant))
	c.ts.AppendRaw(proto.DateTime64(s.StartNS))
	c.trace.Buf = appendID(c.trace.Buf, s.TraceID, 16)
	c.span.Buf = appendID(c.span.Buf, s.SpanID, 8)
	c.parent.Buf = appendID(c.parent.Buf, s.ParentSpanID, 8)
	c.resource, c.duration = append(c.resource, r.ID), append(c.duration, uint64(s.DurationNS))
	c.service.Append(r.Service)
	c.host.Append(r.Host)
	c.name.Append(s.Name)
	c.scope.Append(s.ScopeName)
	c.scopeV.Append(s.ScopeVersion)
	c.kind, c.status = append(c.kind, s.Kind), append(c.status, s.StatusCode)
	c.message.Append(s.StatusMessage)
	c.state.Append(s.TraceState)
	c.attributes.append(s.Attributes)
	for i := range s.Events {
		e := &s.Events[i]
		c.eventTime.AppendRaw(proto.DateTime64(e.TimeNS))
		c.eventName.Append(e.Name)
		c.eventAttr.append(e.Attributes)
	}
	events := uint64(c.eventName.Rows())
	c.eventTimes.Offsets, c.eventNames.Offsets = append(c.eventTimes.Offsets, events), append(c.eventNames.Offsets, events)
	c.eventAttrs.Offsets = append(c.eventAttrs.Offsets, events)
	for i := range s.Links {
		l := &s.Links[i]
		c.linkTrace.Buf = appendID(c.linkTrace.Buf, l.TraceID, 16)
		c.linkSpan.Buf = appendID(c.linkSpan.Buf, l.SpanID, 8)
		c.linkAttr.append(l.Attributes)
	}
	links := uint64(c.linkSpan.Rows())
	c.linkTraces.Offsets, c.linkSpans.Offsets = append(c.linkTraces.Offsets, links), append(c.linkSpans.Offsets, links)
	c.linkAttrs.Offsets = append(c.linkAttrs.Offsets, links)
}

func (c *spanColumns) input() proto.Input {
	return proto.Input{
		{Name: "tenant_id", Data: c.tenant}, {Name: "ts", Data: &c.ts}, {Name: "trace_id", Data: &c.trace}, {Name: "span_id", Data: &c.span},
		{Name: "parent_span_id", Data: &c.parent}, {Name: "resource_id", Data: c.resource}, {Name: "service", Data: c.service}, {Name: "host", Data: c.host},
		{Name: "name", Data: c.name}, {Name: "kind", Data: c.kind}, {Name: "duration_ns", Data: c.duration}, {Name: "status", Data: c.status},
		{Name: "status_message", Data: c.message}, {Name: "trace_state", Data: c.state}, {Name: "scope_name", Data: c.scope}, {Name: "scope_version", Data: c.scopeV},
		{Name: "attributes", Data: c.attributes.col}, {Name: "event_times", Data: c.eventTimes}, {Name: "event_names", Data: c.eventNames},
		{Name: "event_attributes", Data: c.eventAttrs}, {Name: "link_trace_ids", Data: c.linkTraces}, {Name: "link_span_ids", Data: c.linkSpans},
		{Name: "link_attributes", Data: c.linkAttrs},
	}
}
