// Package bus says what the data path asks of a message bus: publish a batch so that it survives, read batches in order, keep small
// control state and large snapshots, and carry the brain's news and people's commands. It also owns the encoding of batches. Package natsbus implements it on JetStream; nothing here knows NATS.
package bus

import (
	"context"
	"time"

	"github.com/faultline-io/faultline/services/model"
)

// Message is an encoded batch and what the ledger must know of it.
type Message struct {
	Signal model.Signal
	Shard  int
	model.Header
	// Items is how many items the gateway accepted with this message.
	Items int
	// AgentSent and AgentDropped are the agent's own cumulative counts at this batch; 0 for everybody else.
	AgentSent    uint64
	AgentDropped uint64
	// Data is the batch as written by EncodeMetrics, EncodeLogs, EncodeSpans or EncodeChanges.
	Data []byte
}

// Delivery is a message read from the bus.
type Delivery struct {
	Message
	// Stream and Epoch name the stream and its creation (Unix nanoseconds): sequence numbers mean nothing across epochs.
	Stream string
	Epoch  uint64
	Seq    uint64
}

// Publisher publishes batches.
type Publisher interface {
	// Publish returns when the message is as durable as the bus is configured to make it. duplicate says that the bus already
	// had this agent batch. Errors: errs.Exhausted when the stream is full, errs.Unavailable when the bus does not answer,
	// errs.Invalid when the message is too large. After Exhausted and Invalid the message is not stored; after Unavailable, a timeout
	// among them, nobody knows, and a sender that repeats it may store it twice unless the batch is an agent's.
	Publish(ctx context.Context, m *Message) (duplicate bool, err error)
}

// Consumer reads the messages of one signal and shard in stream order, as one durable reader.
type Consumer interface {
	// Fetch returns between 1 and maxMessages messages of at most about maxBytes, waiting up to wait for the first one and up
	// to linger for more; it returns none when wait passes. The data of a Delivery may be kept.
	Fetch(ctx context.Context, maxMessages, maxBytes int, wait, linger time.Duration) ([]Delivery, error)
	// AckThrough acknowledges every message up to and including seq.
	AckThrough(ctx context.Context, seq uint64) error
	// Rewind makes the next Fetch start at the first message that is not acknowledged.
	Rewind(ctx context.Context) error
	// Behind returns how many messages wait that were not delivered to this reader yet.
	Behind(ctx context.Context) (uint64, error)
	// Skip gives up every message that was not acknowledged: the next Fetch begins with what comes from now on.
	Skip(ctx context.Context) error
	// Close releases the consumer; the durable position stays.
	Close()
}

// KV is a small bucket of control state.
type KV interface {
	// Get returns the value of key, or errs.NotFound.
	Get(ctx context.Context, key string) ([]byte, error)
	Put(ctx context.Context, key string, value []byte) error
	Delete(ctx context.Context, key string) error
	Keys(ctx context.Context) ([]string, error)
	// Load returns the entry of key with its revision, or errs.NotFound.
	Load(ctx context.Context, key string) (KVEntry, error)
	// Create writes a key that does not exist and returns its revision; errs.Conflict when it exists.
	Create(ctx context.Context, key string, value []byte) (uint64, error)
	// Update writes a key that is still at revision and returns the new one; errs.Conflict when somebody else wrote it meanwhile.
	Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	// Watch calls changed with every entry there is, then current once, then changed with every later change in order, until ctx ends.
	// It returns an error when the bucket cannot be followed any more; what changed after that is not seen.
	Watch(ctx context.Context, changed func(KVEntry), current func()) error
	// Size returns how many bytes the bucket holds, and how many it may.
	Size(ctx context.Context) (used, limit uint64, err error)
	// Compact forgets the marks of keys that were deleted longer than age ago. Without it a bucket whose keys come and go fills up.
	Compact(ctx context.Context, age time.Duration) error
}

// KVEntry is one key of a bucket at a revision. Revisions rise with every write to the bucket.
type KVEntry struct {
	Key      string
	Value    []byte
	Revision uint64
	Deleted  bool
}

// DeadLetter is a batch that cannot be stored, with the reason.
type DeadLetter struct {
	Seq    uint64
	Reason string
	// From is where the batch was: stream and sequence.
	From Delivery
	At   time.Time
}

// StreamState is the state of one stream, for the ledger and the health pages.
type StreamState struct {
	Stream string
	Signal model.Signal
	// Epoch is when the stream was made: sequence numbers mean nothing beyond it.
	Epoch    uint64
	FirstSeq uint64
	LastSeq  uint64
	AckFloor uint64
	Pending  uint64
	// PendingItems is the number of accepted items in messages above the acknowledgement floor.
	PendingItems map[SourceKey]uint64
	Bytes        uint64
	MaxBytes     uint64
	// Oldest is when the oldest message that is not acknowledged was received; zero when there is none.
	Oldest time.Time
}

// SourceKey names a sender in the ledger.
type SourceKey struct {
	Tenant   model.TenantID
	Source   string
	Protocol string
}

// Bus is the whole of it, as a process gets it.
type Bus interface {
	Publisher
	Events
	Commands
	// Objects opens a bucket of large values, creating it when it does not exist.
	Objects(ctx context.Context, bucket string) (Objects, error)
	// Consume opens the durable reader called name for one signal and shard.
	Consume(ctx context.Context, name string, signal model.Signal, shard int) (Consumer, error)
	// KV opens a bucket, creating it when it does not exist.
	KV(ctx context.Context, bucket string) (KV, error)
	// PutDeadLetter keeps a delivery that cannot be stored.
	PutDeadLetter(ctx context.Context, d Delivery, reason string) error
	// DeadLetters lists up to limit dead letters with a sequence above after, oldest first.
	DeadLetters(ctx context.Context, after uint64, limit int) ([]DeadLetter, error)
	// ReplayDeadLetter publishes the batch of a dead letter again and removes it; errs.NotFound when it is gone.
	ReplayDeadLetter(ctx context.Context, seq uint64) error
	// State describes the telemetry streams.
	State(ctx context.Context) ([]StreamState, error)
	// Subscribe calls f with every accepted message of a signal, live and without any promise of delivery; slow callers lose
	// messages. It returns when ctx ends. For live tails.
	Subscribe(ctx context.Context, signal model.Signal, f func(*Message)) error
	// Ready reports whether the bus answers now.
	Ready(ctx context.Context) error
	Close()
}
