package natsbus

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// maxObjectBytes bounds a bucket of objects: two versions of the snapshots of a million series, about 140 MB each, and room.
const maxObjectBytes = 1 << 30

// objects keeps each version of an object under a name of its own, and which one counts in a bucket of control state. Compare and set
// is there; an object store has none, and would let a deposed writer overwrite what its successor wrote.
type objects struct {
	store   jetstream.ObjectStore
	stream  jetstream.Stream
	bucket  string
	current bus.KV
}

// pointer says which version counts.
type pointer struct {
	Version string `json:"version"`
}

// Objects implements bus.Bus.
func (b *Bus) Objects(ctx context.Context, bucket string) (bus.Objects, error) {
	if !word(bucket) {
		return nil, errs.New(errs.Invalid, "bucket of objects %q", bucket)
	}
	name := "faultline_" + bucket
	st, err := b.js.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: name, MaxBytes: maxObjectBytes, Replicas: b.cfg.Replicas, Storage: jetstream.FileStorage})
	if err != nil {
		return nil, busError("open bucket of objects "+bucket, err)
	}
	stream, err := b.js.Stream(ctx, "OBJ_"+name) // ADR-20 of NATS: the stream under an object store.
	if err != nil {
		return nil, busError("open bucket of objects "+bucket, err)
	}
	current, err := b.KV(ctx, bucket+"_current")
	if err != nil {
		return nil, err
	}
	return &objects{store: st, stream: stream, bucket: name, current: current}, nil
}

// reads is how often GetObject looks again when a version was replaced while it was being read.
const reads = 3

// GetObject implements bus.Objects.
func (o *objects) GetObject(ctx context.Context, name string) (bus.Object, error) {
	var err error
	for range reads {
		var e bus.KVEntry
		if e, err = o.current.Load(ctx, name); err != nil {
			return bus.Object{}, err
		}
		var p pointer
		if err = json.Unmarshal(e.Value, &p); err != nil {
			return bus.Object{}, errs.New(errs.Internal, "read the version of object %s: %w", name, err)
		}
		var info *jetstream.ObjectInfo
		if info, err = o.store.GetInfo(ctx, p.Version); err == nil {
			var data []byte
			if data, err = o.store.GetBytes(ctx, p.Version); err == nil {
				return bus.Object{Data: data, Revision: e.Revision, At: info.ModTime}, nil
			}
		}
		if !errors.Is(err, jetstream.ErrObjectNotFound) && !errors.Is(err, jetstream.ErrDigestMismatch) {
			break
		}
	}
	return bus.Object{}, busError("read object "+name, err)
}

// PutObject implements bus.Objects.
func (o *objects) PutObject(ctx context.Context, name string, data []byte, revision uint64) (uint64, error) {
	if !word(name) {
		return 0, errs.New(errs.Invalid, "object %q", name)
	}
	version := name + "@" + rand.Text()
	if _, err := o.store.PutBytes(ctx, version, data); err != nil {
		return 0, busError("store object "+name, err)
	}
	value, err := json.Marshal(pointer{Version: version})
	if err != nil {
		return 0, errs.New(errs.Internal, "encode the version of object %s: %w", name, err)
	}
	var next uint64
	if revision == 0 {
		next, err = o.current.Create(ctx, name, value)
	} else {
		next, err = o.current.Update(ctx, name, value, revision)
	}
	if errs.KindOf(err) == errs.Conflict {
		return 0, errors.Join(err, o.remove(ctx, version))
	}
	if err != nil {
		return 0, err // Nobody knows whether it counts, so it stays until the next version sweeps.
	}
	// What is left of the sweep is swept by the next version: the object is stored.
	_ = o.sweep(ctx, name, version)
	return next, nil
}

// sweep removes versions of name that are older than the one that counts, all of them when none does, and pieces of versions that were
// never finished. A version that is younger may be about to count.
func (o *objects) sweep(ctx context.Context, name, counts string) error {
	all, err := o.store.List(ctx)
	if err != nil && !errors.Is(err, jetstream.ErrNoObjectsFound) {
		return busError("list objects", err)
	}
	var at time.Time // By the server's clock, as all times of the list.
	pieces := map[string]bool{}
	for _, i := range all {
		pieces["$O."+o.bucket+".C."+i.NUID] = true
		if i.Name == counts {
			at = i.ModTime
		}
	}
	for _, i := range all {
		if strings.HasPrefix(i.Name, name+"@") && i.Name != counts && (counts == "" || i.ModTime.Before(at)) {
			if err := o.remove(ctx, i.Name); err != nil {
				return err
			}
		}
	}
	return o.sweepPieces(ctx, pieces)
}

// unfinished is how long after its last piece a version that has no entry is given up: pieces follow each other within milliseconds.
const unfinished = time.Hour

func (o *objects) sweepPieces(ctx context.Context, have map[string]bool) error {
	info, err := o.stream.Info(ctx, jetstream.WithSubjectFilter("$O."+o.bucket+".C.>"))
	if err != nil {
		return busError("list pieces of objects", err)
	}
	for subject := range info.State.Subjects {
		if have[subject] {
			continue
		}
		last, err := o.stream.GetLastMsgForSubject(ctx, subject)
		if err != nil || time.Since(last.Time) < unfinished {
			continue // Removed meanwhile, or being written.
		}
		if err := o.stream.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return busError("remove pieces of objects", err)
		}
	}
	return nil
}

// remove deletes a version with its mark: names of versions do not come again, so that marks would only add up.
func (o *objects) remove(ctx context.Context, version string) error {
	if err := o.store.Delete(ctx, version); err != nil && !errors.Is(err, jetstream.ErrObjectNotFound) {
		return busError("remove object "+version, err)
	}
	mark := "$O." + o.bucket + ".M." + base64.URLEncoding.EncodeToString([]byte(version))
	if err := o.stream.Purge(ctx, jetstream.WithPurgeSubject(mark)); err != nil {
		return busError("remove object "+version, err)
	}
	return nil
}

// DeleteObject implements bus.Objects.
func (o *objects) DeleteObject(ctx context.Context, name string) error {
	if err := o.current.Delete(ctx, name); err != nil {
		return err
	}
	return o.sweep(ctx, name, "")
}
