package world

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// Span kinds and status of OpenTelemetry.
const (
	kindServer, kindClient, kindProducer, kindConsumer = 2, 3, 4, 5
	statusError                                        = 2
)

// laterSpan is a span that is sent when it has ended.
type laterSpan struct {
	endNS int64
	from  *instance
	span  *model.Span
}

// tracer draws one request from the state of the flows.
type tracer struct {
	w       *World
	sampled bool
	trace   string
	spans   int
	calls   int
}

// maxSpans bounds the spans of a trace, as senders do, maxCalls what is drawn for it.
const (
	maxSpans = 200
	maxCalls = 1000
)

// logShare is the share of requests whose lines are written where traces are not sampled.
const logShare = 0.03

// traces draws the requests of the step that are seen singly.
func (w *World) traces() {
	share := w.spec.Sends.Traces
	sampled := share > 0
	if !sampled {
		if share = logShare; w.spec.Sends.NoLogs {
			return
		}
	}
	for _, l := range w.loads {
		for range int(poisson(w.look, l.rate*share*stepSec)) {
			t := tracer{w: w, sampled: sampled}
			t.fresh()
			start := (w.nowMS-StepMS)*1e6 + w.look.Int64N(StepMS*1e6)
			t.request(l.op, start, "", kindServer)
		}
	}
}

func (t *tracer) fresh() {
	t.trace = t.id() + t.id()
}

func (t *tracer) id() string {
	return string(binary.BigEndian.AppendUint64(nil, t.w.look.Uint64()|1))
}

// pick draws the instance that a request goes to.
func (p *part) pick(x float64) *instance {
	var last *instance
	for _, i := range p.instances {
		if i.weight > 0 {
			last = i
			if x -= i.weight; x <= 0 {
				return i
			}
		}
	}
	return last
}

// tells says whether a part writes spans.
func (w *World) tells(p *part) bool {
	return p.Kind == Service && !p.Blind && !slices.Contains(w.spec.Sends.Untraced, p.Name)
}

// request draws a request to an operation from its arrival, and returns when the answer leaves and whether it is a failure.
func (t *tracer) request(o *operation, startNS int64, parent string, kind uint8) (endNS int64, failed bool) {
	i := o.part.pick(t.w.look.Float64())
	t.calls++
	switch {
	case t.calls > maxCalls:
		return startNS, false
	case i == nil || !i.up && i.host.up:
		return startNS + seconds(refusedSec), true
	case !i.up:
		return startNS + seconds(vanishedSec), true
	}
	r := &drawn{t: t, i: i, o: o, startNS: startNS, nowNS: startNS, parent: parent, kind: kind}
	if t.w.tells(o.part) {
		r.span = t.id()
	} else if o.part.Kind == Service { // Without tracing the context is lost, and what it calls begins traces of its own.
		defer func(old string) { t.trace = old }(t.trace)
		t.fresh()
	}
	r.run()
	return r.nowNS, r.failed
}

func seconds(s float64) int64 { return int64(s * 1e9) }

// drawn is one request on one instance.
type drawn struct {
	t              *tracer
	i              *instance
	o              *operation
	startNS, nowNS int64
	span, parent   string
	kind           uint8
	failed         bool
	why            string
	step           int
}

func (r *drawn) run() {
	w, f := r.t.w, &r.i.flow[r.o.index]
	self := seconds(draw(w.look, f.self))
	errs := r.i.errs[r.o.index]
	if r.o.IO > 0 && r.i.host.full() {
		errs = 1 - (1-errs)*0.1
	}
	r.log()
	r.nowNS += self / 2
	switch {
	case w.look.Float64() < r.i.rejected:
		r.fail(textBusy)
	case w.look.Float64() < errs:
		if r.i.host.full() && r.o.IO > 0 {
			r.fail(textDisk)
		} else {
			r.fail(r.i.part.failText(r.o))
		}
	default:
		for _, c := range r.o.calls {
			if !r.call(c) {
				break
			}
			r.log()
		}
	}
	r.nowNS += self / 2
	for !r.failed && r.step < len(r.o.Steps) {
		r.log()
	}
	r.emit()
}

// fail ends the request with a line.
func (r *drawn) fail(text string) {
	r.failed, r.why = true, text
	r.t.w.requestLine(r, 17, text)
}

// log writes the next step of the operation.
func (r *drawn) log() {
	if r.step >= len(r.o.Steps) {
		return
	}
	r.step++
	if r.step != r.o.skipStep {
		r.t.w.requestLine(r, 9, r.o.Steps[r.step-1])
	}
}

// call makes a call as often as the operation does, and reports whether the request can go on.
func (r *drawn) call(c *call) bool {
	w := r.t.w
	n := c.times()
	if whole := math.Floor(n); w.look.Float64() < n-whole {
		n = whole + 1
	} else {
		n = whole
	}
	for range int(n) {
		if why := r.attempts(c); why != "" && !c.Optional {
			r.fail(why)
			return false
		} else if why != "" {
			w.requestLine(r, 13, why)
		}
	}
	return true
}

// attempts tries a call until it works or there are no retries left, and returns why it failed in the end.
func (r *drawn) attempts(c *call) (why string) {
	p := r.o.part
	for try := 0; try <= p.retries; try++ {
		if try > 0 {
			r.nowNS += seconds(backoffSec)
		}
		if why = r.attempt(c); why == "" {
			return ""
		}
	}
	return why
}

func (r *drawn) attempt(c *call) (why string) {
	w, to := r.t.w, c.to.part
	start := r.nowNS
	limit := r.o.part.Timeout.Seconds()
	if limit == 0 {
		limit = vanishedSec
	}
	kind, span := uint8(kindClient), ""
	if to.Kind == Queue {
		kind = kindProducer
	}
	if r.span != "" {
		span = r.t.id()
	}
	delay, loss := c.edge.delay, c.edge.loss
	for _, h := range w.between(r.o.part, to) {
		delay, loss = delay+h.delay, loss+h.loss
	}
	way := netSec + delay*(0.9+0.2*w.look.Float64())
	for range 5 {
		if loss > 0 && w.look.Float64() < loss {
			way += resendSec / 5
		}
	}
	end, failed := start, false
	switch {
	case c.edge.cut:
		end, why = start+seconds(limit), textTimeout
	case to.expired:
		end, why = start+seconds(handshake), textCertificate
	default:
		end, failed = r.t.request(c.to, start+seconds(way/2), span, kindServer)
		end += seconds(way / 2)
		if failed {
			why = textAnswered
		}
		if end-start > seconds(limit) {
			end, why = start+seconds(limit), textTimeout
		} else if failed && end-start < seconds(0.003) && !anyUp(to) {
			why = textRefused
		}
	}
	r.nowNS = end
	if why != "" {
		why = fill(why, "to", to.name)
	}
	if span != "" {
		r.t.keep(r.i, model.Span{
			SpanID: span, ParentSpanID: r.span, Name: c.Op, Kind: kind, StartNS: start, DurationNS: end - start, StatusCode: status(why != ""), StatusMessage: why,
			Attributes: callAttributes(c, why),
		})
	}
	if to.consumer != nil && why == "" {
		r.consume(to, end, span)
	}
	return why
}

// consume lets what was published be worked on when its turn has come, if that is soon.
func (r *drawn) consume(q *part, atNS int64, span string) {
	rate := max(q.consumer.ops[0].lambda, 0.01)
	if lag := q.ready / rate; lag < 20 && r.t.sampled {
		r.t.request(q.consumer.ops[0], atNS+seconds(0.01+lag), span, kindConsumer)
	}
}

func anyUp(p *part) bool {
	return slices.ContainsFunc(p.instances, func(i *instance) bool { return i.up && !i.gone })
}

func status(failed bool) uint8 {
	if failed {
		return statusError
	}
	return 0
}

// callAttributes are those that OpenTelemetry's instrumentation of clients sets.
func callAttributes(c *call, why string) []model.Label {
	to := c.to.part
	switch to.Kind {
	case Database:
		return []model.Label{{Name: "db.system.name", Value: "postgresql"}, {Name: "db.system", Value: "postgresql"}, {Name: "db.operation.name", Value: c.Op}, {Name: "server.address", Value: to.name}}
	case Cache:
		return []model.Label{{Name: "db.system.name", Value: "redis"}, {Name: "db.system", Value: "redis"}, {Name: "db.operation.name", Value: c.Op}, {Name: "server.address", Value: to.name}}
	case Queue:
		return []model.Label{{Name: "messaging.system", Value: "rabbitmq"}, {Name: "messaging.destination.name", Value: to.name}, {Name: "messaging.operation.type", Value: "send"}}
	}
	code := "200"
	if why != "" {
		code = "503"
	}
	return []model.Label{{Name: "http.request.method", Value: "GET"}, {Name: "http.response.status_code", Value: code}, {Name: "server.address", Value: to.name}, {Name: "url.template", Value: "/" + c.Op}}
}

// emit writes the server's span of the request.
func (r *drawn) emit() {
	if r.span == "" {
		return
	}
	code := "200"
	if r.failed {
		code = "500"
	}
	attrs := []model.Label{{Name: "http.request.method", Value: "GET"}, {Name: "http.response.status_code", Value: code}, {Name: "http.route", Value: r.o.Name}}
	if r.kind == kindConsumer {
		attrs = []model.Label{{Name: "messaging.system", Value: "rabbitmq"}, {Name: "messaging.destination.name", Value: r.o.part.queue.name}, {Name: "messaging.operation.type", Value: "process"}}
	}
	s := model.Span{
		SpanID: r.span, ParentSpanID: r.parent, Name: r.o.Name, Kind: r.kind, StartNS: r.startNS, DurationNS: max(1000, r.nowNS-r.startNS), StatusCode: status(r.failed),
		StatusMessage: r.why, Attributes: attrs,
	}
	if r.failed {
		s.Events = []model.SpanEvent{{TimeNS: r.nowNS, Name: "exception", Attributes: []model.Label{{Name: "exception.message", Value: r.why}}}}
	}
	r.t.keep(r.i, s)
}

// keep holds a span until it has ended; its times are those of its machine's clock.
func (t *tracer) keep(i *instance, s model.Span) {
	if !t.sampled || t.spans >= maxSpans {
		return
	}
	t.spans++
	s.TraceID = t.trace
	end := s.StartNS + s.DurationNS
	skew := i.host.skewMS * 1e6
	s.StartNS += skew
	for k := range s.Events {
		s.Events[k].TimeNS += skew
	}
	t.w.senders.spans = append(t.w.senders.spans, laterSpan{endNS: end, from: i, span: &s})
}

// flushSpans sends the spans that have ended.
func (w *World) flushSpans() {
	all := w.senders.spans
	slices.SortStableFunc(all, func(a, b laterSpan) int { return cmp.Compare(a.endNS, b.endNS) })
	n := 0
	m := &model.Spans{Header: w.header(pusher, "otlp_grpc")}
	at := map[*instance]uint32{}
	for n < len(all) && all[n].endNS <= w.nowMS*1e6 {
		x := &all[n]
		k, ok := at[x.from]
		if !ok {
			k = uint32(len(m.Resources))
			at[x.from] = k
			m.Resources = append(m.Resources, x.from.resource())
		}
		x.span.ResourceIdx = k
		m.Spans = append(m.Spans, *x.span)
		n++
	}
	w.senders.spans = slices.Delete(all, 0, n)
	if n > 0 {
		w.deliver(pusher, Message{Spans: m})
	}
}

// resource is what OpenTelemetry says of a process.
func (i *instance) resource() model.Resource {
	if i.of != nil && model.Lookup(i.of.Attributes, "service.version") == i.version {
		return *i.of
	}
	a := []model.Label{
		{Name: model.AttrHostName, Value: i.host.name}, {Name: model.AttrServiceInstance, Value: i.name}, {Name: model.AttrServiceName, Value: i.part.name},
		{Name: "service.version", Value: i.version},
	}
	i.of = &model.Resource{ID: model.ResourceHash(a), Attributes: a, Service: model.ResolveService(a), Host: model.ResolveHost(a)}
	return *i.of
}
