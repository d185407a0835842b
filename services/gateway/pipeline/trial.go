package pipeline

import (
	"encoding/hex"
	"maps"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/series"
	"github.com/faultline-io/faultline/services/model"
)

// Item is a record, span or sample as a dry run shows it.
type Item struct {
	Body       string            `json:"body,omitempty"`
	Name       string            `json:"name,omitempty"`
	Time       string            `json:"time,omitempty"`
	Severity   uint8             `json:"severity,omitempty"`
	Status     string            `json:"status,omitempty"`
	TraceID    string            `json:"trace_id,omitempty"`
	SpanID     string            `json:"span_id,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Resource   map[string]string `json:"resource,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
}

// Step is what one stage did with an item.
type Step struct {
	Stage   string `json:"stage"`
	Kind    string `json:"kind"`
	Changed bool   `json:"changed,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// Outcome is what became of an item.
type Outcome struct {
	// Out is nil when the item goes no further; the last step says why.
	Out   *Item         `json:"out"`
	Steps []Step        `json:"steps"`
	Took  time.Duration `json:"took_ns"`
}

// Sender says whom a trial pretends to be.
type Sender struct {
	Source, Protocol string
}

// Trial runs items through a pipeline without anything behind it. It belongs to one goroutine; Close ends it.
type Trial struct {
	x *processor
	// timed does the same without a trace, with state of its own, so that the time is that of the stages alone.
	timed *processor
	// before is the item as the step before left it, to see whether a stage changed it.
	before Item
	now    func() Item
	steps  []Step
}

// NewTrial loads a file, or takes the default pipeline when it is empty. Errors: errs.Invalid, with file and line.
func NewTrial(file string, from Sender, clock func() time.Time) (*Trial, error) {
	t := &Trial{}
	for _, x := range []**processor{&t.x, &t.timed} {
		core := &intake.Core{Limits: limits.Default(), Rejected: limits.NewRejections(), Clock: clock}
		h, err := NewHolder(Deps{File: file, Core: core, Metrics: metrics.NewSet()})
		if err != nil {
			return nil, err
		}
		req := core.NewRequest(intake.Sender{Origin: model.Origin{Tenant: model.DefaultTenant, Source: from.Source, Protocol: from.Protocol}})
		l := h.current.Load()
		*x = &processor{h: h, p: l.Pipeline, number: l.number, req: req}
	}
	t.x.trace = t.traced
	return t, nil
}

// Close ends what the pipeline runs.
func (t *Trial) Close() {
	t.x.h.Close()
	t.timed.h.Close()
}

// Stages returns the stages in order; the last one is the redaction of secrets, unless it is off.
func (t *Trial) Stages() []Step {
	var out []Step
	for _, s := range t.x.p.stages {
		out = append(out, Step{Stage: s.name, Kind: string(s.kind)})
	}
	if t.x.p.secrets != nil {
		out = append(out, Step{Stage: secretsStage, Kind: string(kindRedact)})
	}
	return out
}

// secretsStage is what the redaction at the end is called.
const secretsStage = "redact_secrets"

// traced notes a step when the stage did something.
func (t *Trial) traced(s *stage, reason string) {
	step := Step{Stage: secretsStage, Kind: string(kindRedact), Reason: reason}
	if s != nil {
		step.Stage, step.Kind = s.name, string(s.kind)
	}
	after := t.now()
	step.Changed = !after.equal(&t.before)
	t.before = after
	if step.Changed || reason != "" || s != nil {
		t.steps = append(t.steps, step)
	}
}

func (i *Item) equal(o *Item) bool {
	return i.Body == o.Body && i.Name == o.Name && i.Time == o.Time && i.Severity == o.Severity && i.Status == o.Status && i.TraceID == o.TraceID && i.SpanID == o.SpanID &&
		maps.Equal(i.Attributes, o.Attributes) && maps.Equal(i.Resource, o.Resource) && maps.Equal(i.Labels, o.Labels)
}

// run calls do once for its time and once with the trace. reset prepares both.
func (t *Trial) run(reset func(), now func() Item, do func(x *processor) string) Outcome {
	reset()
	start := time.Now()
	do(t.timed)
	took := time.Since(start)
	reset()
	t.steps, t.now = nil, now
	t.before = now()
	reason := do(t.x)
	o := Outcome{Steps: t.steps, Took: took}
	if reason == "" {
		after := now()
		o.Out = &after
	}
	return o
}

// Log takes a record through the stages.
func (t *Trial) Log(rec intake.Record, resource []model.Label) Outcome {
	var r intake.Record
	var res model.Resource
	return t.run(func() {
		r = rec
		r.Attributes = append([]model.Label(nil), rec.Attributes...)
		res, t.x.resource = intake.NewResource(resource), resource
	}, func() Item {
		return Item{
			Body: r.Body, Time: timeText(r.TimeNS), Severity: r.Severity, TraceID: hex.EncodeToString([]byte(r.TraceID)), SpanID: hex.EncodeToString([]byte(r.SpanID)),
			Attributes: asMap(r.Attributes), Resource: asMap(t.x.resource),
		}
	}, func(x *processor) string {
		attrs, reason := x.Resource(model.SignalLogs, resource)
		if res = intake.NewResource(attrs); reason != "" {
			return reason
		}
		return x.Log(&r, &res)
	})
}

// Span takes a span through the stages.
func (t *Trial) Span(span model.Span, resource []model.Label) Outcome {
	var s model.Span
	var res model.Resource
	return t.run(func() {
		s = span
		s.Attributes = append([]model.Label(nil), span.Attributes...)
		res, t.x.resource = intake.NewResource(resource), resource
	}, func() Item {
		return Item{
			Name: s.Name, Status: statusName(s.StatusCode), TraceID: hex.EncodeToString([]byte(s.TraceID)),
			Attributes: asMap(s.Attributes), Resource: asMap(t.x.resource),
		}
	}, func(x *processor) string {
		attrs, reason := x.Resource(model.SignalSpans, resource)
		if res = intake.NewResource(attrs); reason != "" {
			return reason
		}
		return x.Span(&s, &res)
	})
}

// Series takes the labels of a series, with one sample, through the stages.
func (t *Trial) Series(labels []model.Label) Outcome {
	var l series.Labels
	return t.run(func() {
		l.Reset()
		for _, p := range labels {
			l.Add(p.Name, p.Value)
		}
	}, func() Item { return Item{Labels: asMap(l.Pairs())} }, func(x *processor) string {
		if len(x.p.series) == 0 && x.p.secrets == nil {
			return ""
		}
		m := newMetricProcessor(x)
		if reason := m.Series(&l); reason != "" {
			return reason
		}
		m.Fresh(&l)
		return m.Sample(x.req.ReceivedAt.UnixMilli(), 1)
	})
}

func asMap(ls []model.Label) map[string]string {
	if len(ls) == 0 {
		return nil
	}
	m := make(map[string]string, len(ls))
	for _, l := range ls {
		m[l.Name] = l.Value
	}
	return m
}

func timeText(ns int64) string {
	if ns == 0 {
		return ""
	}
	return time.Unix(0, ns).UTC().Format(time.RFC3339Nano)
}
