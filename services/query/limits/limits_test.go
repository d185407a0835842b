package limits

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
)

func TestGateQueuesThenRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(Config{MaxConcurrent: 1, QueueTimeout: time.Second, Timeout: time.Minute})
		_, leave, err := g.Enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, _, err = g.Enter(t.Context())
		if errs.KindOf(err) != errs.Exhausted || !strings.Contains(err.Error(), "query.max_concurrent") {
			t.Fatalf("second query: %v, want exhausted with the limit's name", err)
		}
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("refused after %v, want 1s", waited)
		}
		leave()
		if _, leave, err = g.Enter(t.Context()); err != nil {
			t.Fatalf("after the first left: %v", err)
		}
		leave()
		if g.InUse() != 0 {
			t.Errorf("%d slots in use at the end", g.InUse())
		}
	})
}

func TestGateLimitsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(Config{MaxConcurrent: 1, Timeout: 5 * time.Second})
		ctx, leave, err := g.Enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer leave()
		<-ctx.Done()
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Errorf("context ended with %v", ctx.Err())
		}
	})
}

func TestGateHonoursCancel(t *testing.T) {
	g := NewGate(Config{MaxConcurrent: 1, QueueTimeout: time.Hour})
	_, leave, err := g.Enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := g.Enter(ctx); errs.KindOf(err) != errs.Canceled {
		t.Errorf("cancelled wait: %v", err)
	}
}
