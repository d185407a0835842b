package limits

import (
	"sync/atomic"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Budget is the memory that requests in flight may hold together. It never waits: a request that does not fit is refused, and
// its sender comes back, which keeps the memory of waiting requests out of the process as well.
type Budget struct {
	max  int64
	used atomic.Int64
	peak atomic.Int64
}

// NewBudget returns a budget of size bytes.
func NewBudget(size int64) *Budget { return &Budget{max: size} }

// Acquire takes n bytes. Errors: errs.Exhausted when they are not to be had.
func (b *Budget) Acquire(n int64) error {
	used := b.used.Add(n)
	if used > b.max {
		b.used.Add(-n)
		return errs.WithHint(errs.Exhausted, "send again in a moment; raise gateway.limits.max_inflight_bytes if this lasts",
			"requests in flight hold %d of %d bytes", used-n, b.max)
	}
	for {
		peak := b.peak.Load()
		if used <= peak || b.peak.CompareAndSwap(peak, used) {
			return nil
		}
	}
}

// Release gives n bytes back.
func (b *Budget) Release(n int64) { b.used.Add(-n) }

// Used returns the bytes held now, Peak the most ever held.
func (b *Budget) Used() int64 { return b.used.Load() }

// Peak returns the most bytes that were ever held.
func (b *Budget) Peak() int64 { return b.peak.Load() }

// Max returns the size of the budget.
func (b *Budget) Max() int64 { return b.max }

// Lease is what one request holds of a Budget; the zero value with a budget set is ready. It is not safe for several goroutines.
type Lease struct {
	Budget *Budget
	held   int64
}

// Grow makes the lease at least n bytes in total.
func (l *Lease) Grow(n int64) error {
	if n <= l.held {
		return nil
	}
	if err := l.Budget.Acquire(n - l.held); err != nil {
		return err
	}
	l.held = n
	return nil
}

// Held returns the bytes that the lease holds.
func (l *Lease) Held() int64 { return l.held }

// Release gives everything back; the lease may be used again.
func (l *Lease) Release() {
	l.Budget.Release(l.held)
	l.held = 0
}
