package backtest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/faultline-io/faultline/services/correlator/brain"
	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/backtests"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/model"
)

// RunnerDeps is what code passes in.
type RunnerDeps struct {
	Bus    bus.Bus
	Source Source
	Log    *slog.Logger
	Now    func() time.Time
}

// Runner does the backtests that are asked for over the bus, one after another.
type Runner struct {
	cfg  brain.Config
	deps RunnerDeps
}

var _ app.Service = (*Runner)(nil)

// NewRunner returns a runner that has not begun.
func NewRunner(cfg brain.Config, deps RunnerDeps) *Runner {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	return &Runner{cfg: cfg, deps: deps}
}

// Name returns the name of the service.
func (*Runner) Name() string { return "backtests" }

// queued bounds the requests that wait in one process; the others wait in the bucket.
const queued = 16

// Run takes requests until ctx ends.
func (r *Runner) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := r.follow(ctx); err != nil && ctx.Err() == nil {
			r.deps.Log.WarnContext(ctx, "backtests not followed; trying again", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
	}
	return nil
}

func (r *Runner) follow(ctx context.Context) error {
	kv, err := r.deps.Bus.KV(ctx, backtests.Bucket)
	if err != nil {
		return err
	}
	todo := make(chan bus.KVEntry, queued)
	watched := make(chan error, 1)
	watchCtx, stop := context.WithCancel(ctx)
	defer func() { stop(); <-watched }()
	go func() {
		watched <- kv.Watch(watchCtx, func(e bus.KVEntry) {
			if e.Deleted {
				return
			}
			select {
			case todo <- e:
			case <-watchCtx.Done():
			}
		}, func() {})
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-watched:
			watched <- nil
			return err
		case e := <-todo:
			if err := r.take(ctx, kv, e); err != nil {
				return err
			}
		}
	}
}

// take does one request, if it is still to be done and nobody else does it.
func (r *Runner) take(ctx context.Context, kv bus.KV, e bus.KVEntry) error {
	var t backtests.Test
	if err := json.Unmarshal(e.Value, &t); err != nil {
		r.deps.Log.WarnContext(ctx, "a backtest cannot be read", slog.String("key", e.Key), slog.Any("error", err))
		return nil
	}
	// A running one whose runner was killed is taken over when it has not moved for a while.
	abandoned := t.State == backtests.Running && r.deps.Now().Sub(t.UpdatedAt) > backtests.AbandonedAfter
	if t.State != backtests.Queued && !abandoned {
		return nil
	}
	w := &writer{kv: kv, key: e.Key, revision: e.Revision, test: t, now: r.deps.Now}
	w.test.State = backtests.Running
	if err := w.put(ctx); errs.KindOf(err) == errs.Conflict {
		return nil // Somebody else has it.
	} else if err != nil {
		return err
	}
	result, err := Run(ctx, r.deps.Source, r.cfg, request(&t), func(share float64) { w.progress(ctx, share) })
	if ctx.Err() != nil {
		w.test.State = backtests.Queued
		return w.put(context.WithoutCancel(ctx))
	}
	if err != nil {
		w.test.State, w.test.Error = backtests.Failed, err.Error()
		return w.put(ctx)
	}
	w.test.State, w.test.Progress, w.test.Result = backtests.Done, 1, written(result)
	return w.put(ctx)
}

func request(t *backtests.Test) Request {
	return Request{
		ID: t.ID, Tenant: model.TenantID(t.Tenant), FromMS: t.From.UnixMilli(), ToMS: t.To.UnixMilli(), WarmupMS: t.Warmup.Milliseconds(),
		Sensitivity: t.Sensitivity, AskedBy: t.AskedBy, AskedAt: t.AskedAt,
	}
}

// maxShown bounds the incidents of a result: a backtest with more of them has nothing to say but that.
const maxShown = 200

func written(r *Result) *backtests.Result {
	out := &backtests.Result{
		Series: r.Series, Samples: r.Samples, Findings: r.Findings, Pages: r.Pages, IncidentCount: len(r.Incidents), Took: r.Took, Speed: r.Speed, Incidents: []incidents.Incident{},
	}
	for _, in := range r.Incidents[:min(len(r.Incidents), maxShown)] {
		out.Incidents = append(out.Incidents, incidents.Head(in))
	}
	return out
}

// writer keeps the state of one backtest in the bucket.
type writer struct {
	kv       bus.KV
	key      string
	revision uint64
	test     backtests.Test
	now      func() time.Time
	told     time.Time
}

func (w *writer) put(ctx context.Context) error {
	w.test.UpdatedAt = w.now().UTC()
	b, err := json.Marshal(&w.test)
	if err != nil {
		return fmt.Errorf("encode backtest: %w", err)
	}
	rev, err := w.kv.Update(ctx, w.key, b, w.revision)
	if err == nil {
		w.revision = rev
	}
	return err
}

// tellEvery is how often progress is told.
const tellEvery = time.Second

func (w *writer) progress(ctx context.Context, share float64) {
	if w.now().Sub(w.told) < tellEvery {
		return
	}
	w.told, w.test.Progress = w.now(), share
	_ = w.put(ctx) // The next one or the result tells it.
}
