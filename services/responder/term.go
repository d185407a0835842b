package responder

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline-io/faultline/services/internal/alerts/alertstate"
	"github.com/faultline-io/faultline/services/internal/alerts/replica"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/bus/lease"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// Times of a term.
const (
	// statusEvery is how often the leader says how it fares.
	statusEvery = 5 * time.Second
	// sweepEvery is how often what expired leaves the control state.
	sweepEvery = time.Minute
	// keepResolved is how long an alert that is over stays in the control state: a leader that takes over must still be able to say
	// that it is over, even when the receiver was away for a while.
	keepResolved = time.Hour
	// loadWithin bounds the reading of the control state at the start of a term.
	loadWithin = 30 * time.Second
	// publishTimeout bounds one write of published state.
	publishTimeout = 3 * time.Second
)

// term is one time of leading: everything in it is made when it begins and gone when it ends.
type term struct {
	r         *Responder
	kv        bus.KV
	lease     *lease.Lease
	since     time.Time
	registry  *prometheus.Registry
	publisher *alertstate.Publisher
	replica   *replica.Replica
	history   *history
	notifier  *notifier
	rules     *evaluator
}

func newTerm(r *Responder, kv bus.KV, l *lease.Lease) *term {
	return &term{r: r, kv: kv, lease: l, since: time.Now(), registry: prometheus.NewRegistry()}
}

// run leads until ctx ends or something that it cannot do without fails.
func (t *term) run(ctx context.Context) error {
	var err error
	if t.publisher, err = alertstate.NewPublisher(t.kv, t.r.cfg.Tenant); err != nil {
		return err
	}
	t.history = newHistory(t.r.cfg.Tenant, t.r.deps.History, t.r.deps.Log, t.r.measures)
	t.replica, err = replica.Open(ctx, replica.Config{Tenant: t.r.cfg.Tenant, WithLog: true},
		replica.Deps{Bus: t.r.deps.Bus, Log: t.r.deps.Log, Registry: t.registry, Changed: t.history.changed})
	if err != nil {
		return err
	}
	// The replica outlives what works on it, so that the last notifications are written down.
	replicaCtx, stopReplica := context.WithCancel(context.WithoutCancel(ctx))
	historyCtx, stopHistory := context.WithCancel(context.WithoutCancel(ctx))
	var below sync.WaitGroup
	below.Go(func() { _ = t.replica.Run(replicaCtx) }) // It ends by its context only.
	below.Go(func() { t.history.run(historyCtx) })
	defer below.Wait()
	defer stopReplica()
	defer stopHistory()
	if err := t.await(ctx); err != nil {
		return err
	}
	if t.notifier, err = newNotifier(t); err != nil {
		return err
	}
	if t.rules, err = newEvaluator(ctx, t); err != nil {
		return err
	}
	t.r.measures.attach(t)
	defer t.r.measures.detach()
	// Reading everything again makes a leader that takes over use the same files as the one before, even if only that one was told.
	if err := t.r.load(); err != nil {
		t.r.deps.Log.ErrorContext(ctx, "configuration of alerting not taken; what was in force stays", slog.Any("error", err))
	}
	defer t.notifier.stop()
	if err := t.apply(ctx); err != nil {
		return err
	}
	var evaluating sync.WaitGroup
	evaluating.Go(t.rules.run)
	defer evaluating.Wait()
	defer t.rules.stop()
	return t.watch(ctx)
}

// await waits until the control state has been read.
func (t *term) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, loadWithin)
	defer cancel()
	select {
	case <-t.replica.Loaded():
		return nil
	case <-ctx.Done():
		return errs.New(errs.KindOf(ctx.Err()), "read the control state of alerting: %w", ctx.Err())
	}
}

// apply puts what is loaded into force and publishes it.
func (t *term) apply(ctx context.Context) error {
	now, failed := t.r.current()
	if err := t.notifier.apply(now.routing); err != nil {
		return err
	}
	if failed.rules == nil {
		if err := t.rules.apply(now.files); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	err := t.publisher.PutConfig(ctx, alertstate.Config{YAML: now.routing.String(), Source: now.source, LoadedAt: time.Now().UTC()})
	if err != nil {
		return err
	}
	return t.rules.prune(ctx, t.kv)
}

// watch does what comes up while leading.
func (t *term) watch(ctx context.Context) error {
	status, sweep := time.NewTicker(statusEvery), time.NewTicker(sweepEvery)
	defer status.Stop()
	defer sweep.Stop()
	t.publishStatus(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.r.reloads:
			if err := t.apply(ctx); err != nil {
				return err
			}
			t.publishStatus(ctx)
		case <-status.C:
			t.history.sweep(time.Now())
			t.publishStatus(ctx)
		case now := <-sweep.C:
			if err := t.replica.Sweep(ctx, now, keepResolved); err != nil && ctx.Err() == nil {
				t.r.deps.Log.WarnContext(ctx, "expired control state not removed", slog.Any("error", err))
			}
		}
	}
}

// publishStatus says how the leader fares.
func (t *term) publishStatus(ctx context.Context) {
	_, failed := t.r.current()
	pending, dropped := t.history.state()
	s := alertstate.Status{
		Leader: t.lease.Holder(), LeadsSince: t.since.UTC(), PublishedAt: time.Now().UTC(), RulesError: text(failed.rules), ConfigError: text(failed.routing),
		Integrations: t.notifier.integrations(), HistoryPending: pending, HistoryDropped: dropped,
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	if err := t.publisher.PutStatus(ctx, s); err != nil && !errors.Is(err, context.Canceled) {
		t.r.deps.Log.DebugContext(ctx, "status of alerting not published", slog.Any("error", err))
	}
}

// text is an error's text, or "".
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
