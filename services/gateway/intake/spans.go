package intake

import (
	"context"

	"github.com/faultline-io/faultline/services/model"
)

// Bounds of one batch of spans.
const (
	maxBatchSpans     = 4_000
	maxBatchSpanBytes = 1 << 20
)

// Spans gathers the spans of one request. It belongs to one goroutine.
type Spans struct {
	core  *Core
	req   *Request
	batch model.Spans
	res   model.Resource
	idx   int
	bytes int
	// Of what came in since the last flush, for an agent's batch.
	seen, seenBytes int
	// drop is why the spans of the resource go no further.
	drop string
}

// Spans returns a builder for req.
func (c *Core) Spans(req *Request) *Spans { return &Spans{core: c, req: req, idx: -1} }

// SetResource names the resource of the spans that follow. attrs is kept.
func (b *Spans) SetResource(attrs []model.Label) {
	attrs, b.drop = b.req.Resource(model.SignalSpans, attrs)
	b.res = NewResource(attrs)
	b.idx = -1
}

// Add adds a span; its ResourceIdx is set here. textBytes is about how much text it carries.
func (b *Spans) Add(s model.Span, textBytes int) {
	b.seen++
	b.seenBytes += textBytes + 64
	if b.req.stages != nil {
		reason := b.drop
		if reason == "" {
			reason = b.req.stages.Span(&s, &b.res)
		}
		if reason != "" {
			b.req.Drop(model.SignalSpans, reason, 1)
			return
		}
	}
	if b.idx < 0 {
		b.idx = len(b.batch.Resources)
		b.batch.Resources = append(b.batch.Resources, b.res)
	}
	s.ResourceIdx = uint32(b.idx)
	b.batch.Spans = append(b.batch.Spans, s)
	b.bytes += textBytes + 64
}

// Split publishes what was gathered when it fills a message.
func (b *Spans) Split(ctx context.Context) error {
	if b.req.refusal != nil {
		return b.req.refusal
	}
	n, bytes := len(b.batch.Spans), b.bytes
	if b.req.AgentID != "" {
		n, bytes = b.seen, b.seenBytes
	}
	if n < maxBatchSpans && bytes < maxBatchSpanBytes {
		return nil
	}
	return b.Flush(ctx)
}

// Flush publishes what was gathered, if anything.
func (b *Spans) Flush(ctx context.Context) error {
	if b.req.refusal != nil {
		return b.req.refusal
	}
	n := b.batch.Len()
	if n == 0 {
		if b.seen > 0 {
			b.req.skipPart(model.SignalSpans, b.core.Shards)
		}
		b.seen, b.seenBytes = 0, 0
		return nil
	}
	err := b.publish(ctx)
	b.batch = model.Spans{}
	b.idx, b.bytes, b.seen, b.seenBytes = -1, 0, 0, 0
	if err != nil {
		return err
	}
	b.req.accepted += n
	return nil
}

func (b *Spans) publish(ctx context.Context) error {
	if b.core.Shards > 1 {
		return b.publishShards(ctx)
	}
	b.batch.Header = b.req.Header(model.SignalSpans)
	return b.core.Sink.PublishSpans(ctx, b.req, &b.batch)
}
