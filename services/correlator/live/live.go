package live

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/faultline-io/faultline/services/correlator/brain"
	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/bus/lease"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
)

// Names on the bus.
const (
	// readerName is the durable reader of the telemetry streams.
	readerName = "correlator"
	// bucket has the lease, the journal and the status of the brain; the snapshot is an object of the same name.
	bucket = "brain"
)

// Config is what a user may set.
type Config struct {
	Tenant model.TenantID
	Shards int
	Brain  brain.Config
	Clock  eventtime.ClockConfig
	// MarkEvery is the pause between two marks: with the watermark's delay it makes the time from a fault to its finding.
	MarkEvery time.Duration
	// SnapshotEvery is how often the state is saved; a restart repeats at most that much.
	SnapshotEvery time.Duration
	// MaxBehind is how many messages of a shard may wait before they are skipped, counted and shown.
	MaxBehind uint64
}

// Default returns the settings of the all-in-one.
func Default() Config {
	return Config{
		Tenant: model.DefaultTenant, Shards: 1, Brain: brain.Default(), Clock: eventtime.DefaultClockConfig(),
		MarkEvery: 5 * time.Second, SnapshotEvery: 2 * time.Minute, MaxBehind: 20_000,
	}
}

// Store is where what is found goes.
type Store interface {
	// Save stores what a mark brought; repeating it with the same token stores nothing twice.
	Save(ctx context.Context, token string, tenant model.TenantID, out *brain.Output) error
	// SaveMarks stores marks that were made; a mark may come twice.
	SaveMarks(ctx context.Context, token string, tenant model.TenantID, rows []store.MarkRow) error
	// SaveCommands stores what people asked for.
	SaveCommands(ctx context.Context, token string, rows []store.CommandRow) error
}

// Intake hands on samples to be stored as ordinary series; repeating it changes nothing for readers.
type Intake func(ctx context.Context, tenant model.TenantID, ds []model.Derived) error

// Deps is what code passes in.
type Deps struct {
	Bus     bus.Bus
	Store   Store
	Derived Intake
	// Outside are asked at each mark for findings that others made since they were asked last: alerts of rules, forecasts.
	Outside []func() []model.Finding
	Log     *slog.Logger
	Metrics *metrics.Set
	Now     func() time.Time
}

// hooks let a test hold the clock and end a term as a crash would.
type hooks struct {
	taken func(input)
	ticks <-chan time.Time
	crash bool
}

// Service leads or stands by.
type Service struct {
	cfg  Config
	deps Deps
	m    *measures

	hooks hooks

	// mu guards status.
	mu     sync.Mutex
	status Status
}

var _ app.Service = (*Service)(nil)

// New returns a service that has not begun.
func New(cfg Config, deps Deps) *Service {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Metrics == nil {
		deps.Metrics = metrics.NewSet()
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	s := &Service{cfg: cfg, deps: deps}
	s.m = newMeasures(deps.Metrics, s)
	return s
}

// Name returns the name of the service.
func (*Service) Name() string { return "brain" }

// again is the wait before something that failed is begun anew.
const again = 2 * time.Second

// Run leads when nobody else does, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := s.candidate(ctx); err != nil && ctx.Err() == nil {
			s.deps.Log.WarnContext(ctx, "brain stopped and is begun again", slog.Any("error", err))
			s.m.failures.Inc()
		}
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
	return nil
}

func (s *Service) candidate(ctx context.Context) error {
	kv, err := s.deps.Bus.KV(ctx, bucket)
	if err != nil {
		return err
	}
	l := lease.New(lease.Config{Key: "lease"}, lease.Deps{KV: kv, Log: s.deps.Log})
	return l.Run(ctx, func(ctx context.Context) error {
		s.deps.Log.InfoContext(ctx, "leads the brain", slog.String("holder", l.Holder()))
		defer s.deps.Log.InfoContext(ctx, "no longer leads the brain", slog.String("holder", l.Holder()))
		s.setStatus(func(st *Status) { st.Leader = l.Holder() })
		return newTerm(s, kv, l).run(ctx)
	})
}
