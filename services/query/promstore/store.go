// Package promstore shows stored series to the PromQL engine: it finds series by matchers, with a short-lived cache, reads their samples
// still encoded, and decodes a series only when the engine iterates over it. It holds no samples between queries.
package promstore

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

// Reader is what the store asks of the tables.
type Reader interface {
	Series(ctx context.Context, tenant model.TenantID, matchers []clickhouse.Matcher, notBefore time.Time, limit int) ([]clickhouse.SeriesRow, error)
	Samples(ctx context.Context, q clickhouse.SampleQuery, f func(c clickhouse.Chunk) error) error
	Histograms(ctx context.Context, q clickhouse.SampleQuery, f func(h model.HistogramSample) error) error
	HasHistograms(ctx context.Context, tenant model.TenantID) (bool, error)
	LabelNames(ctx context.Context, tenant model.TenantID, matchers []clickhouse.Matcher, notBefore time.Time, limit int) ([]string, error)
	LabelValues(ctx context.Context, tenant model.TenantID, label string, matchers []clickhouse.Matcher, notBefore time.Time, limit int) ([]string, error)
}

var _ Reader = (*clickhouse.MetricReader)(nil)

// Config bounds what one selector may read.
type Config struct {
	// MaxSeries is how many series a selector may match.
	MaxSeries int
	// MaxSamples is how many samples a selector may read.
	MaxSamples int
	// SeriesTTL is how long found series are reused: new series show up this much later at most.
	SeriesTTL time.Duration
	// CacheSeries is how many series all caches together may hold.
	CacheSeries int
}

// Default returns the limits of the all-in-one: PromQL's own default for samples, and series that fit beside it.
func Default() Config {
	return Config{MaxSeries: 500_000, MaxSamples: 50_000_000, SeriesTTL: 5 * time.Second, CacheSeries: 300_000}
}

// Store makes queryables. It is safe for concurrent use.
type Store struct {
	reader Reader
	cfg    Config
	log    *slog.Logger
	now    func() time.Time
	found  *foundCache
	labels *labelCache
	native *nativeTenants
}

// New returns a store over reader; zero values of cfg take their defaults.
func New(cfg Config, reader Reader, log *slog.Logger, now func() time.Time) *Store {
	d := Default()
	if cfg.MaxSeries <= 0 {
		cfg.MaxSeries = d.MaxSeries
	}
	if cfg.MaxSamples <= 0 {
		cfg.MaxSamples = d.MaxSamples
	}
	if cfg.SeriesTTL <= 0 {
		cfg.SeriesTTL = d.SeriesTTL
	}
	if cfg.CacheSeries <= 0 {
		cfg.CacheSeries = d.CacheSeries
	}
	return &Store{reader: reader, cfg: cfg, log: log, now: now, found: newFoundCache(cfg.SeriesTTL, cfg.CacheSeries), labels: newLabelCache(cfg.CacheSeries),
		native: &nativeTenants{until: map[model.TenantID]answer{}}}
}

var _ storage.Queryable = (*Store)(nil)

// Querier returns a querier over samples from minMS to maxMS. The tenant is that of each call's context.
func (s *Store) Querier(minMS, maxMS int64) (storage.Querier, error) {
	return &querier{store: s, minMS: minMS, maxMS: maxMS}, nil
}

// querier reads for one query. Selectors load at the same time, each in a goroutine that Close waits for.
type querier struct {
	store        *Store
	minMS, maxMS int64
	loads        sync.WaitGroup
	// mu guards cancels.
	mu      sync.Mutex
	cancels []context.CancelFunc
}

// Select finds the series and starts to read their samples. With hints.Func "series" no samples are read.
func (q *querier) Select(ctx context.Context, _ bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	minMS, maxMS := q.minMS, q.maxMS
	if hints != nil {
		minMS, maxMS = hints.Start, hints.End
	}
	ctx, cancel := context.WithCancel(ctx)
	q.mu.Lock()
	q.cancels = append(q.cancels, cancel)
	q.mu.Unlock()
	set := &seriesSet{done: make(chan struct{})}
	q.loads.Go(func() {
		defer close(set.done)
		set.err = q.load(ctx, set, minMS, maxMS, hints, matchers)
	})
	return set
}

func (q *querier) load(ctx context.Context, set *seriesSet, minMS, maxMS int64, hints *storage.SelectHints, matchers []*labels.Matcher) error {
	found, err := q.store.find(ctx, reqctx.Tenant(ctx), matchers, time.UnixMilli(minMS))
	if err != nil {
		return err
	}
	set.series, set.minMS, set.maxMS = found.series, minMS, maxMS
	if hints != nil && hints.Limit > 0 && len(set.series) > hints.Limit {
		set.series = set.series[:hints.Limit]
		set.warnings.Add(errTruncated)
	}
	if hints != nil && hints.Func == "series" {
		return nil
	}
	set.samples, err = q.store.readSamples(ctx, reqctx.Tenant(ctx), found, minMS, maxMS)
	return err
}

// LabelValues returns the values of a label of matching series in order.
func (q *querier) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	limit := q.store.labelLimit(hints)
	values, err := q.store.reader.LabelValues(ctx, reqctx.Tenant(ctx), name, toMatchers(matchers), time.UnixMilli(q.minMS), limit+1)
	return truncate(values, limit, err)
}

// LabelNames returns the label names of matching series in order.
func (q *querier) LabelNames(ctx context.Context, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	limit := q.store.labelLimit(hints)
	names, err := q.store.reader.LabelNames(ctx, reqctx.Tenant(ctx), toMatchers(matchers), time.UnixMilli(q.minMS), limit+1)
	if err == nil && len(names) > 0 {
		names = insertSorted(names, model.LabelName)
	}
	return truncate(names, limit, err)
}

// Close stops what still loads and waits for it.
func (q *querier) Close() error {
	q.mu.Lock()
	for _, cancel := range q.cancels {
		cancel()
	}
	q.mu.Unlock()
	q.loads.Wait()
	return nil
}

func (s *Store) labelLimit(hints *storage.LabelHints) int {
	if hints != nil && hints.Limit > 0 {
		return min(hints.Limit, s.cfg.MaxSeries)
	}
	return s.cfg.MaxSeries
}
