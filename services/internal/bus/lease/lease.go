// Package lease lets one of several processes do a job: the holder of a key in a bucket of control state. It is not a fence by itself:
// a holder that was stopped and goes on must ask Held before it does something that only one may do.
//
// No wall clock is compared between machines. A candidate watches the key's revision by its own clock and takes over when it stood
// still for a whole TTL; a holder takes itself for deposed before that, because it counts from before its last renewal began.
package lease

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// DefaultTTL is how long a holder may be silent: short enough that a takeover is a matter of seconds, long enough that a disk that
// stalls for a moment does not depose anybody.
const DefaultTTL = 5 * time.Second

// margin is the part of the TTL by which a holder gives up before others may take over.
const margin = 5

// Config says what is held.
type Config struct {
	Key string
	// TTL is how long a silent holder stays the holder; 0 is DefaultTTL.
	TTL time.Duration
}

// Deps is what code passes in.
type Deps struct {
	KV  bus.KV
	Log *slog.Logger
}

// Record is the value of the key. Revision and holder decide; the rest is for people.
type Record struct {
	Holder string    `json:"holder"`
	Since  time.Time `json:"since"`
	// Released says that the holder stopped in order: nobody has to wait.
	Released bool `json:"released,omitempty"`
}

// Lease is one candidate. Run is called once; Held may be asked from anywhere.
type Lease struct {
	cfg    Config
	deps   Deps
	holder string

	// mu guards until.
	mu    sync.Mutex
	until time.Time // By the monotonic clock.
}

// New returns a candidate with a name of its own.
func New(cfg Config, deps Deps) *Lease {
	if cfg.TTL <= 0 {
		cfg.TTL = DefaultTTL
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return &Lease{cfg: cfg, deps: deps, holder: fmt.Sprintf("%s/%d/%s", host, os.Getpid(), rand.Text()[:8])}
}

// Holder returns this candidate's name.
func (l *Lease) Holder() string { return l.holder }

// Held reports whether this candidate is the holder now. It is true only while nobody else can have taken over.
func (l *Lease) Held() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.until)
}

func (l *Lease) hold(from time.Time) {
	l.mu.Lock()
	l.until = from.Add(l.cfg.TTL - l.cfg.TTL/margin)
	l.mu.Unlock()
}

func (l *Lease) drop() {
	l.mu.Lock()
	l.until = time.Time{}
	l.mu.Unlock()
}

// Run is a candidate until ctx ends. Each time it becomes the holder it calls lead with a context that ends when it no longer is; lead
// must return then. Errors of lead end Run; those of the bus are waited out.
func (l *Lease) Run(ctx context.Context, lead func(ctx context.Context) error) error {
	for ctx.Err() == nil {
		rev, err := l.acquire(ctx)
		if err != nil {
			return nil //nolint:nilerr // acquire gives up only when ctx ended.
		}
		if err := l.term(ctx, rev, lead); err != nil {
			return err
		}
	}
	return nil
}

// term runs lead while the lease can be renewed, and gives it back after an orderly end.
func (l *Lease) term(ctx context.Context, rev uint64, lead func(context.Context) error) error {
	since := time.Now()
	termCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- lead(termCtx) }()
	tick := time.NewTicker(l.cfg.TTL / margin)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			l.release(ctx, rev, since)
			return err
		case <-ctx.Done():
			err := <-ended
			l.release(ctx, rev, since)
			return err
		case <-tick.C:
			next, err := l.renew(ctx, rev, since)
			if err == nil {
				rev = next
				continue
			}
			if errs.KindOf(err) != errs.Conflict && l.Held() {
				continue // The bus may come back before anybody else may take over.
			}
			l.deps.Log.WarnContext(ctx, "lease lost", slog.String("key", l.cfg.Key), slog.Any("error", err))
			l.drop()
			cancel()
			return <-ended
		}
	}
}

func (l *Lease) renew(ctx context.Context, rev uint64, since time.Time) (uint64, error) {
	began := time.Now()
	callCtx, cancel := context.WithTimeout(ctx, l.cfg.TTL/2)
	defer cancel()
	next, err := l.deps.KV.Update(callCtx, l.cfg.Key, l.record(since, false), rev)
	if err == nil {
		l.hold(began)
	}
	return next, err
}

// release marks the key so that the next holder need not wait.
func (l *Lease) release(ctx context.Context, rev uint64, since time.Time) {
	l.drop()
	callCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.cfg.TTL/2)
	defer cancel()
	if _, err := l.deps.KV.Update(callCtx, l.cfg.Key, l.record(since, true), rev); err != nil {
		l.deps.Log.DebugContext(ctx, "lease not released", slog.String("key", l.cfg.Key), slog.Any("error", err))
	}
}

func (l *Lease) record(since time.Time, released bool) []byte {
	b, err := json.Marshal(Record{Holder: l.holder, Since: since.UTC(), Released: released})
	if err != nil {
		panic("BUG: a record of text and time cannot be encoded: " + err.Error())
	}
	return b
}

// acquire waits until this candidate is the holder. Its error is ctx's.
func (l *Lease) acquire(ctx context.Context) (uint64, error) {
	var seen uint64
	var since time.Time
	tick := time.NewTicker(l.cfg.TTL / margin)
	defer tick.Stop()
	for {
		rev, ok, err := l.try(ctx, &seen, &since)
		if ok {
			return rev, nil
		}
		if err != nil && ctx.Err() == nil {
			l.deps.Log.DebugContext(ctx, "lease not read", slog.String("key", l.cfg.Key), slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
		}
	}
}

// try takes the lease when it is free: absent, released, or not renewed for a TTL since this candidate first saw its revision.
func (l *Lease) try(ctx context.Context, seen *uint64, since *time.Time) (uint64, bool, error) {
	began := time.Now()
	callCtx, cancel := context.WithTimeout(ctx, l.cfg.TTL/2)
	defer cancel()
	e, err := l.deps.KV.Load(callCtx, l.cfg.Key)
	if errs.KindOf(err) == errs.NotFound {
		rev, err := l.deps.KV.Create(callCtx, l.cfg.Key, l.record(began, false))
		if err == nil {
			l.hold(began)
		}
		return rev, err == nil, err
	}
	if err != nil {
		return 0, false, err
	}
	var r Record
	if json.Unmarshal(e.Value, &r) != nil {
		r = Record{} // Not ours: it expires like any other.
	}
	if e.Revision != *seen {
		*seen, *since = e.Revision, began
		if !r.Released {
			return 0, false, nil
		}
	}
	if !r.Released && time.Since(*since) < l.cfg.TTL {
		return 0, false, nil
	}
	rev, err := l.deps.KV.Update(callCtx, l.cfg.Key, l.record(began, false), e.Revision)
	if err == nil {
		l.hold(began)
	}
	return rev, err == nil, err
}
