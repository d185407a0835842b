package bus

import (
	"context"
	"time"

	"github.com/faultline-io/faultline/services/model"
)

// Topics of events. Their data is written by package incidents.
const (
	// TopicFindings has findings that opened, changed or ended; the key is the shard.
	TopicFindings = "findings"
	// TopicIncidents has incidents that changed, without their frozen data; the key is the incident.
	TopicIncidents = "incidents"
	// TopicOutcomes has what became of commands; the key is the command.
	TopicOutcomes = "outcomes"
)

// Event is something that the brain says to whoever listens. Events are kept for a day within a small store of their own, the oldest
// go first: they are news, and history is in the tables.
type Event struct {
	Topic  string
	Tenant model.TenantID
	// Key is one word of letters, digits, - and _, at most MaxKey long.
	Key string
	// ID makes a repetition within two minutes one event; empty does not.
	ID   string
	Data []byte
	// Seq and At are set by the bus: the place in the order of all events, and when it was published.
	Seq uint64
	At  time.Time
}

// MaxKey bounds the keys of events and the ids of commands.
const MaxKey = 128

// Events carries news from the brain to many readers.
type Events interface {
	// PublishEvents returns when all events are stored, in their order. Errors: errs.Invalid for a key or topic that cannot be, before
	// anything is published; errs.Unavailable, after which some may be stored.
	PublishEvents(ctx context.Context, events ...Event) error
	// SubscribeEvents calls f with the events of topics that come from now on, or after the event with sequence after when that is not
	// 0, in order, until ctx ends. f must not take long: it is called by one goroutine. Errors: errs.NotFound when events after that
	// one are gone already, errs.Unavailable when the bus can be followed no more.
	SubscribeEvents(ctx context.Context, topics []string, after uint64, f func(Event)) error
	// LastEvent returns the latest event of a topic, tenant and key, or errs.NotFound.
	LastEvent(ctx context.Context, topic string, tenant model.TenantID, key string) (Event, error)
}

// Command is what a person asks of the brain, as it is on the bus. It waits there for thirty days, so that what is asked while the brain
// is away is done later.
type Command struct {
	Tenant model.TenantID
	// ID is the idempotency key: the same again within a day is one command.
	ID   string
	Data []byte
	// Seq and At are set by the bus.
	Seq uint64
	At  time.Time
}

// Commands carries commands to the brain.
type Commands interface {
	// PublishCommand returns when the command is stored; duplicate says that it was there already. Errors: errs.Invalid for an id that
	// cannot be, errs.Exhausted when too many wait, errs.Unavailable.
	PublishCommand(ctx context.Context, c Command) (duplicate bool, err error)
	// Commands opens the durable reader called name. It starts with the oldest command that is kept.
	Commands(ctx context.Context, name string) (CommandReader, error)
}

// CommandReader reads commands in their order. It is used by one goroutine. What is not acknowledged comes again after Rewind or a
// restart.
type CommandReader interface {
	// Fetch returns up to limit commands, waiting up to wait for the first one; none when wait passes.
	Fetch(ctx context.Context, limit int, wait time.Duration) ([]Command, error)
	// AckThrough acknowledges every command up to and including seq.
	AckThrough(ctx context.Context, seq uint64) error
	// Rewind makes the next Fetch start at the first command that is not acknowledged.
	Rewind(ctx context.Context) error
}

// Object is a large value at a revision.
type Object struct {
	Data []byte
	// Revision rises with every version of this object.
	Revision uint64
	At       time.Time
}

// Objects is a bucket of large values, such as snapshots: stored in pieces, read whole or not at all.
type Objects interface {
	// GetObject returns the latest version of name, or errs.NotFound.
	GetObject(ctx context.Context, name string) (Object, error)
	// PutObject stores the version that follows revision, 0 for the first, and returns its revision. A writer that was killed before it
	// returned has changed nothing. Errors: errs.Conflict when somebody else wrote meanwhile: who holds a lease and gets this has lost it.
	PutObject(ctx context.Context, name string, data []byte, revision uint64) (uint64, error)
	// DeleteObject removes name with all its versions; nothing is not an error.
	DeleteObject(ctx context.Context, name string) error
}
