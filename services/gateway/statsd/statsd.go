// Package statsd takes statsd and DogStatsD and adds up what it hears, as a statsd server does: every ten seconds each series gives one
// sample, under names that PromQL users expect. Counters are running totals (name_total), gauges keep their value, timers (name_seconds)
// and histograms and distributions (name) are native histograms, a set (name) is the number of different values of the last interval.
// Events become changes, service checks gauges.
//
// What it holds is bounded: a series has about 300 bytes, a histogram some kilobytes. A line of a known series costs a map look-up and no
// allocation.
package statsd

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/faultline-io/faultline/services/gateway/datadog"
	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Protocol is the name of the protocol in the ledger.
const Protocol = "statsd"

// FlushEvery is the interval of samples: statsd's own.
const FlushEvery = 10 * time.Second

// flushTimeout bounds one flush; what it could not publish is in the next.
const flushTimeout = 5 * time.Second

// maxPending bounds events that wait for the next flush.
const maxPending = 10_000

// Receiver adds up lines. It is an app.Service, which flushes, and safe for several goroutines.
type Receiver struct {
	core *intake.Core
	log  *slog.Logger

	// mu guards all below.
	mu     sync.Mutex
	state  *state
	events []datadog.Event
	// bad counts lines by the reason for which they were refused since the last flush.
	bad map[string]int
}

// New returns a receiver.
func New(core *intake.Core, log *slog.Logger) *Receiver {
	return &Receiver{core: core, log: log, state: newState(core.Clock()), bad: map[string]int{}}
}

// Write adds the lines of data, which may be reused afterwards.
func (r *Receiver) Write(data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(data) > 0 {
		var s []byte
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			s, data = data[:i], data[i+1:]
		} else {
			s, data = data, nil
		}
		s = bytes.TrimSuffix(s, []byte{'\r'})
		if len(s) == 0 {
			continue
		}
		if reason := r.one(s); reason != "" {
			r.bad[reason]++
		}
	}
}

// one adds a line and returns why it is refused, or "". It needs the lock.
func (r *Receiver) one(s []byte) string {
	if s[0] == '_' {
		switch {
		case bytes.HasPrefix(s, eventPrefix):
			e, ok := parseEvent(s)
			if !ok {
				return limits.InvalidData
			}
			if len(r.events) >= maxPending {
				return limits.StateLimit
			}
			r.events = append(r.events, e)
			return ""
		case bytes.HasPrefix(s, checkPrefix):
			c, ok := parseCheck(s)
			if !ok {
				return limits.InvalidData
			}
			return r.state.check(&c)
		}
	}
	var l line
	if parseLine(s, &l) != nil {
		return limits.InvalidData
	}
	return r.state.add(&l)
}

// Name implements app.Service.
func (*Receiver) Name() string { return "gateway-statsd-flush" }

// Run flushes until ctx ends, and once more then.
func (r *Receiver) Run(ctx context.Context) error {
	t := time.NewTicker(FlushEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			r.flushLogged(ctx)
		case <-ctx.Done():
			r.flushLogged(context.WithoutCancel(ctx))
			return nil
		}
	}
}

func (r *Receiver) flushLogged(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	if err := r.Flush(ctx); err != nil {
		r.log.WarnContext(ctx, "statsd samples not taken", slog.Any("error", err))
	}
}

// Flush publishes a sample of every series that was heard of lately, and the events. Totals are kept whatever becomes of them; the
// events are kept for the next flush when the bus does not take them. Errors are those of the bus.
func (r *Receiver) Flush(ctx context.Context) error {
	req := r.core.NewRequest(intake.Sender{Origin: model.Origin{Tenant: model.DefaultTenant, Source: Protocol, Protocol: Protocol}})
	defer r.core.Finish(req)
	rows, events := r.take(req)
	err := r.publish(ctx, req, rows)
	if err != nil {
		reason := limits.BusUnavailable
		if errs.KindOf(err) == errs.Exhausted {
			reason = limits.BusFull
		}
		req.Reject(model.SignalMetrics, reason, len(rows)-min(req.Accepted(), len(rows)))
	}
	if eventErr := r.publishEvents(ctx, req, events); eventErr != nil {
		r.mu.Lock()
		if len(r.events)+len(events) <= maxPending {
			r.events = append(events, r.events...)
		}
		r.mu.Unlock()
		return eventErr
	}
	return err
}

// take returns what is to be published now, so that the lock is not held while the bus takes it.
func (r *Receiver) take(req *intake.Request) ([]row, []datadog.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for reason, n := range r.bad {
		req.Reject(model.SignalMetrics, reason, n)
	}
	clear(r.bad)
	events := r.events
	r.events = nil
	return r.state.flush(req.ReceivedAt), events
}

func (r *Receiver) publish(ctx context.Context, req *intake.Request, rows []row) error {
	b := r.core.Metrics(req)
	defer b.Close()
	for i := range rows {
		x := &rows[i]
		b.Labels.Reset()
		for _, l := range x.cell.labels {
			b.Labels.Add(l.Name, l.Value)
		}
		if reason := b.Begin(); reason != "" {
			req.Reject(model.SignalMetrics, reason, 1)
			continue
		}
		if family := x.cell.labels[0].Value; !b.HasFamily(family) {
			b.Metadata(model.MetricMetadata{Family: family, Original: x.cell.original, Type: x.cell.kind.promType()})
		}
		x.write(b)
		if err := b.Split(ctx); err != nil {
			return err
		}
	}
	return b.Flush(ctx)
}

func (r *Receiver) publishEvents(ctx context.Context, req *intake.Request, events []datadog.Event) error {
	if len(events) == 0 {
		return nil
	}
	b := r.core.Changes(req)
	for i := range events {
		if events[i].TimeNS == 0 {
			events[i].TimeNS = req.ReceivedAt.UnixNano()
		}
		b.Add(events[i].Change("dogstatsd"))
	}
	return b.Flush(ctx)
}
