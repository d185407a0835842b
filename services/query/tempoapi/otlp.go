package tempoapi

import (
	"maps"
	"slices"
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
)

// otlp puts spans into OpenTelemetry's form, by resource and scope. Attributes are strings, which is how they are stored.
func otlp(rows []clickhouse.SpanRow, resources map[uint64]map[string]string) *tracepb.TracesData {
	type scope struct {
		resource      uint64
		name, version string
	}
	byResource := map[uint64]*tracepb.ResourceSpans{}
	byScope := map[scope]*tracepb.ScopeSpans{}
	out := &tracepb.TracesData{}
	for i := range rows {
		r := &rows[i]
		rs := byResource[r.ResourceID]
		if rs == nil {
			rs = &tracepb.ResourceSpans{Resource: &resourcepb.Resource{Attributes: attributes(withService(resources[r.ResourceID], r.Service))}}
			byResource[r.ResourceID] = rs
			out.ResourceSpans = append(out.ResourceSpans, rs)
		}
		key := scope{r.ResourceID, r.ScopeName, r.ScopeVersion}
		ss := byScope[key]
		if ss == nil {
			ss = &tracepb.ScopeSpans{Scope: &commonpb.InstrumentationScope{Name: valid(r.ScopeName), Version: valid(r.ScopeVersion)}}
			byScope[key] = ss
			rs.ScopeSpans = append(rs.ScopeSpans, ss)
		}
		ss.Spans = append(ss.Spans, span(r))
	}
	return out
}

// withService returns the attributes of a resource; the service is known by itself where the resource is not stored.
func withService(attrs map[string]string, service string) map[string]string {
	if attrs["service.name"] != "" || service == "" {
		return attrs
	}
	out := maps.Clone(attrs)
	if out == nil {
		out = map[string]string{}
	}
	out["service.name"] = service
	return out
}

func span(r *clickhouse.SpanRow) *tracepb.Span {
	s := &tracepb.Span{
		TraceId: []byte(r.TraceID), SpanId: []byte(r.SpanID), TraceState: valid(r.TraceState), Name: valid(r.Name),
		Kind: tracepb.Span_SpanKind(min(r.Kind, 5)), StartTimeUnixNano: uint64(r.StartNS), EndTimeUnixNano: uint64(r.StartNS) + r.DurationNS,
		Attributes: attributes(r.Attributes), Status: &tracepb.Status{Code: tracepb.Status_StatusCode(min(r.Status, 2)), Message: valid(r.StatusMessage)},
	}
	if strings.Trim(r.ParentSpanID, "\x00") != "" {
		s.ParentSpanId = []byte(r.ParentSpanID)
	}
	for _, e := range r.Events {
		s.Events = append(s.Events, &tracepb.Span_Event{TimeUnixNano: uint64(e.TimeNS), Name: valid(e.Name), Attributes: attributes(e.Attributes)})
	}
	for _, l := range r.Links {
		s.Links = append(s.Links, &tracepb.Span_Link{TraceId: []byte(l.TraceID), SpanId: []byte(l.SpanID), Attributes: attributes(l.Attributes)})
	}
	return s
}

func attributes(m map[string]string) []*commonpb.KeyValue {
	out := make([]*commonpb.KeyValue, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, &commonpb.KeyValue{Key: valid(k), Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: valid(m[k])}}})
	}
	return out
}

// valid makes a string fit for protobuf, which takes UTF-8 only.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
