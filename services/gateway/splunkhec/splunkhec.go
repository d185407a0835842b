// Package splunkhec takes logs and metrics as Splunk's HTTP event collector does: events, raw lines, metric events. It keeps no state beside a
// counter of acknowledgement ids: an event is on the bus before its sender gets an answer, so every id is acknowledged.
package splunkhec

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/prometheus/otlptranslator"
	"github.com/valyala/fastjson"

	"github.com/faultline-io/faultline/services/gateway/event"
	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Codes of the collector's answers, as Splunk documents them.
const (
	CodeSuccess       = 0
	CodeTokenRequired = 2
	CodeInvalidToken  = 4
	CodeNoData        = 5
	CodeInvalidFormat = 6
	CodeInternal      = 8
	CodeBusy          = 9
	CodeEventRequired = 12
	CodeEventBlank    = 13
	CodeHealthy       = 17
)

// Problem is an error that has a code of its own; Event is the number of the event at fault, from 0.
type Problem struct {
	Code  int
	Event int
	text  string
}

// Error returns the text that Splunk has for the code.
func (p *Problem) Error() string { return p.text }

// Receiver handles requests. It is safe for several goroutines.
type Receiver struct {
	core *intake.Core
	acks atomic.Uint64
}

// New returns a receiver.
func New(core *intake.Core) *Receiver { return &Receiver{core: core} }

// Ack returns the next acknowledgement id.
func (r *Receiver) Ack() uint64 { return r.acks.Add(1) - 1 }

// Meta is what a sender says of all events of a raw request.
type Meta struct {
	Host, Source, Sourcetype, Index, Time string
}

// Raw publishes one event a line.
func (r *Receiver) Raw(ctx context.Context, req *intake.Request, body []byte, m Meta) error {
	w := event.New(r.core, req, event.Options{})
	defer w.Close()
	ns, timed := event.ParseTime(m.Time)
	n := 0
	for line := range bytes.SplitSeq(body, []byte{'\n'}) {
		if line = bytes.TrimRight(line, "\r"); len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		n++
		w.Begin()
		if timed {
			w.SetTime(ns)
		}
		w.SetBody(line)
		describe(w, []byte(m.Host), []byte(m.Source), []byte(m.Sourcetype), []byte(m.Index))
		if _, err := w.End(ctx, nil); err != nil {
			return err
		}
	}
	if n == 0 {
		return problem(CodeNoData, 0, "No data")
	}
	return w.Flush(ctx)
}

func problem(code, n int, text string) error {
	return errs.New(errs.Invalid, "%w", &Problem{Code: code, Event: n, text: text})
}

// describe adds what Splunk calls default fields. An event names its service by its fields, else its source type is what comes closest.
func describe(w *event.Writer, host, source, sourcetype, index []byte) {
	w.SetResource(model.AttrHostName, host)
	w.DefaultResource(model.AttrServiceName, sourcetype)
	w.SetResource("splunk.sourcetype", sourcetype)
	w.SetResource("splunk.index", index)
	w.SetAttribute("splunk.source", source)
}

// collector is one request of events on its way.
type collector struct {
	w       *event.Writer
	m       *intake.Metrics
	core    *intake.Core
	req     *intake.Request
	namer   otlptranslator.LabelNamer
	metric  otlptranslator.MetricNamer
	text    []byte
	dims    []model.Label
	samples []sample
}

type sample struct {
	name  string
	value float64
}

// Events publishes the events of body: JSON objects one after the other, with or without anything between them. Events before one that is
// malformed are published. Errors: errs.Invalid, with a Problem where Splunk has a code for it, and those of the sink.
func (r *Receiver) Events(ctx context.Context, req *intake.Request, body []byte) error {
	c := &collector{w: event.New(r.core, req, event.Options{}), core: r.core, req: req}
	defer c.w.Close()
	defer func() {
		if c.m != nil {
			c.m.Close()
		}
	}()
	bad := c.events(ctx, body)
	if bad != nil && errs.KindOf(bad) != errs.Invalid {
		return bad
	}
	if err := c.w.Flush(ctx); err != nil {
		return err
	}
	if c.m != nil {
		if err := c.m.Flush(ctx); err != nil {
			return err
		}
	}
	return bad
}

func (c *collector) events(ctx context.Context, body []byte) error {
	var sc fastjson.Scanner
	sc.InitBytes(bytes.TrimSpace(body))
	n := 0
	for ; sc.Next(); n++ {
		v := sc.Value()
		if v.Type() == fastjson.TypeArray { // Some libraries send a list, which Splunk takes as well.
			for _, e := range v.GetArray() {
				if err := c.one(ctx, e, n); err != nil {
					return err
				}
				n++
			}
			n--
			continue
		}
		if err := c.one(ctx, v, n); err != nil {
			return err
		}
	}
	if sc.Error() != nil {
		return problem(CodeInvalidFormat, n, "Invalid data format")
	}
	if n == 0 {
		return problem(CodeNoData, 0, "No data")
	}
	return nil
}

func (c *collector) one(ctx context.Context, v *fastjson.Value, n int) error {
	if v.Type() != fastjson.TypeObject {
		return problem(CodeInvalidFormat, n, "Invalid data format")
	}
	ev := v.Get("event")
	if ev == nil || ev.Type() == fastjson.TypeNull {
		if f := v.GetObject("fields"); f != nil && isMetric(f) {
			return c.measure(ctx, v, n)
		}
		return problem(CodeEventRequired, n, "Event field is required")
	}
	if text, err := ev.StringBytes(); err == nil {
		if len(text) == 0 {
			return problem(CodeEventBlank, n, "Event field cannot be blank")
		}
		if string(text) == "metric" && v.GetObject("fields") != nil {
			return c.measure(ctx, v, n)
		}
	}
	return c.log(ctx, v, ev)
}

func isMetric(f *fastjson.Object) bool {
	found := false
	f.Visit(func(k []byte, _ *fastjson.Value) { found = found || bytes.HasPrefix(k, []byte("metric_name")) })
	return found
}

func (c *collector) log(ctx context.Context, v, ev *fastjson.Value) error {
	w := c.w
	w.Begin()
	if ns, ok := c.time(v); ok {
		w.SetTime(ns)
	}
	c.text, _ = event.AppendText(c.text[:0], ev)
	if o, err := ev.Object(); err == nil {
		w.Object(o, "")
	} else {
		w.SetBody(c.text)
	}
	if f := v.GetObject("fields"); f != nil {
		w.Object(f, "")
	}
	describe(w, v.GetStringBytes("host"), v.GetStringBytes("source"), v.GetStringBytes("sourcetype"), v.GetStringBytes("index"))
	_, err := w.End(ctx, c.text)
	return err
}

// time reads the event's time: seconds, as a number or in a string.
func (c *collector) time(v *fastjson.Value) (int64, bool) {
	t := v.Get("time")
	if t == nil {
		return 0, false
	}
	text, _ := event.AppendText(nil, t)
	return event.ParseTime(string(text))
}

// measure publishes a metric event: metric_name:NAME fields are samples, metric_name with _value is one, all others are labels.
func (c *collector) measure(ctx context.Context, v *fastjson.Value, n int) error {
	c.dims, c.samples = c.dims[:0], c.samples[:0]
	single, value := "", ""
	v.GetObject("fields").Visit(func(k []byte, f *fastjson.Value) {
		b, _ := event.AppendText(nil, f)
		name, text := string(k), string(b)
		if metric, ok := strings.CutPrefix(name, "metric_name:"); ok {
			if x, err := strconv.ParseFloat(text, 64); err == nil {
				c.samples = append(c.samples, sample{metric, x})
				return
			}
			c.req.Reject(model.SignalMetrics, limits.InvalidData, 1)
			return
		}
		switch name {
		case "metric_name":
			single = text
		case "_value":
			value = text
		default:
			c.dims = append(c.dims, model.Label{Name: name, Value: text})
		}
	})
	if x, err := strconv.ParseFloat(value, 64); err == nil && single != "" {
		c.samples = append(c.samples, sample{single, x})
	}
	if len(c.samples) == 0 {
		return problem(CodeInvalidFormat, n, "Invalid data format")
	}
	for name, label := range map[string]string{"host": "host", "source": "source", "sourcetype": "sourcetype"} {
		if b := v.GetStringBytes(name); len(b) > 0 && model.Lookup(c.dims, label) == "" {
			c.dims = append(c.dims, model.Label{Name: label, Value: string(b)})
		}
	}
	ms := c.req.ReceivedAt.UnixMilli()
	if ns, ok := c.time(v); ok {
		ms = ns / 1e6
	}
	return c.add(ctx, ms)
}

func (c *collector) add(ctx context.Context, ms int64) error {
	if c.m == nil {
		c.m = c.core.Metrics(c.req)
	}
	for _, s := range c.samples {
		name, err := c.metric.Build(otlptranslator.Metric{Name: s.name})
		if err != nil {
			c.req.Reject(model.SignalMetrics, limits.MissingName, 1)
			continue
		}
		c.m.Labels.Reset()
		c.m.Labels.Set(model.LabelName, name)
		for _, d := range c.dims {
			if label, err := c.namer.Build(d.Name); err == nil && label != model.LabelName {
				c.m.Labels.Set(label, intake.Valid(d.Value))
			}
		}
		if reason := c.m.Begin(); reason != "" {
			c.req.Reject(model.SignalMetrics, reason, 1)
			continue
		}
		c.m.Sample(ms, s.value)
		if err := c.m.Split(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Code returns the collector's code and text for an error, and the number of the event at fault, -1 for none.
func Code(err error, status int) (code int, text string, at int) {
	var p *Problem
	if errors.As(err, &p) {
		return p.Code, p.text, p.Event
	}
	switch {
	case status == 401:
		return CodeTokenRequired, "Token is required", -1
	case status == 403:
		return CodeInvalidToken, "Invalid token", -1
	case status == 429 || status == 503:
		return CodeBusy, "Server is busy", -1
	case status >= 500:
		return CodeInternal, "Internal server error", -1
	}
	return CodeInvalidFormat, "Invalid data format", -1
}
