// Package diskguard keeps a transport from writing to a disk that has no room. A JetStream stream whose write fails for want of space
// takes nothing more until the server starts again, and its publishers wait for an answer that never comes; so what would be written is
// refused beforehand, with the reason, and works again by itself as soon as there is room.
package diskguard

import (
	"context"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// Reserves: telemetry is refused below the larger one, control state, which is small, below the smaller one.
const (
	telemetryReserve = 16 << 20
	controlReserve   = 4 << 20
)

// Free returns how many bytes may still be written to the transport's disk.
type Free func() (uint64, error)

// guard is a bus that looks at the disk before it writes.
type guard struct {
	bus.Bus
	free Free
}

// New returns b behind a look at the disk.
func New(b bus.Bus, free Free) bus.Bus { return &guard{Bus: b, free: free} }

// room returns errs.Exhausted when less than reserve bytes are free. A disk that cannot be read is left for the write itself to judge.
func room(free Free, reserve uint64) error {
	n, err := free()
	if err != nil || n >= reserve {
		return nil
	}
	return errs.WithHint(errs.Exhausted, "free space on the disk of the data folder; senders retry by themselves", "the data disk is full: %d KiB are left", n>>10)
}

// Publish implements bus.Publisher.
func (g *guard) Publish(ctx context.Context, m *bus.Message) (bool, error) {
	if err := room(g.free, telemetryReserve); err != nil {
		return false, err
	}
	return g.Bus.Publish(ctx, m)
}

// PutDeadLetter implements bus.Bus.
func (g *guard) PutDeadLetter(ctx context.Context, d bus.Delivery, reason string) error {
	if err := room(g.free, controlReserve); err != nil {
		return err
	}
	return g.Bus.PutDeadLetter(ctx, d, reason)
}

// ReplayDeadLetter implements bus.Bus.
func (g *guard) ReplayDeadLetter(ctx context.Context, seq uint64) error {
	if err := room(g.free, telemetryReserve); err != nil {
		return err
	}
	return g.Bus.ReplayDeadLetter(ctx, seq)
}

// KV implements bus.Bus.
func (g *guard) KV(ctx context.Context, bucket string) (bus.KV, error) {
	kv, err := g.Bus.KV(ctx, bucket)
	if err != nil {
		return nil, err
	}
	return &bucketGuard{KV: kv, free: g.free}, nil
}

// bucketGuard is a bucket that looks at the disk before it writes. Removing a key is a write too.
type bucketGuard struct {
	bus.KV
	free Free
}

// Put implements bus.KV.
func (b *bucketGuard) Put(ctx context.Context, key string, value []byte) error {
	if err := room(b.free, controlReserve); err != nil {
		return err
	}
	return b.KV.Put(ctx, key, value)
}

// Delete implements bus.KV.
func (b *bucketGuard) Delete(ctx context.Context, key string) error {
	if err := room(b.free, controlReserve); err != nil {
		return err
	}
	return b.KV.Delete(ctx, key)
}

// Create implements bus.KV.
func (b *bucketGuard) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	if err := room(b.free, controlReserve); err != nil {
		return 0, err
	}
	return b.KV.Create(ctx, key, value)
}

// Update implements bus.KV.
func (b *bucketGuard) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if err := room(b.free, controlReserve); err != nil {
		return 0, err
	}
	return b.KV.Update(ctx, key, value, revision)
}
