package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/prompb"
	"github.com/VictoriaMetrics/metrics"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/pipeline/redact"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Protocol and source of what stream aggregation makes; it passes no stage again.
const Protocol = "stream_aggregation"

// Deps is what a Holder is given.
type Deps struct {
	// File is the configuration; empty is Default.
	File string
	// Core is where aggregated samples go in.
	Core    *intake.Core
	Metrics *metrics.Set
	Log     *slog.Logger
}

// Holder has the pipeline as it is configured at the moment, and replaces it when the file is loaded again. It is safe for several
// goroutines. As a service it ends what aggregates; it has to run where aggregation is configured.
type Holder struct {
	deps        Deps
	current     atomic.Pointer[loaded]
	aggregation atomic.Pointer[aggregation]
	redacted    map[model.Signal][]*metrics.Counter

	// mu is held while a file is loaded; it guards loads.
	mu    sync.Mutex
	loads uint64
}

// loaded is a pipeline and its number.
type loaded struct {
	*Pipeline
	number uint64
}

var _ intake.Pipeline = (*Holder)(nil)

// NewHolder loads the file. Errors: errs.Invalid, with file and line.
func NewHolder(deps Deps) (*Holder, error) {
	h := &Holder{deps: deps, redacted: map[model.Signal][]*metrics.Counter{}}
	for _, signal := range []model.Signal{model.SignalMetrics, model.SignalLogs, model.SignalSpans} {
		for _, k := range redact.Kinds() {
			name := fmt.Sprintf(`faultline_gateway_pipeline_redacted_total{signal=%q,kind=%q}`, signal, k)
			h.redacted[signal] = append(h.redacted[signal], deps.Metrics.GetOrCreateCounter(name))
		}
	}
	h.deps.Metrics.GetOrCreateCounter("faultline_gateway_pipeline_reload_failures_total")
	return h, h.Reload()
}

// Reload loads the file again. What is being handled goes on with the pipeline with which it began; a file that cannot be used leaves
// the one before in place. The buckets of rate limits start full; stream aggregation goes on where its rules are the same.
func (h *Holder) Reload() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := Default()
	if h.deps.File != "" {
		var err error
		if p, err = Load(h.deps.File); err != nil {
			h.deps.Metrics.GetOrCreateCounter("faultline_gateway_pipeline_reload_failures_total").Inc()
			return err
		}
	}
	h.install(p)
	return nil
}

// install makes p the pipeline of all requests from now on. It needs the lock held.
func (h *Holder) install(p *Pipeline) {
	for _, s := range p.stages {
		s.counts = newCounts(h.deps.Metrics, s)
	}
	old := h.aggregation.Load()
	if old != nil && old.text == p.aggregate {
		old = nil
	} else {
		var next *aggregation
		if p.aggregate != "" {
			next = newAggregation(p.aggregate, &h.deps.Core.Limits, h.emit)
		}
		h.aggregation.Store(next)
	}
	h.loads++
	h.current.Store(&loaded{p, h.loads})
	if old != nil {
		old.stop()
	}
}

func newCounts(set *metrics.Set, s *stage) stageCounts {
	c := func(what string) *metrics.Counter {
		return set.GetOrCreateCounter(fmt.Sprintf(`faultline_gateway_pipeline_%s_total{stage=%q,kind=%q}`, what, s.name, s.kind))
	}
	return stageCounts{in: c("in"), changed: c("changed"), dropped: c("dropped"), failed: c("failed")}
}

// Stages implements intake.Pipeline.
func (h *Holder) Stages(req *intake.Request) intake.Stages {
	if req.Protocol == Protocol {
		return nil
	}
	l := h.current.Load()
	return &processor{h: h, p: l.Pipeline, number: l.number, req: req}
}

// redactions counts replaced secrets.
func (h *Holder) redactions(signal model.Signal, hits *redact.Hits) {
	for k, n := range hits {
		if n > 0 {
			h.redacted[signal][k].Add(int(n))
		}
	}
}

// Name returns the name of the service.
func (*Holder) Name() string { return "gateway-pipeline" }

// Run waits until ctx ends and stops what aggregates.
func (h *Holder) Run(ctx context.Context) error {
	<-ctx.Done()
	h.Close()
	return nil
}

// Close stops what aggregates.
func (h *Holder) Close() {
	if a := h.aggregation.Swap(nil); a != nil {
		a.stop()
	}
}

// Bounds of the publication of aggregated samples: a full bus is given this long to drain, which is longer than it takes and shorter
// than most intervals.
const (
	emitTimeout = 15 * time.Second
	emitPause   = 500 * time.Millisecond
)

// emit publishes what an interval of aggregation yielded. It cannot be asked for again: what the bus does not take is counted as refused.
func (h *Holder) emit(tenant model.TenantID, tss []prompb.TimeSeries) {
	ctx, cancel := context.WithTimeout(context.Background(), emitTimeout)
	defer cancel()
	req := h.deps.Core.NewRequest(intake.Sender{Origin: model.Origin{Tenant: tenant, Source: Protocol, Protocol: Protocol}})
	defer h.deps.Core.Finish(req)
	total := 0
	for i := range tss {
		total += len(tss[i].Samples)
	}
	err := h.publish(ctx, req, tss)
	if err == nil {
		return
	}
	reason := limits.BusUnavailable
	if errs.KindOf(err) == errs.Exhausted {
		reason = limits.BusFull
	}
	req.Reject(model.SignalMetrics, reason, total-req.Accepted()-req.Rejected())
	h.deps.Log.WarnContext(ctx, "aggregated samples not taken", "error", err.Error())
}

// publish puts series on the bus and comes back to those that it did not take.
func (h *Holder) publish(ctx context.Context, req *intake.Request, tss []prompb.TimeSeries) error {
	b := h.deps.Core.Metrics(req)
	defer b.Close()
	done := 0
	add := func(i int) {
		ts := &tss[i]
		b.Labels.Reset()
		for j := range ts.Labels {
			b.Labels.Add(ts.Labels[j].Name, ts.Labels[j].Value)
		}
		if reason := b.Begin(); reason != "" {
			req.Reject(model.SignalMetrics, reason, len(ts.Samples))
			return
		}
		for j := range ts.Samples {
			b.Sample(ts.Samples[j].Timestamp, ts.Samples[j].Value)
		}
	}
	for {
		var err error
		next := done
		for next < len(tss) && next < done+emitBatch {
			add(next)
			next++
		}
		if err = b.Flush(ctx); err == nil {
			if done = next; done == len(tss) {
				return nil
			}
			continue
		}
		select {
		case <-time.After(emitPause):
		case <-ctx.Done():
			return err
		}
	}
}

// emitBatch is how many series are published together.
const emitBatch = 5_000
