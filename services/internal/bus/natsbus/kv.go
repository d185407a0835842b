package natsbus

import (
	"context"
	"errors"

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
