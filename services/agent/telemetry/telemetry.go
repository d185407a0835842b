// Package telemetry builds OTLP messages for the agent: metric points that share their attribute lists, and valid UTF-8 throughout.
// It knows the wire types of OpenTelemetry only and none of the gRPC stubs, which would double the size of the binary.
package telemetry

import (
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
)

// Attrs is a list of attributes. It is shared between points, so nobody changes one after it was handed to a Builder.
type Attrs = []*commonpb.KeyValue

// Str returns a string attribute; bytes that are not UTF-8 are replaced, since protobuf refuses them.
func Str(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: StrValue(value)}
}

// StrValue returns a string value with bytes that are not UTF-8 replaced.
func StrValue(value string) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: strings.ToValidUTF8(value, "\uFFFD")}}
}

// Int returns an integer attribute.
func Int(key string, value int64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: value}}}
}

// Strs returns string attributes of the names and values in pairs; an odd last name is left out.
func Strs(pairs ...string) Attrs {
	out := make(Attrs, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, Str(pairs[i], pairs[i+1]))
	}
	return out
}

// With returns a new list of base and more; base is left alone.
func With(base Attrs, more ...*commonpb.KeyValue) Attrs {
	out := make(Attrs, 0, len(base)+len(more))
	return append(append(out, base...), more...)
}

// Lookup returns the string value of the first attribute called key, or "".
func Lookup(attrs Attrs, key string) string {
	for _, kv := range attrs {
		if kv.GetKey() == key {
			return kv.GetValue().GetStringValue()
		}
	}
	return ""
}

// Builder collects metric points of one resource and one moment. It is not safe for concurrent use.
type Builder struct {
	timeNS  uint64
	metrics []*metricspb.Metric
	index   map[string]*metricspb.Metric
	points  int
}

// NewBuilder returns a Builder whose points carry the time unixNano.
func NewBuilder(unixNano int64) *Builder {
	return &Builder{timeNS: uint64(unixNano), index: map[string]*metricspb.Metric{}}
}

// Points returns the number of points added so far.
func (b *Builder) Points() int { return b.points }

// Gauge adds a point of a measured value that may go up and down and has no sum.
func (b *Builder) Gauge(name, unit string, value float64, attrs Attrs) {
	m := b.metric(name, unit)
	g, ok := m.Data.(*metricspb.Metric_Gauge)
	if !ok {
		g = &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{}}
		m.Data = g
	}
	p := b.point(0, attrs)
	p.Value = &metricspb.NumberDataPoint_AsDouble{AsDouble: value}
	g.Gauge.DataPoints = append(g.Gauge.DataPoints, p)
}

// Counter adds a point of a monotonic sum that started at startNS.
func (b *Builder) Counter(name, unit string, startNS uint64, value float64, attrs Attrs) {
	p := b.point(startNS, attrs)
	p.Value = &metricspb.NumberDataPoint_AsDouble{AsDouble: value}
	b.sum(name, unit, true, p)
}

// CounterInt is Counter for whole numbers.
func (b *Builder) CounterInt(name, unit string, startNS, value uint64, attrs Attrs) {
	p := b.point(startNS, attrs)
	p.Value = &metricspb.NumberDataPoint_AsInt{AsInt: int64(value)}
	b.sum(name, unit, true, p)
}

// UpDown adds a point of a sum that may also fall, such as bytes in use.
func (b *Builder) UpDown(name, unit string, value int64, attrs Attrs) {
	p := b.point(0, attrs)
	p.Value = &metricspb.NumberDataPoint_AsInt{AsInt: value}
	b.sum(name, unit, false, p)
}

func (b *Builder) sum(name, unit string, monotonic bool, p *metricspb.NumberDataPoint) {
	m := b.metric(name, unit)
	s, ok := m.Data.(*metricspb.Metric_Sum)
	if !ok {
		s = &metricspb.Metric_Sum{Sum: &metricspb.Sum{IsMonotonic: monotonic,
			AggregationTemporality: metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE}}
		m.Data = s
	}
	s.Sum.DataPoints = append(s.Sum.DataPoints, p)
}

func (b *Builder) metric(name, unit string) *metricspb.Metric {
	if m := b.index[name]; m != nil {
		return m
	}
	m := &metricspb.Metric{Name: name, Unit: unit}
	b.index[name] = m
	b.metrics = append(b.metrics, m)
	return m
}

func (b *Builder) point(startNS uint64, attrs Attrs) *metricspb.NumberDataPoint {
	b.points++
	return &metricspb.NumberDataPoint{StartTimeUnixNano: startNS, TimeUnixNano: b.timeNS, Attributes: attrs}
}

// ResourceMetrics returns what was added as one OTLP resource block, or nil when there is nothing.
func (b *Builder) ResourceMetrics(resource Attrs, scope, version string) *metricspb.ResourceMetrics {
	if b.points == 0 {
		return nil
	}
	return &metricspb.ResourceMetrics{
		Resource: &resourcepb.Resource{Attributes: resource},
		ScopeMetrics: []*metricspb.ScopeMetrics{{
			Scope: &commonpb.InstrumentationScope{Name: scope, Version: version}, Metrics: b.metrics}},
	}
}
