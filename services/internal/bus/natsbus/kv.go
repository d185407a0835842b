package natsbus

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
)

type kv struct{ kv jetstream.KeyValue }

// maxBucketBytes bounds a bucket of control state, so that it can never take the telemetry's place.
const maxBucketBytes = 32 << 20

// KV implements bus.Bus.
func (b *Bus) KV(ctx context.Context, bucket string) (bus.KV, error) {
	k, err := b.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "faultline_" + bucket, History: 1, MaxBytes: maxBucketBytes, Replicas: b.cfg.Replicas, Storage: jetstream.FileStorage})
	if err != nil {
		return nil, busError("open bucket "+bucket, err)
	}
	return &kv{k}, nil
}

func (k *kv) Get(ctx context.Context, key string) ([]byte, error) {
	e, err := k.kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrKeyDeleted) {
		return nil, &errs.Error{Op: "get " + key, Kind: errs.NotFound, Err: err}
	}
	if err != nil {
		return nil, busError("get "+key, err)
	}
	return e.Value(), nil
}

func (k *kv) Put(ctx context.Context, key string, value []byte) error {
	if _, err := k.kv.Put(ctx, key, value); err != nil {
		return busError("put "+key, err)
	}
	return nil
}

func (k *kv) Delete(ctx context.Context, key string) error {
	if err := k.kv.Purge(ctx, key); err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return busError("delete "+key, err)
	}
	return nil
}

func (k *kv) Keys(ctx context.Context) ([]string, error) {
	l, err := k.kv.ListKeys(ctx)
	if err != nil {
		return nil, busError("list keys", err)
	}
	var out []string
	for key := range l.Keys() {
		out = append(out, key)
	}
	return out, nil
}

// Load implements bus.KV.
func (k *kv) Load(ctx context.Context, key string) (bus.KVEntry, error) {
	e, err := k.kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrKeyDeleted) {
		return bus.KVEntry{}, &errs.Error{Op: "load " + key, Kind: errs.NotFound, Err: err}
	}
	if err != nil {
		return bus.KVEntry{}, busError("load "+key, err)
	}
	return entryOf(e), nil
}

func entryOf(e jetstream.KeyValueEntry) bus.KVEntry {
	return bus.KVEntry{Key: e.Key(), Value: e.Value(), Revision: e.Revision(), Deleted: e.Operation() != jetstream.KeyValuePut}
}

// Create implements bus.KV.
func (k *kv) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	rev, err := k.kv.Create(ctx, key, value)
	return rev, casError("create "+key, err)
}

// Update implements bus.KV.
func (k *kv) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	rev, err := k.kv.Update(ctx, key, value, revision)
	return rev, casError("update "+key, err)
}

// casError tells a lost race from all else.
func casError(op string, err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrKeyExists), errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence:
		return &errs.Error{Op: op, Kind: errs.Conflict, Err: err}
	}
	return busError(op, err)
}

// Watch implements bus.KV.
func (k *kv) Watch(ctx context.Context, changed func(bus.KVEntry), current func()) error {
	w, err := k.kv.WatchAll(ctx)
	if err != nil {
		return busError("watch "+k.kv.Bucket(), err)
	}
	defer func() { _ = w.Stop() }() // The connection may be closed; then there is nothing to stop.
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return errs.New(errs.Unavailable, "watch %s: the watch ended", k.kv.Bucket())
			case e == nil:
				current()
			default:
				changed(entryOf(e))
			}
		}
	}
}

// Size implements bus.KV.
func (k *kv) Size(ctx context.Context) (used, limit uint64, err error) {
	s, err := k.kv.Status(ctx)
	if err != nil {
		return 0, 0, busError("ask for the size of "+k.kv.Bucket(), err)
	}
	return s.Bytes(), maxBucketBytes, nil
}

// Compact implements bus.KV.
func (k *kv) Compact(ctx context.Context, age time.Duration) error {
	if err := k.kv.PurgeDeletes(ctx, jetstream.DeleteMarkersOlderThan(age)); err != nil {
		return busError("compact "+k.kv.Bucket(), err)
	}
	return nil
}
