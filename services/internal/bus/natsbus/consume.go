package natsbus

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// pullMessages is how many messages one request asks for; pullWait bounds how long a request may be open. Every request has ended
// before Fetch returns: one that is left open would take messages away from the reader that comes after this one.
const (
	pullMessages = 256
	pullWait     = time.Second
	// firstMeanBytes is what a message is taken for before any has been seen; a full one is near a megabyte.
	firstMeanBytes = 64 << 10
)

// consumer reads one shard in order. It is used by one goroutine.
type consumer struct {
	bus    *Bus
	name   string
	signal model.Signal
	shard  int

	cons jetstream.Consumer
	// outstanding are delivered and not acknowledged, in order, without their data, since a reader may acknowledge minutes later; head is
	// the highest sequence delivered.
	outstanding []receipt
	head        uint64
	// meanBytes is about the size of the messages of late: a request can be bounded by number or by bytes, not by both, and 256
	// messages may be a few kilobytes or a quarter of a gigabyte.
	meanBytes int
}

// receipt is what acknowledging a message takes.
type receipt struct {
	seq   uint64
	reply string
}

// ask returns how many messages to ask for when at most messages and about size bytes are wanted.
func (c *consumer) ask(messages, size int) int {
	return max(1, min(pullMessages, messages, size/max(c.meanBytes, 1)))
}

// Consume implements bus.Bus.
func (b *Bus) Consume(ctx context.Context, name string, signal model.Signal, shard int) (bus.Consumer, error) {
	if shard < 0 || shard >= b.cfg.Shards {
		return nil, errs.New(errs.Invalid, "shard %d of %d", shard, b.cfg.Shards)
	}
	c := &consumer{bus: b, name: name, signal: signal, shard: shard, meanBytes: firstMeanBytes}
	return c, c.Rewind(ctx)
}

// Rewind implements bus.Consumer. It makes the server deliver from the acknowledgement floor again.
func (c *consumer) Rewind(ctx context.Context) error {
	cons, err := c.bus.streams[c.signal].Consumer(ctx, c.durableName())
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		cons, err = c.bus.durable(ctx, c.name, c.signal, c.shard, jetstream.DeliverAllPolicy)
	}
	if err != nil {
		return busError("open reader "+c.name+" of "+streamName(c.signal), err)
	}
	if _, err := c.bus.js.ResetConsumer(ctx, streamName(c.signal), c.durableName()); err != nil {
		return busError("rewind reader of "+streamName(c.signal), err)
	}
	c.cons, c.outstanding, c.head = cons, c.outstanding[:0], 0
	return nil
}

func (c *consumer) durableName() string { return fmt.Sprintf("%s-%d", c.name, c.shard) }

// Behind implements bus.Consumer.
func (c *consumer) Behind(ctx context.Context) (uint64, error) {
	info, err := c.cons.Info(ctx)
	if err != nil {
		return 0, busError("read the place of reader "+c.name+" of "+streamName(c.signal), err)
	}
	return info.NumPending, nil
}

// Skip implements bus.Consumer: the reader is made anew at the end of the stream, and what only it had kept there goes.
func (c *consumer) Skip(ctx context.Context) error {
	err := c.bus.streams[c.signal].DeleteConsumer(ctx, c.durableName())
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return busError("skip reader "+c.name+" of "+streamName(c.signal), err)
	}
	if c.cons, err = c.bus.durable(ctx, c.name, c.signal, c.shard, jetstream.DeliverNewPolicy); err != nil {
		return err
	}
	c.outstanding = c.outstanding[:0]
	return nil
}

// Fetch implements bus.Consumer.
func (c *consumer) Fetch(ctx context.Context, maxMessages, maxBytes int, wait, linger time.Duration) ([]bus.Delivery, error) {
	var out []bus.Delivery
	size := 0
	deadline := time.Now().Add(wait)
	for len(out) < maxMessages && size < maxBytes && ctx.Err() == nil {
		want := c.ask(maxMessages-len(out), maxBytes-size)
		if len(out) == 0 {
			want = 1 // a request for more would stay open until all of them are there
		}
		batch, err := c.cons.FetchNoWait(c.ask(maxMessages-len(out), maxBytes-size))
		got, err := c.collect(batch, err, &out, &size)
		if err != nil {
			return nil, err
		}
		if got > 0 {
			if len(out) == got {
				deadline = time.Now().Add(linger)
			}
			continue
		}
		left := time.Until(deadline)
		if left <= 0 {
			break
		}
		batch, err = c.cons.Fetch(want, jetstream.FetchMaxWait(max(min(left, pullWait), time.Millisecond)))
		first := len(out) == 0
		if got, err = c.collect(batch, err, &out, &size); err != nil {
			return nil, err
		}
		if first && got > 0 {
			deadline = time.Now().Add(linger)
		}
	}
	return out, ctx.Err()
}

// collect takes all messages of a request and waits for its end.
func (c *consumer) collect(batch jetstream.MessageBatch, err error, out *[]bus.Delivery, size *int) (int, error) {
	if err != nil {
		return 0, busError("read "+streamName(c.signal), err)
	}
	got := 0
	for m := range batch.Messages() {
		d, err := c.accept(m)
		if err != nil {
			return got, err
		}
		if d != nil {
			*out = append(*out, *d)
			*size += len(d.Data)
			c.meanBytes += (len(d.Data) - c.meanBytes) / 8
			got++
		}
	}
	if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) && !errors.Is(err, jetstream.ErrNoMessages) {
		return got, busError("read "+streamName(c.signal), err)
	}
	return got, nil
}

// accept turns a message into a delivery; nil when it was delivered before and is still in hand.
func (c *consumer) accept(m jetstream.Msg) (*bus.Delivery, error) {
	meta, err := m.Metadata()
	if err != nil {
		return nil, busError("read message metadata", err)
	}
	seq := meta.Sequence.Stream
	if seq <= c.head {
		return nil, nil
	}
	c.head = seq
	c.outstanding = append(c.outstanding, receipt{seq, m.Reply()})
	return &bus.Delivery{
		Message: readMessage(m.Subject(), m.Headers(), m.Data()),
		Stream:  streamName(c.signal), Epoch: c.bus.epochs[c.signal], Seq: seq,
	}, nil
}

// AckThrough implements bus.Consumer. It returns after the server has confirmed.
func (c *consumer) AckThrough(ctx context.Context, seq uint64) error {
	n := sort.Search(len(c.outstanding), func(i int) bool { return c.outstanding[i].seq > seq })
	if n == 0 {
		return nil
	}
	// A request, so that this returns after the server has it (what Msg.DoubleAck does).
	if _, err := c.bus.nc.RequestWithContext(ctx, c.outstanding[n-1].reply, []byte("+ACK")); err != nil {
		return busError("acknowledge "+streamName(c.signal), err)
	}
	c.outstanding = append(c.outstanding[:0], c.outstanding[n:]...)
	return nil
}

// Close implements bus.Consumer. No request is open between calls, so there is nothing to end.
func (c *consumer) Close() {}

// Subscribe implements bus.Bus on a plain core subscription to the telemetry subjects: what the stream stores passes there too.
func (b *Bus) Subscribe(ctx context.Context, signal model.Signal, f func(*bus.Message)) error {
	// The channel bounds what a slow caller holds up; NATS drops the rest for this subscription only.
	ch := make(chan *nats.Msg, 256)
	sub, err := b.nc.ChanSubscribe(fmt.Sprintf("telemetry.*.%s.*", signal), ch)
	if err != nil {
		return busError("subscribe "+string(signal), err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-ch:
			msg := readMessage(m.Subject, m.Header, m.Data)
			f(&msg)
		}
	}
}
