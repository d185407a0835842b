package gateway

import (
	"context"
	"time"

	"github.com/faultline-io/faultline/services/internal/app"
)

// flushEvery is how often counts of refused items are handed on: at a crash at most these are missing.
const flushEvery = 10 * time.Second

// rejectionFlusher hands counts of refused items to the RejectionSink.
type rejectionFlusher struct {
	g *Gateway
}

var _ app.Service = (*rejectionFlusher)(nil)

// Name returns the name of the service.
func (*rejectionFlusher) Name() string { return "gateway-rejections" }

// Run flushes on a timer, and once more when ctx ends.
func (f *rejectionFlusher) Run(ctx context.Context) error {
	t := time.NewTicker(flushEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			f.flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
			defer cancel()
			f.flush(last)
			return nil
		}
	}
}

func (f *rejectionFlusher) flush(ctx context.Context) {
	rs := f.g.core.Rejected.Take()
	if len(rs) == 0 {
		return
	}
	if err := f.g.deps.Rejections.StoreRejections(ctx, f.g.deps.Clock(), rs); err != nil {
		f.g.core.Rejected.Restore(rs)
		f.g.deps.Log.WarnContext(ctx, "counts of refused items kept for later", "error", err.Error())
	}
}
