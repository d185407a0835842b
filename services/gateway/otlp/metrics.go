package otlp

import (
	"context"

	"github.com/prometheus/otlptranslator"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/series"
	"github.com/faultline-io/faultline/services/gateway/wire"
	"github.com/faultline-io/faultline/services/model"
)

// Metrics publishes the ExportMetricsServiceRequest in body. What is refused is counted in req; a malformed message is
// errs.Invalid. body may be reused afterwards.
func (r *Receiver) Metrics(ctx context.Context, req *intake.Request, body []byte) error {
	b := r.core.Metrics(req)
	defer b.Close()
	w := &metricWalk{r: r, b: b, req: req, delta: deltaTx{all: r.deltas, tenant: req.Tenant, nowSec: uint32(req.ReceivedAt.Unix())}}
	defer w.delta.end()
	b.Flushed = w.delta.commit
	b.Shard = func(*series.Labels) uint64 { return w.resource }
	m := wire.Read(body)
	for m.Next() {
		if !m.Is(1, wire.Bytes) {
			continue
		}
		if err := w.resourceMetrics(ctx, m.Data); err != nil {
			return malformed("metrics", err)
		}
	}
	if m.Err() != nil {
		return malformed("metrics", m.Err())
	}
	return b.Flush(ctx)
}

// metricWalk walks one request.
type metricWalk struct {
	r     *Receiver
	b     *intake.Metrics
	req   *intake.Request
	delta deltaTx

	// resource is the shard hash of the current resource; base are the labels that all its series have.
	resource uint64
	base     []model.Label
	newestMS int64
	// metric is the metric being walked; point the point.
	metric metric
	point  point
}

type metric struct {
	name, unit, help string
	family           string
	delta            bool
}

func (w *metricWalk) resourceMetrics(ctx context.Context, data []byte) error {
	attrs, err := resourceAttributes(data, w.r.core, w.req, model.SignalMetrics)
	if err != nil {
		return err
	}
	attrs, reason := w.req.Resource(model.SignalMetrics, attrs)
	w.b.Drop(reason)
	w.setResource(attrs)
	m := wire.Read(data)
	for m.Next() {
		if !m.Is(2, wire.Bytes) {
			continue
		}
		f := wire.Read(m.Data)
		for f.Next() {
			if !f.Is(2, wire.Bytes) {
				continue
			}
			if err := w.oneMetric(ctx, f.Data); err != nil {
				return err
			}
		}
		if f.Err() != nil {
			return f.Err()
		}
	}
	if m.Err() != nil {
		return m.Err()
	}
	w.targetInfo(attrs)
	return w.b.Split(ctx)
}

// setResource computes the labels that all series of a resource have: the promoted attributes, job and instance. A resource
// without a service, as our agent's, has no job, and its host is its instance.
func (w *metricWalk) setResource(attrs []model.Label) {
	w.resource = model.ResourceHash(attrs)
	w.newestMS = 0
	w.base = w.base[:0]
	for i := range attrs {
		if isPromoted(attrs[i].Name) {
			w.base = append(w.base, model.Label{Name: w.r.names.labelName(attrs[i].Name), Value: attrs[i].Value})
		}
	}
	service := model.Lookup(attrs, model.AttrServiceName)
	job := service
	if ns := model.Lookup(attrs, model.AttrServiceNS); ns != "" && job != "" {
		job = ns + "/" + job
	}
	instance := model.Lookup(attrs, model.AttrServiceInstance)
	if instance == "" && service == "" {
		instance = model.Lookup(attrs, model.AttrHostName)
	}
	w.base = append(w.base, model.Label{Name: model.LabelJob, Value: job}, model.Label{Name: model.LabelInstance, Value: instance})
}

func (w *metricWalk) oneMetric(ctx context.Context, data []byte) error {
	w.metric = metric{}
	var kind int
	var body []byte
	m := wire.Read(data)
	for m.Next() {
		switch {
		case m.Is(1, wire.Bytes):
			w.metric.name = m.String()
		case m.Is(2, wire.Bytes):
			w.metric.help = m.String()
		case m.Is(3, wire.Bytes):
			w.metric.unit = m.String()
		case m.Type == wire.Bytes && (m.Field == 5 || m.Field == 7 || m.Field == 9 || m.Field == 10 || m.Field == 11):
			kind, body = m.Field, m.Data
		}
	}
	if m.Err() != nil {
		return m.Err()
	}
	return w.points(ctx, kind, body)
}

// What the fields of a metric's data say besides their points.
const (
	fieldGauge       = 5
	fieldSum         = 7
	fieldHistogram   = 9
	fieldExponential = 10
	fieldSummary     = 11

	temporalityDelta      = 1
	temporalityCumulative = 2
)

// points walks the data points of one metric.
func (w *metricWalk) points(ctx context.Context, kind int, body []byte) error {
	temporality, monotonic, n := uint64(0), false, 0
	m := wire.Read(body)
	for m.Next() {
		switch {
		case m.Is(1, wire.Bytes):
			n++
		case m.Is(2, wire.Varint):
			temporality = m.Num
		case m.Is(3, wire.Varint):
			monotonic = m.Num != 0
		}
	}
	if m.Err() != nil {
		return m.Err()
	}
	if reason := w.name(kind, temporality, monotonic); reason != "" {
		w.req.Reject(model.SignalMetrics, reason, max(n, 1))
		return nil
	}
	m = wire.Read(body)
	for m.Next() {
		if !m.Is(1, wire.Bytes) {
			continue
		}
		if err := w.onePoint(kind, m.Data); err != nil {
			return err
		}
		if err := w.b.Split(ctx); err != nil {
			return err
		}
	}
	return m.Err()
}

// name gives the current metric its family and metadata, or returns why its points are refused.
func (w *metricWalk) name(kind int, temporality uint64, monotonic bool) string {
	var t otlptranslator.MetricType = otlptranslator.MetricTypeUnknown
	promType := "unknown"
	switch kind {
	case fieldGauge:
		t, promType = otlptranslator.MetricTypeGauge, "gauge"
	case fieldSum:
		t, promType = otlptranslator.MetricTypeNonMonotonicCounter, "gauge"
		if monotonic {
			t, promType = otlptranslator.MetricTypeMonotonicCounter, "counter"
		}
	case fieldHistogram:
		t, promType = otlptranslator.MetricTypeHistogram, "histogram"
	case fieldExponential:
		t, promType = otlptranslator.MetricTypeExponentialHistogram, "histogram"
	case fieldSummary:
		t, promType = otlptranslator.MetricTypeSummary, "summary"
	default:
		return limits.InvalidType
	}
	if kind == fieldSum || kind == fieldHistogram || kind == fieldExponential {
		if temporality != temporalityDelta && temporality != temporalityCumulative {
			return limits.InvalidType
		}
		w.metric.delta = temporality == temporalityDelta
	}
	w.metric.family = w.r.names.family(w.metric.name, w.metric.unit, t)
	if w.metric.family == "" {
		return limits.MissingName
	}
	if w.b.HasFamily(w.metric.family) {
		return ""
	}
	md := model.MetricMetadata{
		Family: w.metric.family, Type: promType, Unit: intake.Valid(w.metric.unit),
		Help: intake.Cut(intake.Valid(w.metric.help), w.r.core.Limits.MaxLabelValueBytes),
	}
	if w.metric.name != w.metric.family {
		md.Original = intake.Valid(w.metric.name)
	}
	w.b.Metadata(md)
	return ""
}

// targetInfo adds the series that carries the attributes of a resource that are not labels of its series: one sample a resource
// and request, with the newest time of its points. As Prometheus does, only where there is a job or an instance to join it by.
func (w *metricWalk) targetInfo(attrs []model.Label) {
	if w.newestMS == 0 {
		return
	}
	p := &w.point
	p.attrs = p.attrs[:0]
	for i := range attrs {
		switch attrs[i].Name {
		case model.AttrServiceName, model.AttrServiceNS, model.AttrServiceInstance:
		default:
			p.attrs = append(p.attrs, attrs[i])
		}
	}
	n := len(w.base)
	job, instance := w.base[n-2], w.base[n-1]
	if len(p.attrs) == 0 || job.Value == "" && instance.Value == "" {
		return
	}
	// Our own agent describes its host in an inventory record; a sample that it did not send would make its counts differ from ours.
	if w.req.AgentID != "" {
		return
	}
	w.labels(p.attrs, w.base[n-2:])
	if w.begin("target_info", "", "") != "" {
		return
	}
	if !w.b.HasFamily("target_info") {
		w.b.Metadata(model.MetricMetadata{Family: "target_info", Type: "gauge", Help: "Target metadata"})
	}
	w.b.Sample(w.newestMS, 1)
}
