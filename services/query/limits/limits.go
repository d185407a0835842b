// Package limits keeps queries from taking the machine: at most so many at once, a short queue with a deadline before them, and a
// time limit for each. It does not look at what a query does; row limits belong to the readers.
package limits

import (
	"context"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/query/problem"
)

// Config is what a user may set.
type Config struct {
	// MaxConcurrent is how many queries run at once.
	MaxConcurrent int
	// MaxQueued is how many queries may wait for their turn: each costs a connection and its buffers.
	MaxQueued int
	// QueueTimeout is how long a query may wait for its turn.
	QueueTimeout time.Duration
	// Timeout is how long a query may run.
	Timeout time.Duration
}

// Default returns the limits of a small machine: a page of the console asks about ten queries at once, and each is mostly waiting.
func Default() Config {
	return Config{MaxConcurrent: 16, MaxQueued: 500, QueueTimeout: 10 * time.Second, Timeout: time.Minute}
}

// Gate lets queries in. It is safe for concurrent use.
type Gate struct {
	cfg   Config
	slots chan struct{}
	queue chan struct{}
}

// NewGate returns a gate; values that are not positive take their defaults.
func NewGate(cfg Config) *Gate {
	d := Default()
	if cfg.MaxConcurrent <= 0 {
		cfg.MaxConcurrent = d.MaxConcurrent
	}
	if cfg.MaxQueued <= 0 {
		cfg.MaxQueued = d.MaxQueued
	}
	if cfg.QueueTimeout <= 0 {
		cfg.QueueTimeout = d.QueueTimeout
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = d.Timeout
	}
	return &Gate{cfg: cfg, slots: make(chan struct{}, cfg.MaxConcurrent), queue: make(chan struct{}, cfg.MaxQueued)}
}

// Enter waits for a turn and returns a context with the query's time limit. leave must be called when the query ended. Errors:
// errs.Exhausted naming the limit when the queue's deadline passed, the context's error when the client went away.
func (g *Gate) Enter(ctx context.Context) (_ context.Context, leave func(), err error) {
	select {
	case g.slots <- struct{}{}:
	default:
		if err := g.wait(ctx); err != nil {
			return nil, nil, err
		}
	}
	qctx, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
	return qctx, func() { cancel(); <-g.slots }, nil
}

func (g *Gate) wait(ctx context.Context) error {
	select {
	case g.queue <- struct{}{}:
		defer func() { <-g.queue }()
	default:
		return problem.WithCode("query_max_queued", problem.WithRetryAfter(time.Second, errs.WithHint(errs.Exhausted,
			"ask again later, or raise query.max_queued", "query.max_queued: %d queries are running and %d wait", g.cfg.MaxConcurrent, g.cfg.MaxQueued)))
	}
	t := time.NewTimer(g.cfg.QueueTimeout)
	defer t.Stop()
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return problem.WithCode("query_max_concurrent", problem.WithRetryAfter(time.Second, errs.WithHint(errs.Exhausted,
			"ask again, ask for less, or raise query.max_concurrent",
			"query.max_concurrent: %d queries are running and none ended within %s", g.cfg.MaxConcurrent, g.cfg.QueueTimeout)))
	}
}

// InUse returns how many queries run now.
func (g *Gate) InUse() int { return len(g.slots) }

// MaxConcurrent returns how many queries may run at once.
func (g *Gate) MaxConcurrent() int { return g.cfg.MaxConcurrent }

// Timeout returns how long a query may run.
func (g *Gate) Timeout() time.Duration { return g.cfg.Timeout }
