package intake

import (
	"context"
	"time"

	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/model"
)

// Bounds of one change; what is longer is cut off and counted.
const (
	maxChangeText = 16 << 10
	maxChangeWord = 512
)

// maxBatchChanges bounds one batch of changes.
const maxBatchChanges = 1_000

// Changes gathers the changes of one request. It belongs to one goroutine.
type Changes struct {
	core  *Core
	req   *Request
	batch []model.Change
}

// Changes returns a builder for req.
func (c *Core) Changes(req *Request) *Changes { return &Changes{core: c, req: req} }

// Add adds a change, or counts it as refused when its time is out of bounds. A change without a time happened now; one without an end
// that the sender gives before its beginning is a moment.
func (b *Changes) Add(c model.Change) bool {
	if c.TimeNS == 0 {
		c.TimeNS = b.req.ReceivedAt.UnixNano()
	}
	if reason := b.req.Window.Reason(c.TimeNS / int64(time.Millisecond)); reason != "" {
		b.req.Reject(model.SignalChanges, reason, 1)
		return false
	}
	if c.ID == "" || c.Kind == "" {
		b.req.Reject(model.SignalChanges, limits.InvalidData, 1)
		return false
	}
	if c.EndNS < c.TimeNS {
		c.EndNS = 0
	}
	cut := false
	for _, s := range []*string{&c.ID, &c.Kind, &c.Title, &c.Status, &c.Service, &c.Host, &c.Environment, &c.Version, &c.PreviousVersion, &c.Actor, &c.Source} {
		cut = clip(s, maxChangeWord) || cut
	}
	cut = clip(&c.URL, 4*maxChangeWord) || cut
	cut = clip(&c.Text, maxChangeText) || cut
	if n := b.core.Limits.MaxAttributes; len(c.Attributes) > n {
		c.Attributes = c.Attributes[:n]
		b.req.Note(model.SignalChanges, limits.AttributesDropped, 1)
	}
	for i := range c.Attributes {
		cut = clip(&c.Attributes[i].Name, b.core.Limits.MaxLabelNameBytes) || cut
		cut = clip(&c.Attributes[i].Value, b.core.Limits.MaxAttributeBytes) || cut
	}
	if cut {
		b.req.Note(model.SignalChanges, limits.Truncated, 1)
	}
	b.batch = append(b.batch, c)
	return true
}

// clip makes s valid and cuts it to limit bytes; it reports whether it cut.
func clip(s *string, limit int) bool {
	*s = Valid(*s)
	if len(*s) <= limit {
		return false
	}
	*s = Cut(*s, limit)
	return true
}

// Split publishes what was gathered when it fills a message.
func (b *Changes) Split(ctx context.Context) error {
	if len(b.batch) < maxBatchChanges {
		return nil
	}
	return b.Flush(ctx)
}

// Flush publishes what was gathered, if anything.
func (b *Changes) Flush(ctx context.Context) error {
	n := len(b.batch)
	if n == 0 {
		return nil
	}
	all := b.batch
	b.batch = nil
	err := b.req.eachShard(max(b.core.Shards, 1), func(shard int) error {
		x := &model.Changes{}
		for i := range all {
			if model.Shard(all[i].ShardHash(), b.core.Shards) == shard {
				x.Changes = append(x.Changes, all[i])
			}
		}
		if x.Len() == 0 {
			return nil
		}
		x.Header = b.req.Header(model.SignalChanges)
		return b.core.Sink.PublishChanges(ctx, b.req, x)
	})
	if err != nil {
		return err
	}
	b.req.accepted += n
	return nil
}
