package alerts

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// fullRatio is how full the bucket may be when a new alert is taken. The rest is for what must go on when there are too many: reports
// that alerts are over, which make room.
const fullRatio = 0.75

// A look at the size of the bucket is good for sizeAge and for sizeBytes of new alerts: a burst must not ask for each, nor outrun it.
const (
	sizeAge   = time.Second
	sizeBytes = 1 << 20
)

// conflictTries bounds how often a report is tried again when others report the same alert in the same moment.
const conflictTries = 8

// Buckets opens buckets of control state; bus.Bus is one.
type Buckets interface {
	KV(ctx context.Context, bucket string) (bus.KV, error)
}

// Inbox takes reports of alerts. It is safe for concurrent use.
type Inbox struct {
	buckets Buckets

	// mu guards kv and the cached size.
	mu     sync.Mutex
	kv     bus.KV
	seenAt time.Time
	added  int // Bytes of new alerts since then.
	full   error
}

// NewInbox returns an inbox. It opens its bucket with the first report.
func NewInbox(b Buckets) *Inbox { return &Inbox{buckets: b} }

// Put keeps reports that were normalized; it returns when the bus has them. Reports after one that fails are tried all the same.
// Errors: errs.Exhausted when there are too many alerts, errs.Unavailable when the bus does not answer.
func (i *Inbox) Put(ctx context.Context, tenant model.TenantID, reports ...*Record) error {
	if len(reports) == 0 {
		return nil
	}
	kv, err := i.bucket(ctx)
	if err != nil {
		return err
	}
	var first error
	failed := 0
	for _, r := range reports {
		if err := i.put(ctx, kv, Key(tenant, r.Fingerprint()), r); err != nil {
			failed++
			if first == nil {
				first = err
			}
			if ctx.Err() != nil {
				break
			}
		}
	}
	if first != nil {
		return &errs.Error{Kind: errs.KindOf(first), Err: fmt.Errorf("%d of %d alerts not kept: %w", failed, len(reports), first), Hint: errs.HintOf(first)}
	}
	return nil
}

func (i *Inbox) bucket(ctx context.Context) (bus.KV, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.kv != nil {
		return i.kv, nil
	}
	kv, err := i.buckets.KV(ctx, Bucket)
	if err == nil {
		i.kv = kv
	}
	return kv, err
}

func (i *Inbox) put(ctx context.Context, kv bus.KV, key string, next *Record) error {
	for range conflictTries {
		err := i.putOnce(ctx, kv, key, next)
		if errs.KindOf(err) != errs.Conflict {
			return err
		}
	}
	return errs.New(errs.Unavailable, "alert %s is reported by many at once", key)
}

func (i *Inbox) putOnce(ctx context.Context, kv bus.KV, key string, next *Record) error {
	e, err := kv.Load(ctx, key)
	switch {
	case errs.KindOf(err) == errs.NotFound:
		if next.Resolved() {
			return nil // The end of something that nobody here was told of.
		}
		b, err := next.Encode()
		if err != nil {
			return err
		}
		if err := i.room(ctx, kv, len(b)); err != nil {
			return err
		}
		_, err = kv.Create(ctx, key, b)
		return err
	case err != nil:
		return err
	}
	old, err := Decode(e.Value)
	if err != nil {
		old = next // What cannot be read is replaced.
	}
	b, err := merge(old, next).Encode()
	if err != nil {
		return err
	}
	_, err = kv.Update(ctx, key, b, e.Revision)
	return err
}

// room returns errs.Exhausted when new alerts are not taken any more.
func (i *Inbox) room(ctx context.Context, kv bus.KV, size int) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.added += size
	if time.Since(i.seenAt) < sizeAge && i.added < sizeBytes {
		return i.full
	}
	used, limit, err := kv.Size(ctx)
	if err != nil {
		return err
	}
	i.seenAt, i.added, i.full = time.Now(), 0, nil
	if float64(used) > fullRatio*float64(limit) {
		i.full = errs.WithHint(errs.Exhausted, "let alerts resolve, or report fewer: group what fires together",
			"the alerts that are kept take %d KiB; above %d KiB no new ones are taken", used>>10, int(fullRatio*float64(limit))>>10)
	}
	return i.full
}

// NormalizeAll normalizes reports and returns those that are valid, with the errors of the others joined.
func NormalizeAll(reports []*Record, now time.Time, hold time.Duration) ([]*Record, error) {
	var bad []error
	valid := reports[:0]
	for _, r := range reports {
		if err := r.Normalize(now, hold); err != nil {
			bad = append(bad, err)
			continue
		}
		valid = append(valid, r)
	}
	if len(bad) == 0 {
		return valid, nil
	}
	const told = 5 // As many as help to find the cause.
	text := errors.Join(bad[:min(told, len(bad))]...)
	return valid, errs.New(errs.Invalid, "%d of %d alerts refused: %w", len(bad), len(bad)+len(valid), text)
}
