package replica

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// Times of a journal.
const (
	// retryEvery is how long what the bus did not take waits for the next try.
	retryEvery = time.Second
	// reopenAfter is the wait before a watch that broke is opened again.
	reopenAfter = time.Second
	// writeTimeout bounds one write to the bucket.
	writeTimeout = 5 * time.Second
)

// entry is what a journal must know of an encoded piece of state.
type entry struct {
	key     string
	stamp   time.Time // The later one wins.
	expires time.Time
}

// journal keeps a state of Alertmanager in a bucket: what the state broadcasts to its peers is written, what others wrote is merged.
// Such states are made to be merged in any order, so the bucket takes the place of the gossip between the members of a cluster.
type journal struct {
	name  string
	kv    bus.KV
	log   *slog.Logger
	read  func(b []byte) (entry, error)
	merge func(b []byte) error

	// mu guards what is below.
	mu      sync.Mutex
	pending map[string][]byte // Not yet in the bucket, by key: one for each silence or group, so bounded as those are.
	merging *byte             // The first byte of what is being merged: a state broadcasts that again.
	expires map[string]time.Time
	wake    chan struct{}
}

func newJournal(name string, kv bus.KV, log *slog.Logger, read func([]byte) (entry, error), merge func([]byte) error) *journal {
	return &journal{name: name, kv: kv, log: log, read: read, merge: merge, pending: map[string][]byte{}, expires: map[string]time.Time{}, wake: make(chan struct{}, 1)}
}

// broadcast notes a change of the state. It does not wait: the state holds its lock meanwhile.
func (j *journal) broadcast(b []byte) {
	if len(b) == 0 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.merging == &b[0] {
		return // It comes from the bucket.
	}
	e, err := j.read(b)
	if err != nil {
		panic("BUG: a state broadcasts what it cannot read: " + err.Error())
	}
	j.pending[e.key] = b
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Flush writes all that is pending and returns when the bus has it.
func (j *journal) Flush(ctx context.Context) error {
	j.mu.Lock()
	keys := make([]string, 0, len(j.pending))
	for k := range j.pending {
		keys = append(keys, k)
	}
	j.mu.Unlock()
	var all []error
	for _, k := range keys {
		if err := j.flush(ctx, k); err != nil {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

func (j *journal) flush(ctx context.Context, key string) error {
	j.mu.Lock()
	b := j.pending[key]
	j.mu.Unlock()
	if b == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := j.write(ctx, key, b)
	for errs.KindOf(err) == errs.Conflict && ctx.Err() == nil {
		err = j.write(ctx, key, b)
	}
	if err != nil {
		return err
	}
	j.mu.Lock()
	if p := j.pending[key]; p != nil && &p[0] == &b[0] {
		delete(j.pending, key)
	}
	j.mu.Unlock()
	return nil
}

// write puts b at its key unless something later is there.
func (j *journal) write(ctx context.Context, key string, b []byte) error {
	mine, err := j.read(b)
	if err != nil {
		return err
	}
	old, err := j.kv.Load(ctx, key)
	switch {
	case errs.KindOf(err) == errs.NotFound:
		_, err = j.kv.Create(ctx, key, b)
		return err
	case err != nil:
		return err
	}
	if e, err := j.read(old.Value); err == nil && e.stamp.After(mine.stamp) {
		return nil
	}
	_, err = j.kv.Update(ctx, key, b, old.Revision)
	return err
}

// take merges an entry of the bucket.
func (j *journal) take(e bus.KVEntry) {
	if e.Deleted || len(e.Value) == 0 {
		j.mu.Lock()
		delete(j.expires, e.Key)
		j.mu.Unlock()
		return
	}
	x, err := j.read(e.Value)
	if err != nil {
		j.log.Warn("unreadable entry of control state", slog.String("bucket", j.name), slog.String("key", e.Key), slog.Any("error", err))
		return
	}
	j.mu.Lock()
	j.merging, j.expires[e.Key] = &e.Value[0], x.expires
	j.mu.Unlock()
	err = j.merge(e.Value)
	j.mu.Lock()
	j.merging = nil
	j.mu.Unlock()
	if err != nil {
		j.log.Warn("entry of control state not merged", slog.String("bucket", j.name), slog.String("key", e.Key), slog.Any("error", err))
	}
}

// follow merges the bucket until ctx ends, again from its start when the watch breaks. current is called after each full reading.
func (j *journal) follow(ctx context.Context, current func()) {
	followBucket(ctx, j.name, j.kv, j.log, j.take, current)
}

// followBucket watches a bucket for as long as ctx lasts.
func followBucket(ctx context.Context, name string, kv bus.KV, log *slog.Logger, take func(bus.KVEntry), current func()) {
	for ctx.Err() == nil {
		err := kv.Watch(ctx, take, current)
		if ctx.Err() != nil {
			return
		}
		log.WarnContext(ctx, "watch of control state broke and is opened again", slog.String("bucket", name), slog.Any("error", err))
		select {
		case <-ctx.Done():
		case <-time.After(reopenAfter):
		}
	}
}

// writeBack writes changes until ctx ends, and once more at the end.
func (j *journal) writeBack(ctx context.Context) {
	failing := false
	for {
		err := j.Flush(ctx)
		if (err != nil) != failing && ctx.Err() == nil {
			failing = err != nil
			j.log.WarnContext(ctx, "state of writing to control state changed", slog.String("bucket", j.name), slog.Bool("failing", failing), slog.Any("error", err))
		}
		var again <-chan time.Time
		if err != nil {
			again = time.After(retryEvery)
		}
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
			defer cancel()
			if err := j.Flush(last); err != nil {
				j.log.WarnContext(ctx, "last changes not written to control state", slog.String("bucket", j.name), slog.Any("error", err))
			}
			return
		case <-j.wake:
		case <-again:
		}
	}
}

// sweep removes what has expired from the bucket; one process does it.
func (j *journal) sweep(ctx context.Context, now time.Time) error {
	j.mu.Lock()
	var gone []string
	for key, at := range j.expires {
		if at.Before(now) {
			gone = append(gone, key)
		}
	}
	j.mu.Unlock()
	for _, key := range gone {
		if err := j.kv.Delete(ctx, key); err != nil {
			return err
		}
	}
	return j.kv.Compact(ctx, deleteMarkAge)
}

// deleteMarkAge is how long marks of deleted keys are kept: watchers see a deletion at once or read the bucket from its start.
const deleteMarkAge = 5 * time.Minute
