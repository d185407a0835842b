package app

import (
	"context"
	"errors"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// diary notes what happened in which order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lines)
}

// slow is a service that needs some time to stop.
func (d *diary) slow(name string, stop time.Duration) Service {
	return Func(name, func(ctx context.Context) error {
		<-ctx.Done()
		d.note(name + " told")
		time.Sleep(stop) // In a bubble this is fake time.
		d.note(name + " ended")
		return nil
	})
}

// unready is a service with a channel of readiness of its own.
type unready struct {
	Service
	ready chan struct{}
}

func (u unready) Ready() <-chan struct{} { return u.ready }

func TestStagesStopInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var g Group
		g.Add(StageStore, d.slow("engine", time.Second))
		g.Add(StageBus, d.slow("bus", time.Second))
		g.Add(StageReceive, d.slow("receiver", 2*time.Second), d.slow("agent", time.Second))
		g.Add(StageProcess, d.slow("writer", time.Second))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		if err := g.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
		got := d.all()
		slices.Sort(got[:2]) // Both receivers are told at the same time.
		want := []string{
			"agent told", "receiver told", "agent ended", "receiver ended", "writer told", "writer ended", "bus told", "bus ended",
			"engine told", "engine ended",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestOneFailureStopsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		boom := errors.New("boom")
		var g Group
		g.Add(StageStore, d.slow("engine", time.Second))
		g.Add(StageProcess, Func("writer", func(context.Context) error {
			time.Sleep(time.Second)
			return boom
		}))
		err := g.Run(t.Context())
		if !errors.Is(err, boom) || !strings.Contains(err.Error(), "writer: boom") {
			t.Errorf("Run = %v, want writer: boom", err)
		}
		if got := d.all(); !slices.Contains(got, "engine ended") {
			t.Errorf("the other service was not stopped: %v", got)
		}
	})
}

func TestErrorsAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := errors.New("first"), errors.New("second")
		var g Group
		g.Add(StageReceive, Func("a", func(context.Context) error { return first }))
		g.Add(StageStore, Func("b", func(ctx context.Context) error { <-ctx.Done(); return second }))
		if err := g.Run(t.Context()); !errors.Is(err, first) || !errors.Is(err, second) {
			t.Errorf("Run = %v, want both errors", err)
		}
	})
}

func TestServiceThatEndsByItselfIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group
		g.Add(StageReceive, Func("a", func(context.Context) error { return nil }))
		if err := g.Run(t.Context()); errs.KindOf(err) != errs.Internal || !strings.Contains(err.Error(), "a ended by itself") {
			t.Errorf("Run = %v, want an internal error", err)
		}
	})
}

func TestCanceledIsNoErrorOnlyWhenTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group
		g.Add(StageReceive, Func("a", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := g.Run(ctx); err != nil {
			t.Errorf("Run = %v for a service that was told to stop", err)
		}
		var h Group
		h.Add(StageReceive, Func("a", func(context.Context) error { return context.Canceled }))
		if err := h.Run(t.Context()); err == nil {
			t.Error("a service that was not told to stop ended, and Run says nothing")
		}
	})
}

func TestPanicStopsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var g Group
		g.Add(StageReceive, Func("a", func(context.Context) error { panic("BUG: test") }))
		g.Add(StageStore, d.slow("engine", time.Second))
		if err := g.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "BUG: test") {
			t.Errorf("Run = %v, want the panic", err)
		}
		if got := d.all(); len(got) != 2 {
			t.Errorf("the engine was not stopped: %v", got)
		}
	})
}

func TestDeadlineNamesWhoIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var g Group
		g.StopTimeout = 5 * time.Second
		g.Add(StageReceive, Func("stuck", func(context.Context) error { <-release; return nil }))
		told := make(chan struct{})
		g.Add(StageStore, Func("engine", func(ctx context.Context) error { <-ctx.Done(); close(told); return nil }))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		err := g.Run(ctx)
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("Run took %s, want the deadline of 5 s", took)
		}
		if errs.KindOf(err) != errs.Timeout || !strings.Contains(err.Error(), "stuck") {
			t.Errorf("Run = %v, want a timeout that names stuck", err)
		}
		<-told // Later stages are told to stop in spite of it.
		close(release)
	})
}

func TestReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := unready{Func("a", func(ctx context.Context) error { <-ctx.Done(); return nil }), make(chan struct{})}
		var g Group
		g.Add(StageStore, a, Func("b", func(ctx context.Context) error { <-ctx.Done(); return nil }))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- g.Run(ctx) }()
		all := g.Ready(ctx)
		synctest.Wait()
		if diff := cmp.Diff([]string{"a"}, g.NotReady()); diff != "" {
			t.Error(diff)
		}
		select {
		case <-all:
			t.Error("ready before all services are")
		default:
		}
		close(a.ready)
		<-all
		if diff := cmp.Diff([]string{}, g.NotReady()); diff != "" {
			t.Error(diff)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"a", "b"}, g.NotReady()); diff != "" {
			t.Errorf("after the end: %s", diff)
		}
	})
}

func TestSecondSignalForces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signals := make(chan os.Signal, 2)
		forced := make(chan os.Signal, 1)
		ctx, stop := onSignal(t.Context(), signals, func(s os.Signal) { forced <- s })
		defer stop()
		synctest.Wait()
		if ctx.Err() != nil {
			t.Fatal("stopped without a signal")
		}
		signals <- os.Interrupt
		<-ctx.Done()
		if cause := context.Cause(ctx); cause == nil || !strings.Contains(cause.Error(), "interrupt") {
			t.Errorf("cause = %v, want the signal", cause)
		}
		select {
		case <-forced:
			t.Error("forced at the first signal")
		default:
		}
		signals <- os.Interrupt // At the same moment: the same wish.
		synctest.Wait()
		if len(forced) > 0 {
			t.Error("forced by the echo of the first signal")
		}
		time.Sleep(sameStop)
		signals <- syscall.SIGTERM
		if s := <-forced; s != syscall.SIGTERM {
			t.Errorf("forced by %v", s)
		}
	})
}

func TestRealSignalStops(t *testing.T) {
	ctx, stop := OnSignal(t.Context(), func(os.Signal) {})
	defer stop()
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Error("SIGTERM did not end the context")
	}
}

func TestBuildInfo(t *testing.T) {
	b := Build{Version: "v1.2.3", Go: "go1", OS: "linux", Arch: "amd64"}
	b.complete(&debug.BuildInfo{Main: debug.Module{Version: "v0.0.1"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: "true"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"},
	}})
	if b.Version != "v1.2.3" || b.Commit != "0123456789abcdef-dirty" || b.Date != "2026-01-02T03:04:05Z" {
		t.Errorf("build = %+v", b)
	}
	if got, want := b.String(), "v1.2.3 0123456789ab 2026-01-02T03:04:05Z go1 linux/amd64"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	if BuildInfo().Version == "" {
		t.Error("a build without a version has no name")
	}
}

func TestServicesAddedWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var g Group
		g.Add(StageStore, d.slow("engine", time.Second))
		g.Start = func(context.Context) error {
			time.Sleep(time.Second) // As if it waited for the engine.
			g.Add(StageReceive, d.slow("receiver", time.Second))
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		if err := g.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
		if diff := cmp.Diff([]string{"receiver told", "receiver ended", "engine told", "engine ended"}, d.all()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestFailedStartStopsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		boom := errors.New("boom")
		var g Group
		g.Add(StageStore, d.slow("engine", time.Second))
		g.Start = func(context.Context) error { return boom }
		if err := g.Run(t.Context()); !errors.Is(err, boom) {
			t.Errorf("Run = %v, want boom", err)
		}
		if len(d.all()) != 2 {
			t.Errorf("the engine was not stopped: %v", d.all())
		}
	})
}

func TestStopDuringTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var g Group
		g.Add(StageStore, d.slow("engine", time.Second))
		g.Start = func(ctx context.Context) error {
			<-ctx.Done()
			g.Add(StageReceive, d.slow("late", time.Second)) // It is told to stop at once.
			return ctx.Err()
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := g.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
		if diff := cmp.Diff([]string{"late told", "late ended", "engine told", "engine ended"}, d.all()); diff != "" {
			t.Error(diff)
		}
	})
}
