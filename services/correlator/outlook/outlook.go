// Package outlook is the service that forecasts: it looks for what can run out and for what is loaded, lets package forecast work on their past, stores
// each forecast beside what came, publishes them as the series forecast_…, and hands on as findings those that matter. It reads the store
// only, never the bus; one process does it for a tenant, by a lease.
//
// Cost: a pass over 2,000 stocks reads about two million hourly values and takes some seconds of one core, every ten minutes; one over 200 loads
// takes as long, every hour. Memory is that of a batch of 200 targets, tens of megabytes.
package outlook

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/bus/lease"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
)

// Reader is what is asked of the tables of metrics.
type Reader interface {
	LabelValues(ctx context.Context, tenant model.TenantID, label string, matchers []clickhouse.Matcher, notBefore time.Time, limit int) ([]string, error)
	Series(ctx context.Context, tenant model.TenantID, matchers []clickhouse.Matcher, notBefore time.Time, limit int) ([]clickhouse.SeriesRow, error)
	History(ctx context.Context, q clickhouse.HistoryQuery, f func(clickhouse.History)) error
}

// Past reads forecasts as they were made.
type Past interface {
	Latest(ctx context.Context, f clickhouse.ForecastFilter, after *clickhouse.ForecastCursor, limit int) ([]store.ForecastRow, *clickhouse.ForecastCursor, error)
}

// Writer is where forecasts and what came go.
type Writer interface {
	InsertForecasts(ctx context.Context, token string, rows []store.ForecastRow) error
	InsertActuals(ctx context.Context, token string, rows []store.ActualRow) error
}

var (
	_ Reader = (*clickhouse.MetricReader)(nil)
	_ Past   = (*clickhouse.ForecastReader)(nil)
	_ Writer = (*clickhouse.DB)(nil)
)

// Buckets opens buckets of control state; bus.Bus is one.
type Buckets interface {
	KV(ctx context.Context, bucket string) (bus.KV, error)
}

// Names of the control state. The query API writes the request.
const (
	Bucket     = "forecasts"
	KeyRequest = "request"
	keyLease   = "lease"
	keyOpen    = "open"
)

// Config is what a user may set.
type Config struct {
	Tenant model.TenantID
	// StockEvery and LoadEvery are the times between two passes; PublishEvery is that between two samples of the published series.
	StockEvery, LoadEvery, PublishEvery time.Duration
	// MaxStocks and MaxLoads bound what is forecast; what is beyond is counted.
	MaxStocks, MaxLoads int
	// MaxSeries bounds the series that are looked at for targets.
	MaxSeries int
	// Warn is how long before the end of something a finding is opened; WarnCertificate the same for certificates.
	Warn, WarnCertificate time.Duration
	// MinConfidence is what a forecast must have to be a finding.
	MinConfidence float64
}

// Default returns the settings of the all-in-one.
func Default() Config {
	return Config{
		Tenant: model.DefaultTenant, StockEvery: 10 * time.Minute, LoadEvery: time.Hour, PublishEvery: time.Minute,
		MaxStocks: 2000, MaxLoads: 200, MaxSeries: 50_000,
		// A working week to do something about it; certificates take longer to be renewed by people.
		Warn: 7 * 24 * time.Hour, WarnCertificate: 21 * 24 * time.Hour, MinConfidence: .3,
	}
}

// Deps is what code passes in.
type Deps struct {
	Reader  Reader
	Past    Past
	Writer  Writer
	Buckets Buckets
	// Out takes the published series; nil publishes none.
	Out     storage.Appendable
	Log     *slog.Logger
	Metrics *metrics.Set
	Clock   func() time.Time
}

// Service forecasts. Run is called once; Findings may be asked from anywhere.
type Service struct {
	cfg  Config
	deps Deps

	// mu guards what is below.
	mu sync.Mutex
	// current has the latest forecast of each target.
	current map[uint64]store.ForecastRow
	// open are the findings that last, by target; changed are those since the last call of Findings.
	open    map[uint64]model.Finding
	changed []model.Finding
	// lastActual is the last hour whose outcome is stored, by kind.
	lastActual map[string]int64

	// published has the series that have a sample and must be ended when they go; asked says that somebody wants every forecast anew, and not
	// only what has changed. Both belong to the loop.
	published map[string]labels.Labels
	asked     bool
}

var _ app.Service = (*Service)(nil)

// New returns a service that knows nothing yet.
func New(cfg Config, deps Deps) *Service {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Metrics == nil {
		deps.Metrics = metrics.NewSet()
	}
	if deps.Clock == nil {
		deps.Clock = time.Now
	}
	s := &Service{cfg: cfg, deps: deps, current: map[uint64]store.ForecastRow{}, open: map[uint64]model.Finding{}, lastActual: map[string]int64{}, published: map[string]labels.Labels{}}
	deps.Metrics.NewGauge("faultline_correlator_forecasts", func() float64 {
		s.mu.Lock()
		defer s.mu.Unlock()
		return float64(len(s.current))
	})
	return s
}

// Name returns the name of the service.
func (*Service) Name() string { return "forecasts" }

// Run forecasts while it holds the lease, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	kv, err := s.deps.Buckets.KV(ctx, Bucket)
	for err != nil {
		s.deps.Log.WarnContext(ctx, "control state of forecasts not open yet", slog.Any("error", err))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(openAgain):
		}
		kv, err = s.deps.Buckets.KV(ctx, Bucket)
	}
	l := lease.New(lease.Config{Key: keyLease}, lease.Deps{KV: kv, Log: s.deps.Log})
	return l.Run(ctx, func(ctx context.Context) error { return s.lead(ctx, kv) })
}

// openAgain is the wait before control state that did not answer is asked again.
const openAgain = time.Second

// lead runs the passes until ctx ends.
func (s *Service) lead(ctx context.Context, kv bus.KV) error {
	s.restore(ctx, kv)
	requests := make(chan struct{}, 1)
	watched := make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		<-watched
	}()
	go func() {
		defer close(watched)
		watchRequests(ctx, kv, requests)
	}()
	tick := time.NewTicker(s.cfg.PublishEvery)
	defer tick.Stop()
	var stocks, loads time.Time
	for {
		now := s.deps.Clock()
		if s.asked || now.Sub(stocks) >= s.cfg.StockEvery {
			s.pass(ctx, kv, "stocks", s.Stocks)
			stocks = now
		}
		// A load is made of whole hours, which are complete a little after their end.
		if s.asked || now.Sub(loads) >= s.cfg.LoadEvery || now.Truncate(time.Hour).After(loads) && now.Sub(now.Truncate(time.Hour)) > hourComplete {
			s.pass(ctx, kv, "loads", s.Loads)
			loads = now
		}
		s.asked = false
		if err := s.publish(ctx, s.deps.Clock()); err != nil && ctx.Err() == nil {
			s.failed(ctx, "publish", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-requests:
			s.asked = true
		}
	}
}

// hourComplete is how long after its end an hour's samples are there: scraping, the way through the bus, and a group.
const hourComplete = 2 * time.Minute

// pass runs one pass and keeps what findings are open.
func (s *Service) pass(ctx context.Context, kv bus.KV, what string, f func(context.Context) error) {
	began := time.Now()
	if err := f(ctx); err != nil {
		if ctx.Err() == nil {
			s.failed(ctx, what, err)
		}
		return
	}
	s.deps.Metrics.GetOrCreateHistogram(`faultline_correlator_forecast_seconds{pass="` + what + `"}`).Update(time.Since(began).Seconds())
	s.mu.Lock()
	b, err := json.Marshal(s.open)
	s.mu.Unlock()
	if err == nil {
		err = kv.Put(ctx, keyOpen, b)
	}
	if err != nil && ctx.Err() == nil {
		s.failed(ctx, "keep findings", err)
	}
}

func (s *Service) failed(ctx context.Context, what string, err error) {
	s.deps.Metrics.GetOrCreateCounter(`faultline_correlator_forecast_errors_total{pass="` + what + `"}`).Inc()
	s.deps.Log.WarnContext(ctx, "forecasts not brought up to date", slog.String("pass", what), slog.Any("error", err))
}

// watchRequests wakes the loop when somebody asks for forecasts now.
func watchRequests(ctx context.Context, kv bus.KV, wake chan<- struct{}) {
	for ctx.Err() == nil {
		current := false
		err := kv.Watch(ctx, func(e bus.KVEntry) {
			if current && e.Key == KeyRequest && !e.Deleted {
				select {
				case wake <- struct{}{}:
				default: // One is waiting already.
				}
			}
		}, func() { current = true })
		if ctx.Err() != nil || err == nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(openAgain):
		}
	}
}

// restore reads what was forecast and which findings are open, as after a restart.
func (s *Service) restore(ctx context.Context, kv bus.KV) {
	b, err := kv.Get(ctx, keyOpen)
	open := map[uint64]model.Finding{}
	if err == nil {
		err = json.Unmarshal(b, &open)
	}
	if err != nil && errs.KindOf(err) != errs.NotFound {
		s.failed(ctx, "restore findings", err)
	}
	now := s.deps.Clock()
	f := clickhouse.ForecastFilter{Tenant: s.cfg.Tenant, FromMS: now.Add(-2 * s.cfg.LoadEvery).UnixMilli(), ToMS: now.UnixMilli()}
	rows, _, err := s.deps.Past.Latest(ctx, f, nil, s.cfg.MaxStocks+s.cfg.MaxLoads)
	if err != nil && ctx.Err() == nil {
		s.failed(ctx, "restore", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = open
	for _, r := range rows {
		s.current[r.TargetID] = r
	}
}
