package natsbus

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// The stream of commands. People give some hundreds a day; the bounds keep one who scripts from filling the disk, and keep what was asked
// while the brain was away for as long as anybody may still mean it.
const (
	commandStream   = "FAULTLINE_COMMANDS"
	maxCommandBytes = 16 << 20
	maxCommandAge   = 30 * 24 * time.Hour
	// commandWindow is how long an idempotency key is remembered by the stream; the brain remembers longer.
	commandWindow = 24 * time.Hour
)

func (b *Bus) openCommands(ctx context.Context) error {
	var err error
	b.asked, err = b.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: commandStream, Subjects: []string{"commands.*"}, Storage: jetstream.FileStorage, Replicas: b.cfg.Replicas, Retention: jetstream.LimitsPolicy,
		Discard: jetstream.DiscardNew, MaxBytes: maxCommandBytes, MaxAge: maxCommandAge, Duplicates: commandWindow, AllowDirect: true,
	})
	if err != nil {
		return busError("create stream "+commandStream, err)
	}
	return nil
}

// PublishCommand implements bus.Commands.
func (b *Bus) PublishCommand(ctx context.Context, c bus.Command) (bool, error) {
	if c.Tenant == 0 || !word(c.ID) {
		return false, errs.New(errs.Invalid, "command %q of tenant %d", c.ID, c.Tenant)
	}
	msg := nats.NewMsg("commands." + strconv.FormatUint(uint64(c.Tenant), 10))
	msg.Data = c.Data
	msg.Header.Set(nats.MsgIdHdr, commandID(c.Tenant, c.ID))
	ack, err := b.js.PublishMsg(ctx, msg)
	if err != nil {
		return false, busError("publish a command", err)
	}
	return ack.Duplicate, nil
}

// commandID is a message id: ids of commands are a tenant's own.
func commandID(t model.TenantID, id string) string {
	return strconv.FormatUint(uint64(t), 10) + "." + id
}

// commandReader reads all tenants' commands in order.
type commandReader struct {
	bus         *Bus
	name        string
	cons        jetstream.Consumer
	outstanding []jetstream.Msg
	head        uint64
}

// Commands implements bus.Commands.
func (b *Bus) Commands(ctx context.Context, name string) (bus.CommandReader, error) {
	if !word(name) {
		return nil, errs.New(errs.Invalid, "reader of commands %q", name)
	}
	r := &commandReader{bus: b, name: name}
	return r, r.Rewind(ctx)
}

// Rewind implements bus.CommandReader.
func (r *commandReader) Rewind(ctx context.Context) error {
	cons, err := r.bus.asked.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: r.name, AckPolicy: jetstream.AckAllPolicy, DeliverPolicy: jetstream.DeliverAllPolicy,
		// As for batches: nothing comes again by itself, a reader that was away rewinds.
		AckWait: 15 * time.Minute, MaxAckPending: 10_000, MaxDeliver: -1,
	})
	if err != nil {
		return busError("open reader of "+commandStream, err)
	}
	if _, err := r.bus.js.ResetConsumer(ctx, commandStream, r.name); err != nil {
		return busError("rewind reader of "+commandStream, err)
	}
	r.cons, r.outstanding, r.head = cons, r.outstanding[:0], 0
	return nil
}

// Fetch implements bus.CommandReader. Every request to the server has ended when it returns.
func (r *commandReader) Fetch(ctx context.Context, limit int, wait time.Duration) ([]bus.Command, error) {
	limit = max(1, min(limit, pullMessages))
	deadline := time.Now().Add(wait)
	for ctx.Err() == nil {
		batch, err := r.cons.FetchNoWait(limit)
		out, err := r.collect(batch, err)
		if err != nil || len(out) > 0 {
			return out, err
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil, nil
		}
		batch, err = r.cons.Fetch(1, jetstream.FetchMaxWait(max(min(left, pullWait), time.Millisecond)))
		if out, err = r.collect(batch, err); err != nil || len(out) > 0 {
			return out, err
		}
	}
	return nil, ctx.Err()
}

func (r *commandReader) collect(batch jetstream.MessageBatch, err error) ([]bus.Command, error) {
	if err != nil {
		return nil, busError("read "+commandStream, err)
	}
	var out []bus.Command
	for m := range batch.Messages() {
		meta, err := m.Metadata()
		if err != nil {
			return nil, busError("read message metadata", err)
		}
		if meta.Sequence.Stream <= r.head {
			continue
		}
		r.head = meta.Sequence.Stream
		r.outstanding = append(r.outstanding, m)
		tenant, id, _ := strings.Cut(get(m.Headers(), nats.MsgIdHdr), ".")
		t, err := strconv.ParseUint(tenant, 10, 32)
		if err != nil {
			continue // Not published by us; it is acknowledged with the next one.
		}
		out = append(out, bus.Command{Tenant: model.TenantID(t), ID: id, Data: m.Data(), Seq: meta.Sequence.Stream, At: meta.Timestamp})
	}
	if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) && !errors.Is(err, jetstream.ErrNoMessages) {
		return out, busError("read "+commandStream, err)
	}
	return out, nil
}

// AckThrough implements bus.CommandReader. It returns after the server has confirmed.
func (r *commandReader) AckThrough(ctx context.Context, seq uint64) error {
	last := -1
	for i, m := range r.outstanding {
		meta, err := m.Metadata()
		if err != nil {
			return busError("read message metadata", err)
		}
		if meta.Sequence.Stream > seq {
			break
		}
		last = i
	}
	if last < 0 {
		return nil
	}
	if err := r.outstanding[last].DoubleAck(ctx); err != nil {
		return busError("acknowledge "+commandStream, err)
	}
	rest := copy(r.outstanding, r.outstanding[last+1:])
	clear(r.outstanding[rest:])
	r.outstanding = r.outstanding[:rest]
	return nil
}
