// Package alertsapi answers for alerting: Alertmanager's API version 2 (Alertmanager's own code over a replica of the control state),
// Prometheus' rules and alerts, and our own operations on the state of alerting and the history of alerts. Silences are made here and
// reach the one that notifies by the control state; nothing is evaluated or notified here.
package alertsapi

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/faultline-io/faultline/services/internal/alerts"
	"github.com/faultline-io/faultline/services/internal/alerts/alertstate"
	"github.com/faultline-io/faultline/services/internal/alerts/replica"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

// HistoryReader reads events of alerts; the store is one.
type HistoryReader interface {
	Alerts(ctx context.Context, f clickhouse.AlertFilter) ([]store.AlertRow, error)
}

var _ HistoryReader = (*clickhouse.DB)(nil)

// Deps is what code passes in.
type Deps struct {
	Bus     alerts.Buckets
	History HistoryReader
	Log     *slog.Logger
	Now     func() time.Time
}

// API is the handlers and the service that keeps what they answer from.
type API struct {
	deps   Deps
	parser parser.Parser
	// served is nil until the control state has been read.
	served atomic.Pointer[served]
}

// served is what is answered from.
type served struct {
	replica *replica.Replica
	view    *alertstate.View
	am      *alertmanager
}

// New returns an API. Register its routes and run it.
func New(deps Deps) *API {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	return &API{deps: deps, parser: parser.NewParser(parser.Options{EnableExperimentalFunctions: true})}
}

// Register adds the routes. Those of Alertmanager and Prometheus are described by their own projects and not by ours.
func (a *API) Register(api huma.API, r gin.IRouter) {
	a.registerOperations(api)
	a.registerPrometheus(r)
	a.registerAlertmanager(r)
}

// Name returns the name of the service.
func (*API) Name() string { return "query-alerts" }

// openAgain is the wait before control state that did not answer is asked again.
const openAgain = time.Second

// Run keeps the state of alerting until ctx ends.
func (a *API) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := a.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		a.deps.Log.WarnContext(ctx, "state of alerting not followed; trying again", slog.Any("error", err))
		select {
		case <-ctx.Done():
		case <-time.After(openAgain):
		}
	}
	return nil
}

// follow opens the control state and follows it until ctx ends.
func (a *API) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	kv, err := a.deps.Bus.KV(ctx, alerts.StateBucket)
	if err != nil {
		return err
	}
	rep, err := replica.Open(ctx, replica.Config{Tenant: model.DefaultTenant}, replica.Deps{Bus: a.deps.Bus, Log: a.deps.Log})
	if err != nil {
		return err
	}
	am, err := newAlertmanager(rep, a.deps.Log)
	if err != nil {
		return err
	}
	view, err := alertstate.NewView(kv, model.DefaultTenant, a.deps.Log, am.configure)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- rep.Run(ctx) }()
	viewed := make(chan struct{})
	select {
	case <-rep.Loaded():
	case <-ctx.Done():
		return <-done
	}
	// The inhibitor of a configuration reads the alerts, so the configuration comes after them.
	go func() {
		defer close(viewed)
		view.Run(ctx)
	}()
	select {
	case <-view.Loaded():
		a.served.Store(&served{replica: rep, view: view, am: am})
	case <-ctx.Done():
	}
	err = <-done
	a.served.Store(nil)
	cancel()
	<-viewed
	am.stop()
	return err
}

// state returns what is answered from. Errors: errs.Unavailable while the control state is being read, errs.NotFound for tenants that have
// no alerting.
func (a *API) state(ctx context.Context) (*served, error) {
	if t := reqctx.Tenant(ctx); t != model.DefaultTenant {
		return nil, errs.New(errs.NotFound, "tenant %d has no alerting", t)
	}
	s := a.served.Load()
	if s == nil {
		return nil, errs.WithHint(errs.Unavailable, "try again in a second", "the state of alerting is being read")
	}
	return s, nil
}
