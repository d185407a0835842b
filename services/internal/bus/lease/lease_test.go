package lease_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/bus/embedded"
	"github.com/faultline-io/faultline/services/internal/bus/lease"
	"github.com/faultline-io/faultline/services/internal/bus/natsbus"
)

const (
	ttl   = time.Second
	limit = 30 * time.Second
)

func bucket(t *testing.T) bus.KV {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	srv, err := embedded.Start(embedded.Config{Dir: filepath.Join(t.TempDir(), "nats")}, embedded.Deps{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := srv.Connect()
	if err != nil {
		t.Fatal(err)
	}
	b, err := natsbus.Open(t.Context(), nc, natsbus.Config{MaxBytes: 64 << 20}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(); srv.Shutdown() })
	kv, err := b.KV(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

// deaf is a bucket that can be cut off, as a process that hangs or is killed is.
type deaf struct {
	bus.KV
	cut atomic.Bool
}

var errCut = errors.New("cut off")

func (d *deaf) Update(ctx context.Context, key string, v []byte, rev uint64) (uint64, error) {
	if d.cut.Load() {
		return 0, errCut
	}
	return d.KV.Update(ctx, key, v, rev)
}

// candidate runs a lease and counts its terms.
type candidate struct {
	*lease.Lease
	terms, ended chan struct{}
	stop         func()
}

func run(t *testing.T, kv bus.KV, leading *atomic.Int32) *candidate {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := &candidate{Lease: lease.New(lease.Config{Key: "job", TTL: ttl}, lease.Deps{KV: kv}), terms: make(chan struct{}, 10), ended: make(chan struct{}, 10)}
	done := make(chan error, 1)
	go func() {
		done <- c.Run(ctx, func(ctx context.Context) error {
			if n := leading.Add(1); n != 1 {
				t.Errorf("%d holders at once", n)
			}
			if !c.Held() {
				t.Error("leads and does not hold the lease")
			}
			c.terms <- struct{}{}
			<-ctx.Done()
			leading.Add(-1)
			c.ended <- struct{}{}
			return nil
		})
	}()
	stopped := false
	c.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(c.stop)
	return c
}

func wait(t *testing.T, what string, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(limit):
		t.Fatalf("%s: not within %s", what, limit)
	}
}

func TestOneHolderAtATime(t *testing.T) {
	kv := bucket(t)
	var leading atomic.Int32
	first := &deaf{KV: kv}
	a := run(t, first, &leading)
	wait(t, "the first leads", a.terms)
	b := run(t, kv, &leading)

	// The first hangs: it must notice by itself before the second takes over, which the counter of holders proves.
	first.cut.Store(true)
	wait(t, "the first notices", a.ended)
	if a.Held() {
		t.Error("a holder that cannot renew still says that it holds")
	}
	wait(t, "the second takes over", b.terms)
	first.cut.Store(false)

	// An orderly stop hands over without the wait for the TTL.
	began := time.Now()
	b.stop()
	wait(t, "the first leads again", a.terms)
	t.Logf("handed over in %s", time.Since(began).Round(time.Millisecond))
	if b.Held() {
		t.Error("a candidate that stopped holds the lease")
	}
}

func TestErrorOfTheJobEndsRun(t *testing.T) {
	l := lease.New(lease.Config{Key: "job", TTL: ttl}, lease.Deps{KV: bucket(t)})
	broken := errors.New("broken")
	if err := l.Run(t.Context(), func(context.Context) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
