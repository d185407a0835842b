// Package natsbus implements the bus on NATS JetStream: one stream a signal with interest retention, one durable consumer a shard,
// control state in key-value buckets. It is the only place besides bus/embedded that knows NATS.
package natsbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// WriterName is the durable reader that every telemetry stream has from its creation: with interest retention a message that
// nobody will read would be dropped at once.
const WriterName = "writer"

// Config bounds the streams.
type Config struct {
	// Shards is the number of subjects a signal is spread over; it never changes for a stream. 0 means 1.
	Shards int
	// MaxBytes bounds each telemetry stream; a full one refuses messages. 0 means 4 GiB.
	MaxBytes int64
	// Replicas of each stream; 0 means 1.
	Replicas int
	// DuplicateWindow is how long an agent's batch id is remembered by the stream itself. 0 means ten minutes.
	DuplicateWindow time.Duration
}

// Bus is a connection to JetStream with Faultline's streams.
type Bus struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	cfg     Config
	log     *slog.Logger
	streams map[model.Signal]jetstream.Stream
	epochs  map[model.Signal]uint64
	dead    jetstream.Stream
	events  jetstream.Stream
	asked   jetstream.Stream // Commands.
	agents  *agentPositions

	// mu guards pending.
	mu      sync.Mutex
	pending map[string]pendingCount
}

var _ bus.Bus = (*Bus)(nil)

// signals that have a telemetry stream, in a fixed order.
var signals = []model.Signal{model.SignalMetrics, model.SignalLogs, model.SignalSpans, model.SignalChanges}

const deadLetterStream = "FAULTLINE_DEADLETTER"

func streamName(s model.Signal) string { return "FAULTLINE_" + strings.ToUpper(string(s)) }

// Open creates what is missing (streams, the writers' consumers, buckets) and returns the bus. It owns nc from then on.
func Open(ctx context.Context, nc *nats.Conn, cfg Config, log *slog.Logger) (*Bus, error) {
	if cfg.Shards == 0 {
		cfg.Shards = 1
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 4 << 30
	}
	if cfg.Replicas == 0 {
		cfg.Replicas = 1
	}
	if cfg.DuplicateWindow == 0 {
		cfg.DuplicateWindow = 10 * time.Minute
	}
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4096))
	if err != nil {
		return nil, errs.New(errs.Internal, "open JetStream: %w", err)
	}
	b := &Bus{nc: nc, js: js, cfg: cfg, log: log, streams: map[model.Signal]jetstream.Stream{}, epochs: map[model.Signal]uint64{}, pending: map[string]pendingCount{}}
	for _, s := range signals {
		if err := b.openStream(ctx, s); err != nil {
			return nil, err
		}
	}
	b.dead, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: deadLetterStream, Subjects: []string{"deadletter.>"}, Storage: jetstream.FileStorage, Replicas: cfg.Replicas,
		Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardOld, MaxBytes: cfg.MaxBytes / 8, MaxAge: 30 * 24 * time.Hour, AllowDirect: true,
	})
	if err != nil {
		return nil, busError("create the dead letter stream", err)
	}
	if err := b.openEvents(ctx); err != nil {
		return nil, err
	}
	if err := b.openCommands(ctx); err != nil {
		return nil, err
	}
	kv, err := b.KV(ctx, "agents")
	if err != nil {
		return nil, err
	}
	b.agents = newAgentPositions(kv)
	return b, nil
}

func (b *Bus) openStream(ctx context.Context, s model.Signal) error {
	st, err := b.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: streamName(s), Subjects: []string{fmt.Sprintf("telemetry.*.%s.*", s)}, Storage: jetstream.FileStorage, Replicas: b.cfg.Replicas,
		Retention: jetstream.InterestPolicy, Discard: jetstream.DiscardNew, MaxBytes: b.cfg.MaxBytes, Duplicates: b.cfg.DuplicateWindow, AllowDirect: true,
	})
	if err != nil {
		return busError("create stream "+streamName(s), err)
	}
	info, err := st.Info(ctx)
	if err != nil {
		return busError("read stream "+streamName(s), err)
	}
	b.streams[s], b.epochs[s] = st, uint64(info.Created.UnixNano())
	for shard := range b.cfg.Shards {
		if _, err := b.durable(ctx, WriterName, s, shard, jetstream.DeliverAllPolicy); err != nil {
			return err
		}
	}
	return nil
}

// readerIdle is how long a reader other than the writer may be away before it is forgotten: what it has not read would else fill the stream.
const readerIdle = 20 * time.Minute

// durable opens the consumer of one reader, signal and shard. Acknowledging is cumulative, since readers work in order.
func (b *Bus) durable(ctx context.Context, name string, s model.Signal, shard int, from jetstream.DeliverPolicy) (jetstream.Consumer, error) {
	cfg := jetstream.ConsumerConfig{
		Durable: fmt.Sprintf("%s-%d", name, shard), FilterSubject: fmt.Sprintf("telemetry.*.%s.%d", s, shard),
		AckPolicy: jetstream.AckAllPolicy, DeliverPolicy: from,
		// A writer that waits for a slow store must not see its messages again meanwhile; after a restart it rewinds by itself.
		AckWait: 15 * time.Minute, MaxAckPending: 200_000, MaxDeliver: -1,
	}
	if name != WriterName {
		cfg.InactiveThreshold = readerIdle
	}
	c, err := b.streams[s].CreateOrUpdateConsumer(ctx, cfg)
	if err != nil {
		return nil, busError(fmt.Sprintf("open reader %s of %s", name, streamName(s)), err)
	}
	return c, nil
}

// Ready implements bus.Bus.
func (b *Bus) Ready(ctx context.Context) error {
	if _, err := b.js.AccountInfo(ctx); err != nil {
		return busError("ask JetStream", err)
	}
	return nil
}

// Close implements bus.Bus.
func (b *Bus) Close() { b.nc.Close() }

// NATS error codes that have no name in the client (server/errors.json of nats-server).
const (
	codeInsufficientResources = 10023
	codeMemoryExceeded        = 10028
	codeStorageExceeded       = 10047
	codeStreamStoreFailed     = 10077
)

// busError gives an error of the client a kind. A full stream or disk is Exhausted: the sender shall come back later.
func busError(op string, err error) error {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode {
		case codeInsufficientResources, codeMemoryExceeded, codeStorageExceeded, codeStreamStoreFailed:
			return &errs.Error{Op: op, Kind: errs.Exhausted, Hint: "the message store is full: free disk space or raise its limit; senders retry by themselves", Err: err}
		case jetstream.JSErrCodeMessageNotFound, jetstream.JSErrCodeStreamNotFound, jetstream.JSErrCodeConsumerNotFound:
			return &errs.Error{Op: op, Kind: errs.NotFound, Err: err}
		case jetstream.JSErrCodeStreamMessageExceedsMaximum:
			return &errs.Error{Op: op, Kind: errs.Invalid, Err: err}
		}
	}
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return &errs.Error{Op: op, Kind: errs.Invalid, Err: err}
	case errors.Is(err, context.Canceled):
		return &errs.Error{Op: op, Kind: errs.Canceled, Err: err}
	}
	return &errs.Error{Op: op, Kind: errs.Unavailable, Hint: "check that the NATS server runs and that its disk can be written", Err: err}
}
