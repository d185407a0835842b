// Package intake is what all receivers share: the request with its sender, the builders that gather columns into batches of a
// size that the bus takes, and the sink they are published to. It knows no wire protocol.
package intake

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/series"
	"github.com/faultline-io/faultline/services/model"
)

// Sink takes finished batches. It returns when the batch is as durable as the bus makes it, and keeps nothing of it.
// Errors are those of bus.Publisher.
type Sink interface {
	PublishMetrics(ctx context.Context, req *Request, m *model.Metrics) error
	PublishLogs(ctx context.Context, req *Request, l *model.Logs) error
	PublishSpans(ctx context.Context, req *Request, s *model.Spans) error
	PublishChanges(ctx context.Context, req *Request, c *model.Changes) error
}

// Core is what a receiver needs of the gateway. It is shared by all receivers and safe for several goroutines.
type Core struct {
	Limits   limits.Limits
	Sink     Sink
	Rejected *limits.Rejections
	Index    *series.Index
	// Shards is how many shards the streams have, a power of two of at most series.MaxShards; 0 means 1.
	Shards int
	Clock  func() time.Time
	Log    *slog.Logger
	// Shape hashes the masked tokens of a log body.
	Shape func(body string) uint64
	// Pipeline processes what passes the builders; nil leaves all as it comes.
	Pipeline Pipeline
}

// Sender is who sent a request, as authentication and headers tell.
type Sender struct {
	model.Origin
	// AgentSent and AgentDropped are our agent's own cumulative counts; 0 for everybody else.
	AgentSent    uint64
	AgentDropped uint64
}

// Request is one request being handled. It belongs to one goroutine.
type Request struct {
	Sender
	ReceivedAt time.Time
	Window     limits.Window
	// Shard is that of the batch being published.
	Shard int

	parts    map[model.Signal]int
	rejected []count
	noted    []count
	dropped  []count
	accepted int
	stages   Stages
	refusal  error
}

type count struct {
	signal model.Signal
	reason string
	n      uint64
}

// NewRequest starts a request of a sender, received now.
func (c *Core) NewRequest(s Sender) *Request {
	now := c.Clock()
	r := &Request{Sender: s, ReceivedAt: now, Window: c.Limits.Window(now)}
	if c.Pipeline != nil {
		r.stages = c.Pipeline.Stages(r)
	}
	return r
}

// Header returns the header of the next batch of this request. A batch of our agent keeps its identity; when it has to be cut,
// every further part gets an identity that follows from its place, so that sending the whole again names the parts the same.
func (r *Request) Header(signal model.Signal) model.Header {
	h := model.Header{Origin: r.Origin, ReceivedAtMS: r.ReceivedAt.UnixMilli()}
	if h.AgentID == "" {
		return h
	}
	if r.parts == nil {
		r.parts = map[model.Signal]int{}
	}
	part := r.parts[signal]
	r.parts[signal]++
	if part > 0 {
		h.AgentID += "/part" + strconv.Itoa(part)
	}
	return h
}

// Reject counts n items of the request that are refused.
func (r *Request) Reject(signal model.Signal, reason string, n int) {
	r.rejected = bump(r.rejected, signal, reason, n)
}

// Resource returns the attributes of a resource as the pipeline makes them, and why what belongs to it goes no further, if so. The
// builders of logs and spans call it themselves.
func (r *Request) Resource(signal model.Signal, attrs []model.Label) ([]model.Label, string) {
	if r.stages == nil {
		return attrs, ""
	}
	return r.stages.Resource(signal, attrs)
}

// Drop counts n items that the operator does not want: they are in the ledger, and to the sender they are taken.
func (r *Request) Drop(signal model.Signal, reason string, n int) {
	r.dropped = bump(r.dropped, signal, reason, n)
}

// Refuse makes the next Split or Flush of the request's builders fail with err, so that the sender comes back with all of it. What
// was published before stays.
func (r *Request) Refuse(err error) {
	if r.refusal == nil {
		r.refusal = err
	}
}

// Dropped returns how many items the pipeline dropped.
func (r *Request) Dropped() int {
	var n uint64
	for i := range r.dropped {
		n += r.dropped[i].n
	}
	return int(n)
}

// Note counts n items that are stored, but not whole.
func (r *Request) Note(signal model.Signal, reason string, n int) {
	r.noted = bump(r.noted, signal, reason, n)
}

func bump(cs []count, signal model.Signal, reason string, n int) []count {
	if n <= 0 {
		return cs
	}
	for i := range cs {
		if cs[i].reason == reason && cs[i].signal == signal {
			cs[i].n += uint64(n)
			return cs
		}
	}
	return append(cs, count{signal, reason, uint64(n)})
}

// Rejected returns how many items were refused, and Reasons says why in a sentence; empty when none were.
func (r *Request) Rejected() int {
	var n uint64
	for i := range r.rejected {
		n += r.rejected[i].n
	}
	return int(n)
}

// Reasons lists the reasons of refused items with their counts, as "series_limit: 3, too_old: 1".
func (r *Request) Reasons() string {
	var b []byte
	for i := range r.rejected {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, r.rejected[i].reason...)
		b = append(b, ": "...)
		b = strconv.AppendUint(b, r.rejected[i].n, 10)
	}
	return string(b)
}

// Accepted returns how many items were published.
func (r *Request) Accepted() int { return r.accepted }

// Finish hands the request's counts to the ledger. Call it once, when the request has been answered for good: one that the sender
// will repeat is not counted.
func (c *Core) Finish(r *Request) {
	for _, x := range r.rejected {
		c.Rejected.Add(&r.Origin, x.signal, x.reason, x.n)
	}
	for _, x := range r.noted {
		c.Rejected.Add(&r.Origin, x.signal, x.reason, x.n)
	}
	for _, x := range r.dropped {
		c.Rejected.Add(&r.Origin, x.signal, x.reason, x.n)
	}
}
