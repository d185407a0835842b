// Package enginetest gives tests a real embedded engine. A package that uses it needs a TestMain that calls Main, because the engine
// runs in a child process of the same binary.
package enginetest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/engine"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// startLimit is how long a test waits for the engine; it takes a quarter of a second on an idle machine.
const startLimit = 60 * time.Second

// Main runs the tests of a package, or the engine when this process is its child. Use it as
// `func TestMain(m *testing.M) { enginetest.Main(m) }`.
func Main(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == engine.SubCommand {
		os.Exit(engine.Main(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// Start returns a running engine in a fresh folder, which is stopped when the test ends.
func Start(tb testing.TB) *engine.Engine {
	tb.Helper()
	return StartConfig(tb, engine.Config{Dir: filepath.Join(tb.TempDir(), "engine")})
}

// StartConfig is Start with a configuration of the test's own.
func StartConfig(tb testing.TB, cfg engine.Config) *engine.Engine {
	tb.Helper()
	log := slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	e, err := engine.New(cfg, engine.Deps{Log: log})
	if err != nil {
		tb.Fatalf("engine: %v (%s)", err, errs.HintOf(err))
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Errorf("engine: %v", err)
		}
	})
	waitCtx, stop := context.WithTimeout(ctx, startLimit)
	defer stop()
	if err := e.WaitReady(waitCtx); err != nil {
		tb.Fatal(err)
	}
	return e
}
