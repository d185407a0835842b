package pipeline

import (
	"slices"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/prompb"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/pipeline/redact"
	"github.com/faultline-io/faultline/services/model"
)

// processor takes the items of one request through the stages. It belongs to the request's goroutine.
type processor struct {
	h *Holder
	p *Pipeline
	// number tells the pipeline from those loaded before and after it.
	number uint64
	req    *intake.Request
	// place counts the records of the request.
	place int
	// hits are those of the call at hand; here, so that they are not allocated for each.
	hits redact.Hits
	// noted says that the item at hand counts as redacted already.
	noted bool
	// What the stages work in, kept from one item to the next.
	fields   []model.Label
	labels   []prompb.Label
	admitted []admission
	// views are the resource at hand as it was before each stage that changed it, by signal: a condition sees what the stages
	// before it made.
	views map[model.Signal][]view
	// trace, when set, is told after each stage that met an item; the stage is nil for the redaction of secrets at the end.
	trace func(s *stage, reason string)
	// resource is the resource as its stages have made it so far, for the trace.
	resource []model.Label
}

// traced tells the trace.
func (x *processor) traced(s *stage, reason string) {
	if x.trace != nil {
		x.trace(s, reason)
	}
}

// view is a resource as the stages up to an index see it.
type view struct {
	upto int
	res  model.Resource
}

// seen returns the resource as a stage sees it.
func (x *processor) seen(signal model.Signal, s *stage, res *model.Resource) *model.Resource {
	vs := x.views[signal]
	for i := range vs {
		if s.index <= vs[i].upto {
			return &vs[i].res
		}
	}
	return res
}

var _ intake.Stages = (*processor)(nil)

// Resource implements intake.Stages.
func (x *processor) Resource(signal model.Signal, attrs []model.Label) ([]model.Label, string) {
	if x.p.secrets == nil && len(x.p.resources) == 0 {
		return attrs, ""
	}
	if len(x.p.resources) > 0 {
		res := intake.NewResource(attrs)
		if x.views == nil {
			x.views = map[model.Signal][]view{}
		}
		x.views[signal] = x.views[signal][:0]
		for _, s := range x.p.resources {
			sub := subject{signal: signal, req: x.req, res: &res}
			if !s.when.holds(&sub) {
				continue
			}
			s.counts.in.Inc()
			if s.kind == kindRedact {
				attrs = x.redactResource(s.redact, signal, attrs)
			} else {
				out, ok := x.relabel(s, attrs)
				if !ok {
					s.counts.dropped.Inc()
					x.traced(s, limits.Dropped)
					return attrs, limits.Dropped
				}
				attrs = out
			}
			x.resource = attrs
			x.traced(s, "")
			x.views[signal] = append(x.views[signal], view{s.index, res})
			res = intake.NewResource(attrs)
		}
	}
	if x.p.secrets != nil {
		attrs = x.redactResource(x.p.secrets, signal, attrs)
		x.resource = attrs
		x.traced(nil, "")
	}
	return attrs, ""
}

// relabel returns relabelled attributes: attrs itself when nothing changes, else a new slice.
func (x *processor) relabel(s *stage, attrs []model.Label) ([]model.Label, bool) {
	out, ok := s.relabel.apply(x.labels, attrs)
	x.labels = out
	if !ok {
		return attrs, false
	}
	if same(out, attrs) {
		return attrs, true
	}
	s.counts.changed.Inc()
	fresh := make([]model.Label, len(out))
	for i := range out {
		fresh[i] = model.Label{Name: out[i].Name, Value: out[i].Value}
	}
	return fresh, true
}

// redactResource returns attrs without secrets; the slice of the caller is not changed.
func (x *processor) redactResource(r *redact.Redactor, signal model.Signal, attrs []model.Label) []model.Label {
	x.hits = redact.Hits{}
	cloned := false
	for i := range attrs {
		v := r.Value(attrs[i].Name, attrs[i].Value, &x.hits)
		if v == attrs[i].Value {
			continue
		}
		if !cloned {
			attrs, cloned = slices.Clone(attrs), true
		}
		attrs[i].Value = v
	}
	if x.hits.Any() {
		x.h.redactions(signal, &x.hits)
	}
	return attrs
}

// Log implements intake.Stages.
func (x *processor) Log(r *intake.Record, res *model.Resource) string {
	x.place++
	x.noted = false
	if len(x.p.logs) > 0 {
		sub := subject{signal: model.SignalLogs, req: x.req, res: res, rec: r}
		for _, s := range x.p.logs {
			sub.attrs, sub.res = r.Attributes, x.seen(model.SignalLogs, s, res)
			if !s.when.holds(&sub) {
				continue
			}
			s.counts.in.Inc()
			reason := x.log(s, r, res)
			x.traced(s, reason)
			if reason != "" {
				s.counts.dropped.Inc()
				return reason
			}
		}
	}
	if x.p.secrets != nil {
		x.redactLog(x.p.secrets, r)
		x.traced(nil, "")
	}
	return ""
}

// log does what a stage does with a record that meets its condition.
func (x *processor) log(s *stage, r *intake.Record, res *model.Resource) string {
	switch s.kind {
	case kindDrop:
		return limits.Dropped
	case kindRelabel:
		out, ok := x.relabel(s, r.Attributes)
		if !ok {
			return limits.Dropped
		}
		r.Attributes = out
	case kindParse:
		var ok bool
		x.fields, ok = s.parse.apply(x.req, r, x.fields)
		switch {
		case ok:
			s.counts.changed.Inc()
		case s.parse.dropFailed:
			s.counts.failed.Inc()
			return limits.Dropped
		default:
			s.counts.failed.Inc()
		}
	case kindRedact:
		if x.redactLog(s.redact, r) {
			s.counts.changed.Inc()
		}
	case kindSample:
		if !s.sample.record(r, x.place) {
			return limits.Sampled
		}
	case kindRateLimit:
		return x.limit(s, res, int64(len(r.Body)+labelBytes(r.Attributes)))
	}
	return ""
}

func labelBytes(ls []model.Label) int {
	n := 0
	for i := range ls {
		n += len(ls[i].Name) + len(ls[i].Value)
	}
	return n
}

// redactLog replaces secrets of a record and reports whether there were any.
func (x *processor) redactLog(r *redact.Redactor, rec *intake.Record) bool {
	x.hits = redact.Hits{}
	rec.Body = r.Text(rec.Body, &x.hits)
	redactLabels(r, rec.Attributes, &x.hits)
	return x.count(model.SignalLogs)
}

func redactLabels(r *redact.Redactor, ls []model.Label, hits *redact.Hits) {
	for i := range ls {
		ls[i].Value = r.Value(ls[i].Name, ls[i].Value, hits)
	}
}

// count notes an item in which secrets were replaced.
func (x *processor) count(signal model.Signal) bool {
	if !x.hits.Any() {
		return false
	}
	if !x.noted { // an item counts once, whatever was in it
		x.req.Note(signal, limits.Redacted, 1)
		x.noted = true
	}
	x.h.redactions(signal, &x.hits)
	return true
}

// Span implements intake.Stages.
func (x *processor) Span(s *model.Span, res *model.Resource) string {
	x.noted = false
	if len(x.p.spans) > 0 {
		sub := subject{signal: model.SignalSpans, req: x.req, res: res, span: s}
		for _, st := range x.p.spans {
			sub.attrs, sub.res = s.Attributes, x.seen(model.SignalSpans, st, res)
			if !st.when.holds(&sub) {
				continue
			}
			st.counts.in.Inc()
			reason := x.span(st, s, res)
			x.traced(st, reason)
			if reason != "" {
				st.counts.dropped.Inc()
				return reason
			}
		}
	}
	if x.p.secrets != nil {
		x.redactSpan(x.p.secrets, s)
		x.traced(nil, "")
	}
	return ""
}

// span does what a stage does with a span that meets its condition.
func (x *processor) span(st *stage, s *model.Span, res *model.Resource) string {
	switch st.kind {
	case kindDrop:
		return limits.Dropped
	case kindRelabel:
		out, ok := x.relabel(st, s.Attributes)
		if !ok {
			return limits.Dropped
		}
		s.Attributes = out
	case kindRedact:
		if x.redactSpan(st.redact, s) {
			st.counts.changed.Inc()
		}
	case kindSample:
		if !st.sample.trace(s.TraceID) {
			return limits.Sampled
		}
	case kindRateLimit:
		return x.limit(st, res, int64(len(s.Name)+labelBytes(s.Attributes)))
	}
	return ""
}

// redactSpan replaces secrets in all text of a span and reports whether there were any.
func (x *processor) redactSpan(r *redact.Redactor, s *model.Span) bool {
	hits := &x.hits
	*hits = redact.Hits{}
	s.Name = r.Text(s.Name, hits)
	s.StatusMessage = r.Text(s.StatusMessage, hits)
	redactLabels(r, s.Attributes, hits)
	for i := range s.Events {
		s.Events[i].Name = r.Text(s.Events[i].Name, hits)
		redactLabels(r, s.Events[i].Attributes, hits)
	}
	for i := range s.Links {
		redactLabels(r, s.Links[i].Attributes, hits)
	}
	return x.count(model.SignalSpans)
}

// Metrics implements intake.Stages.
func (x *processor) Metrics() intake.MetricStages {
	if len(x.p.series) == 0 && x.p.secrets == nil {
		return nil
	}
	return newMetricProcessor(x)
}
