// Package responder evaluates rules, keeps alerts and tells people: it is the one part that acts by itself. Of all processes that run
// it, one leads, by a lease in the control state; the others wait and take over within seconds, with the state of rules, silences and
// notifications where the leader left it. What it knows about telemetry comes in by Prometheus' interfaces; what everybody else needs to
// know of it goes out by the control state (package alertstate). The rules and the notifying are Prometheus' and Alertmanager's own code.
package responder

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"

	"github.com/faultline-io/faultline/services/internal/alerts"
	"github.com/faultline-io/faultline/services/internal/alerts/alertstate"
	"github.com/faultline-io/faultline/services/internal/alerts/amconfig"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/bus/lease"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/responder/rulefile"
)

// Config is what a user may set.
type Config struct {
	Tenant model.TenantID
	// RuleFiles are patterns of files with rules; Interval is that of groups that name none.
	RuleFiles []string
	Interval  time.Duration
	Routing   amconfig.Settings
	// WebhookSecret signs what webhooks are sent; empty is no signature.
	WebhookSecret Secret
	// ExternalURL is the address of the console as people reach it, for links in messages.
	ExternalURL string
	// LeaseTTL is how long a silent leader stays the leader; 0 is the lease's default.
	LeaseTTL time.Duration
}

// Secret is text that no log shows; auth.Secret is one.
type Secret interface{ Reveal() string }

// Buckets opens control state; bus.Bus is one.
type Buckets interface {
	KV(ctx context.Context, bucket string) (bus.KV, error)
}

// History keeps what became of alerts; the store is one.
type History interface {
	InsertAlerts(ctx context.Context, token string, rows []store.AlertRow) error
}

// Deps is what code passes in.
type Deps struct {
	Bus Buckets
	// Query evaluates an expression; Queryable finds the state of rules from before a restart where the control state has none; what
	// rules record goes to Appendable.
	Query      rules.QueryFunc
	Queryable  storage.Queryable
	Appendable storage.Appendable
	History    History
	Log        *slog.Logger
	Metrics    *metrics.Set
}

// Responder is the service.
type Responder struct {
	cfg      Config
	deps     Deps
	parser   parser.Parser
	external *url.URL
	inbox    *alerts.Inbox
	measures *measures
	reloads  chan struct{}

	// mu guards what is below.
	mu      sync.Mutex
	loaded  loaded
	lastErr loadErrors
	leading bool
}

// loaded is a configuration that was checked.
type loaded struct {
	routing *config.Config
	source  string
	files   []string
}

// loadErrors say why the last attempt to load was not taken.
type loadErrors struct{ routing, rules error }

// New reads and checks rule files and routing. Errors: errs.Invalid with every mistake.
func New(cfg Config, deps Deps) (*Responder, error) {
	if cfg.Interval <= 0 {
		cfg.Interval = time.Minute
	}
	if cfg.Tenant == 0 {
		cfg.Tenant = model.DefaultTenant
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Metrics == nil {
		deps.Metrics = metrics.NewSet()
	}
	u, err := url.Parse(cfg.ExternalURL)
	if err != nil {
		return nil, errs.New(errs.Invalid, "alerting.external_url: %w", err)
	}
	r := &Responder{cfg: cfg, deps: deps, parser: rulefile.Parser(), external: u, inbox: alerts.NewInbox(deps.Bus), reloads: make(chan struct{}, 1)}
	r.measures = newMeasures(deps.Metrics, r)
	if err := r.load(); err != nil {
		return nil, err
	}
	return r, nil
}

// Name returns the name of the service.
func (*Responder) Name() string { return "responder" }

// load reads everything from the files and keeps it if it is all right; each half stands by itself.
func (r *Responder) load() error {
	routing, source, routingErr := amconfig.Load(r.cfg.Routing)
	if routingErr == nil {
		routingErr = r.checkReceivers(routing)
	}
	files, rulesErr := rulefile.Find(r.cfg.RuleFiles)
	if rulesErr == nil {
		_, rulesErr = rulefile.CheckAll(files, r.parser)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if routingErr == nil {
		r.loaded.routing, r.loaded.source = routing, source
	}
	if rulesErr == nil {
		r.loaded.files = files
	}
	r.lastErr = loadErrors{routing: routingErr, rules: rulesErr}
	return errors.Join(routingErr, rulesErr)
}

// Reload reads rule files and routing again. What has a mistake is not taken: what was in force stays, and the error says why.
func (r *Responder) Reload(ctx context.Context) error {
	err := r.load()
	if err != nil {
		r.deps.Log.ErrorContext(ctx, "configuration of alerting not taken; what was in force stays", slog.Any("error", err))
	} else {
		r.deps.Log.InfoContext(ctx, "configuration of alerting read again")
	}
	r.measures.reload(err)
	select {
	case r.reloads <- struct{}{}:
	default: // One is waiting already and will see this one's result.
	}
	return err
}

// current returns what is in force.
func (r *Responder) current() (loaded, loadErrors) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.loaded, r.lastErr
}

// Leads reports whether this process leads.
func (r *Responder) Leads() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leading
}

func (r *Responder) setLeading(v bool) {
	r.mu.Lock()
	r.leading = v
	r.mu.Unlock()
}

// openAgain is the wait before control state that did not answer is asked again.
const openAgain = time.Second

// Run leads when nobody else does, until ctx ends.
func (r *Responder) Run(ctx context.Context) error {
	kv, err := r.deps.Bus.KV(ctx, alerts.StateBucket)
	for err != nil {
		r.deps.Log.WarnContext(ctx, "control state of alerting not open yet", slog.Any("error", err))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(openAgain):
		}
		kv, err = r.deps.Bus.KV(ctx, alerts.StateBucket)
	}
	l := lease.New(lease.Config{Key: alerts.Prefix(r.cfg.Tenant) + alertstate.KeyLease, TTL: r.cfg.LeaseTTL}, lease.Deps{KV: kv, Log: r.deps.Log})
	return l.Run(ctx, func(ctx context.Context) error {
		r.setLeading(true)
		defer r.setLeading(false)
		r.deps.Log.InfoContext(ctx, "leads alerting", slog.String("holder", l.Holder()))
		defer r.deps.Log.InfoContext(ctx, "no longer leads alerting", slog.String("holder", l.Holder()))
		return r.lead(ctx, kv, l)
	})
}

// lead runs terms until ctx ends: one that fails because the control state is away is begun again.
func (r *Responder) lead(ctx context.Context, kv bus.KV, l *lease.Lease) error {
	for {
		err := newTerm(r, kv, l).run(ctx)
		if ctx.Err() != nil {
			return nil
		}
		r.deps.Log.WarnContext(ctx, "alerting stopped and is begun again", slog.Any("error", err))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(openAgain):
		}
	}
}
