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
}

// Spans returns a builder for req.
func (c *Core) Spans(req *Request) *Spans { return &Spans{core: c, req: req, idx: -1} }

// SetResource names the resource of the spans that follow. attrs is kept.
func (b *Spans) SetResource(attrs []model.Label) {
	b.res = NewResource(attrs)
	b.idx = -1
}

// Add adds a span; its ResourceIdx is set here. textBytes is about how much text it carries.
func (b *Spans) Add(s model.Span, textBytes int) {
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
	if len(b.batch.Spans) < maxBatchSpans && b.bytes < maxBatchSpanBytes {
		return nil
	}
	return b.Flush(ctx)
}

// Flush publishes what was gathered, if anything.
func (b *Spans) Flush(ctx context.Context) error {
	n := b.batch.Len()
	if n == 0 {
		return nil
	}
	err := b.publish(ctx)
	b.batch = model.Spans{}
	b.idx, b.bytes = -1, 0
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
