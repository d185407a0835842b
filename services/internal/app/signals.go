package app

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// StopSignals ask for an orderly stop: Ctrl-C and what service managers send.
func StopSignals() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }

// sameStop is how long after the first signal others are taken for the same request: timeout(1) and some service managers signal the
// process and then its group, which is one wish and two signals.
const sameStop = 500 * time.Millisecond

// OnSignal returns a context that ends at the first signal, with a cause that names it. At the second signal force is called, which
// is expected to end the process: somebody is in a hurry. The function returned gives the signals back; call it at the end.
func OnSignal(ctx context.Context, force func(os.Signal)) (context.Context, func()) {
	ch := make(chan os.Signal, 2) // Room for both, so that neither is lost.
	signal.Notify(ch, StopSignals()...)
	ctx, stop := onSignal(ctx, ch, force)
	return ctx, func() {
		signal.Stop(ch)
		stop()
	}
}

// onSignal is OnSignal on a channel of signals.
func onSignal(ctx context.Context, signals <-chan os.Signal, force func(os.Signal)) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		var first time.Time
		for {
			select {
			case <-quit:
				return
			case s := <-signals:
				switch {
				case first.IsZero():
					first = time.Now()
					cancel(errs.New(errs.Canceled, "signal: %s", s))
				case time.Since(first) >= sameStop:
					force(s)
					return
				}
			}
		}
	}()
	return ctx, func() {
		close(quit)
		<-ended
		cancel(nil)
	}
}
