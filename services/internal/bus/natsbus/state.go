package natsbus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// pendingCount caches what was counted above an acknowledgement floor.
type pendingCount struct {
	floor, last uint64
	items       map[bus.SourceKey]uint64
	oldest      time.Time
}

// maxCounted bounds how many pending messages are counted one by one for the ledger.
const maxCounted = 20_000

// State implements bus.Bus.
func (b *Bus) State(ctx context.Context) ([]bus.StreamState, error) {
	var out []bus.StreamState
	for _, s := range signals {
		info, err := b.streams[s].Info(ctx)
		if err != nil {
			return nil, busError("read stream "+streamName(s), err)
		}
		st := bus.StreamState{
			Stream: info.Config.Name, Signal: s, Epoch: b.epochs[s], FirstSeq: info.State.FirstSeq, LastSeq: info.State.LastSeq,
			Bytes: info.State.Bytes, MaxBytes: uint64(max(info.Config.MaxBytes, 0)), AckFloor: info.State.LastSeq,
		}
		for shard := range b.cfg.Shards {
			c, err := b.js.Consumer(ctx, streamName(s), fmt.Sprintf("%s-%d", WriterName, shard))
			if err != nil {
				return nil, busError("read the writer's position", err)
			}
			ci := c.CachedInfo()
			pending := ci.NumPending + uint64(ci.NumAckPending)
			st.Pending += pending
			if pending > 0 && ci.AckFloor.Stream < st.AckFloor {
				st.AckFloor = ci.AckFloor.Stream
			}
		}
		p, err := b.countPending(ctx, st)
		if err != nil {
			return nil, err
		}
		st.PendingItems, st.Oldest = p.items, p.oldest
		out = append(out, st)
	}
	return out, nil
}

// countPending adds up the items of the messages that no writer has acknowledged, from their headers alone.
func (b *Bus) countPending(ctx context.Context, st bus.StreamState) (pendingCount, error) {
	if st.Pending == 0 {
		return pendingCount{}, nil
	}
	b.mu.Lock()
	cached, ok := b.pending[st.Stream]
	b.mu.Unlock()
	if ok && cached.floor == st.AckFloor && cached.last == st.LastSeq {
		return cached, nil
	}
	p := pendingCount{floor: st.AckFloor, last: st.LastSeq, items: map[bus.SourceKey]uint64{}}
	c, err := b.js.OrderedConsumer(ctx, st.Stream, jetstream.OrderedConsumerConfig{
		HeadersOnly: true, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: st.AckFloor + 1, InactiveThreshold: 30 * time.Second,
	})
	if err != nil {
		return p, busError("count pending messages", err)
	}
	for n := 0; n < maxCounted; {
		batch, err := c.FetchNoWait(1000)
		if err != nil {
			return p, busError("count pending messages", err)
		}
		got := 0
		for m := range batch.Messages() {
			got++
			meta, err := m.Metadata()
			if err != nil || meta.Sequence.Stream > st.LastSeq {
				continue
			}
			d := readMessage(m.Subject(), m.Headers(), nil)
			p.items[bus.SourceKey{Tenant: d.Tenant, Source: d.Source, Protocol: d.Protocol}] += uint64(d.Items)
			if t := time.UnixMilli(d.ReceivedAtMS); p.oldest.IsZero() || t.Before(p.oldest) {
				p.oldest = t
			}
		}
		n += got
		if got < 1000 {
			break
		}
	}
	b.mu.Lock()
	b.pending[st.Stream] = p
	b.mu.Unlock()
	return p, nil
}

// PutDeadLetter implements bus.Bus. The original subject and headers travel along, so that a replay is the same message again.
func (b *Bus) PutDeadLetter(ctx context.Context, d bus.Delivery, reason string) error {
	msg := nats.NewMsg("deadletter." + subject(d.Tenant, d.Signal, d.Shard))
	msg.Data = d.Data
	setHeader(msg, &d.Message)
	msg.Header.Set(hdrReason, sanitize(reason))
	msg.Header.Set(hdrFrom, fmt.Sprintf("%s %d %d", d.Stream, d.Epoch, d.Seq))
	// The same delivery may come here twice after a crash; the id makes it one letter.
	msg.Header.Set(nats.MsgIdHdr, fmt.Sprintf("%s.%d.%d", d.Stream, d.Epoch, d.Seq))
	if _, err := b.js.PublishMsg(ctx, msg); err != nil {
		return busError("keep dead letter", err)
	}
	return nil
}

// sanitize makes a reason fit a header: one line of bounded length.
func sanitize(s string) string {
	const maxReason = 512
	if len(s) > maxReason {
		s = s[:maxReason]
	}
	out := []byte(s)
	for i, c := range out {
		if c < ' ' || c == 0x7f {
			out[i] = ' '
		}
	}
	return string(out)
}

// DeadLetters implements bus.Bus.
func (b *Bus) DeadLetters(ctx context.Context, after uint64, limit int) ([]bus.DeadLetter, error) {
	c, err := b.js.OrderedConsumer(ctx, deadLetterStream, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1, InactiveThreshold: 30 * time.Second,
	})
	if err != nil {
		return nil, busError("list dead letters", err)
	}
	batch, err := c.FetchNoWait(limit)
	if err != nil {
		return nil, busError("list dead letters", err)
	}
	var out []bus.DeadLetter
	for m := range batch.Messages() {
		meta, err := m.Metadata()
		if err != nil {
			return nil, busError("list dead letters", err)
		}
		out = append(out, deadLetter(m.Subject(), m.Headers(), m.Data(), meta.Sequence.Stream, meta.Timestamp))
	}
	if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) {
		return nil, busError("list dead letters", err)
	}
	return out, nil
}

func deadLetter(subj string, h nats.Header, data []byte, seq uint64, at time.Time) bus.DeadLetter {
	const prefix = len("deadletter.")
	d := bus.DeadLetter{Seq: seq, Reason: get(h, hdrReason), At: at}
	if len(subj) > prefix {
		subj = subj[prefix:]
	}
	d.From.Message = readMessage(subj, h, data)
	if _, err := fmt.Sscanf(get(h, hdrFrom), "%s %d %d", &d.From.Stream, &d.From.Epoch, &d.From.Seq); err != nil {
		d.From.Stream = ""
	}
	return d
}

// ReplayDeadLetter implements bus.Bus. The new message's id is made from the letter's, so that a replay that is repeated after a
// crash between its two steps gives one message.
func (b *Bus) ReplayDeadLetter(ctx context.Context, seq uint64) error {
	raw, err := b.dead.GetMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return &errs.Error{Op: "replay dead letter " + strconv.FormatUint(seq, 10), Kind: errs.NotFound, Err: err}
	}
	if err != nil {
		return busError("read dead letter", err)
	}
	d := deadLetter(raw.Subject, raw.Header, raw.Data, raw.Sequence, raw.Time)
	msg := nats.NewMsg(subject(d.From.Tenant, d.From.Signal, d.From.Shard))
	msg.Data = d.From.Data
	setHeader(msg, &d.From.Message)
	msg.Header.Set(nats.MsgIdHdr, fmt.Sprintf("replay.%d", seq))
	if _, err := b.js.PublishMsg(ctx, msg); err != nil {
		return busError("replay dead letter", err)
	}
	if err := b.dead.DeleteMsg(ctx, seq); err != nil {
		return busError("remove replayed dead letter", err)
	}
	return nil
}
