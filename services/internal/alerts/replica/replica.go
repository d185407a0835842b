// Package replica is what a process knows of alerting: the alerts, the silences and the log of notifications, kept equal to the control
// state by watches, in the types of Alertmanager's own packages, so that those (its API, its dispatcher, its inhibitor) work on them.
// It decides nothing and notifies nobody. All state is in memory as well; its bounds are those of the buckets.
package replica

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/silence/silencepb"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/encoding/protodelim"

	"github.com/faultline-io/faultline/services/internal/alerts"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Bounds and times of the state.
const (
	// Retention is how long silences and notifications are remembered after they ended; Alertmanager's own default.
	Retention = 120 * time.Hour
	// maxSilences and maxSilenceBytes keep silences within their bucket, which holds 32 MiB.
	maxSilences     = 10_000
	maxSilenceBytes = 16 << 10
	// forgetEvery is how often alerts that are over leave the memory.
	forgetEvery = 5 * time.Minute
	// maintainEvery is how often silences and notifications that have expired leave the memory.
	maintainEvery = 15 * time.Minute
)

// Config says what is replicated.
type Config struct {
	Tenant model.TenantID
	// WithLog adds the log of notifications, which only the notifier needs.
	WithLog bool
}

// Deps is what code passes in.
type Deps struct {
	Bus alerts.Buckets
	Log *slog.Logger
	// Registry takes the metrics of Alertmanager's packages.
	Registry *prometheus.Registry
	// Changed is called with each record of an alert that is read, in order; nil is nobody.
	Changed func(*alerts.Record)
}

// Replica is the state. Open it, then Run it.
type Replica struct {
	cfg  Config
	deps Deps

	Alerts   *Alerts
	Silences *silence.Silences
	// Silencer tells whether an alert is silenced; it remembers its answers for as long as the alerts are remembered.
	Silencer *silence.Silencer
	// NotifyLog is nil without Config.WithLog.
	NotifyLog *nflog.Log

	alertKV bus.KV
	sil     *journal
	nfl     *journal
	loaded  chan struct{}
	unread  atomic.Int32 // Buckets that have not been read once.
}

// Open opens the buckets. Errors: errs.Unavailable when the bus does not answer.
func Open(ctx context.Context, cfg Config, deps Deps) (*Replica, error) {
	if deps.Registry == nil {
		deps.Registry = prometheus.NewRegistry()
	}
	r := &Replica{cfg: cfg, deps: deps, loaded: make(chan struct{})}
	inbox := alerts.NewInbox(deps.Bus)
	r.Alerts = newAlerts(func(ctx context.Context, as ...*alert.Alert) error {
		reports := make([]*alerts.Record, len(as))
		for i, a := range as {
			reports[i] = &alerts.Record{Alert: *a, Source: alerts.SourceAPI}
		}
		valid, invalid := alerts.NormalizeAll(reports, time.Now(), 0)
		return errors.Join(invalid, inbox.Put(ctx, cfg.Tenant, valid...))
	})
	r.unread.Store(2)
	if cfg.WithLog {
		r.unread.Store(3)
	}
	var err error
	if r.alertKV, err = deps.Bus.KV(ctx, alerts.Bucket); err != nil {
		return nil, err
	}
	kv, err := deps.Bus.KV(ctx, alerts.SilenceBucket)
	if err != nil {
		return nil, err
	}
	r.Silences, err = silence.New(silence.Options{
		Retention: Retention, Logger: deps.Log, Metrics: deps.Registry, EventRecorder: eventrecorder.NopRecorder(),
		Limits: silence.Limits{MaxSilences: func() int { return maxSilences }, MaxSilenceSizeBytes: func() int { return maxSilenceBytes }},
	})
	if err != nil {
		return nil, errs.New(errs.Internal, "make the state of silences: %w", err)
	}
	r.Silencer = silence.NewSilencer(r.Silences, deps.Log, eventrecorder.NopRecorder())
	r.sil = newJournal(alerts.SilenceBucket, kv, deps.Log, r.readSilence, r.Silences.Merge)
	r.Silences.SetBroadcast(r.sil.broadcast)
	if !cfg.WithLog {
		return r, nil
	}
	if kv, err = deps.Bus.KV(ctx, alerts.NotifyLogBucket); err != nil {
		return nil, err
	}
	if r.NotifyLog, err = nflog.New(nflog.Options{Retention: Retention, Logger: deps.Log, Metrics: deps.Registry}); err != nil {
		return nil, errs.New(errs.Internal, "make the log of notifications: %w", err)
	}
	r.nfl = newJournal(alerts.NotifyLogBucket, kv, deps.Log, r.readNotification, r.NotifyLog.Merge)
	r.NotifyLog.SetBroadcast(r.nfl.broadcast)
	return r, nil
}

// readSilence tells where an encoded silence belongs.
func (r *Replica) readSilence(b []byte) (entry, error) {
	var m silencepb.MeshSilence
	if err := protodelim.UnmarshalFrom(bufio.NewReader(bytes.NewReader(b)), &m); err != nil {
		return entry{}, fmt.Errorf("read silence: %w", err)
	}
	if m.Silence == nil || m.Silence.Id == "" {
		return entry{}, errors.New("read silence: it has no id")
	}
	return entry{key: alerts.Prefix(r.cfg.Tenant) + m.Silence.Id, stamp: m.Silence.UpdatedAt.AsTime(), expires: m.ExpiresAt.AsTime()}, nil
}

// readNotification tells where an encoded entry of the log belongs. Its key is a hash, because group keys have characters that keys of
// buckets must not have.
func (r *Replica) readNotification(b []byte) (entry, error) {
	var m nflogpb.MeshEntry
	if err := protodelim.UnmarshalFrom(bufio.NewReader(bytes.NewReader(b)), &m); err != nil {
		return entry{}, fmt.Errorf("read notification: %w", err)
	}
	if m.Entry == nil || m.Entry.Receiver == nil {
		return entry{}, errors.New("read notification: it has no receiver")
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d\x00%s", m.Entry.Receiver.GroupName, m.Entry.Receiver.Integration, m.Entry.Receiver.Idx, m.Entry.GroupKey))
	return entry{key: alerts.Prefix(r.cfg.Tenant) + hex.EncodeToString(sum[:16]), stamp: m.Entry.Timestamp.AsTime(), expires: m.ExpiresAt.AsTime()}, nil
}

// Loaded returns a channel that is closed when all buckets have been read once.
func (r *Replica) Loaded() <-chan struct{} { return r.loaded }

// Run keeps the state equal to the buckets until ctx ends, and writes what changes here.
func (r *Replica) Run(ctx context.Context) error {
	store, err := mem.NewAlerts(ctx, forgetEvery, 0, r.Silencer, r.deps.Log, eventrecorder.NopRecorder(), r.deps.Registry, nil)
	if err != nil {
		return errs.New(errs.Internal, "make the store of alerts: %w", err)
	}
	defer store.Close()
	r.Alerts.fill(store)
	var wg sync.WaitGroup
	wg.Go(func() {
		followBucket(ctx, alerts.Bucket, r.alertKV, r.deps.Log, func(e bus.KVEntry) { r.takeAlert(ctx, e) }, r.once())
	})
	wg.Go(func() { r.sil.follow(ctx, r.once()) })
	wg.Go(func() { r.sil.writeBack(ctx) })
	wg.Go(func() { r.Silences.Maintenance(maintainEvery, "", ctx.Done(), nil) })
	if r.nfl != nil {
		wg.Go(func() { r.nfl.follow(ctx, r.once()) })
		wg.Go(func() { r.nfl.writeBack(ctx) })
		wg.Go(func() { r.NotifyLog.Maintenance(maintainEvery, "", ctx.Done(), nil) })
	}
	wg.Wait()
	return nil
}

// once returns a function that counts a bucket as read when it is called first.
func (r *Replica) once() func() {
	var first sync.Once
	return func() {
		first.Do(func() {
			if r.unread.Add(-1) == 0 {
				close(r.loaded)
			}
		})
	}
}

// takeAlert puts a record of the bucket into the store.
func (r *Replica) takeAlert(ctx context.Context, e bus.KVEntry) {
	if e.Deleted || !strings.HasPrefix(e.Key, alerts.Prefix(r.cfg.Tenant)) {
		return
	}
	rec, err := alerts.Decode(e.Value)
	if err == nil {
		err = r.Alerts.store().Put(ctx, &rec.Alert)
	}
	if err != nil {
		r.deps.Log.WarnContext(ctx, "unreadable alert in control state", slog.String("key", e.Key), slog.Any("error", err))
		return
	}
	if r.deps.Changed != nil {
		r.deps.Changed(rec)
	}
}

// FlushSilences returns when the bus has every change of the silences that was made here.
func (r *Replica) FlushSilences(ctx context.Context) error { return r.sil.Flush(ctx) }

// Sweep removes what has expired from the buckets: silences and notifications by their own times, alerts that have been over for
// longer than keep. The one that notifies does it.
func (r *Replica) Sweep(ctx context.Context, now time.Time, keep time.Duration) error {
	if err := r.sil.sweep(ctx, now); err != nil {
		return err
	}
	if r.nfl != nil {
		if err := r.nfl.sweep(ctx, now); err != nil {
			return err
		}
	}
	keys, err := r.alertKV.Keys(ctx)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if !strings.HasPrefix(key, alerts.Prefix(r.cfg.Tenant)) {
			continue
		}
		e, err := r.alertKV.Load(ctx, key)
		if errs.KindOf(err) == errs.NotFound {
			continue
		}
		if err != nil {
			return err
		}
		rec, err := alerts.Decode(e.Value)
		if err == nil && rec.EndsAt.After(now.Add(-keep)) {
			continue
		}
		// A report that comes between the two steps is repeated by its sender within a minute.
		if err := r.alertKV.Delete(ctx, key); err != nil {
			return err
		}
	}
	return r.alertKV.Compact(ctx, deleteMarkAge)
}
