// Package patterns keeps the dictionary of log templates: it looks at the shapes that the store has counted, lets package template find
// what they belong to, and stores that. What it knows is in the tables, so a restart goes on where it was; it sees every shape, since the
// store counts them when lines are inserted, and it costs the way of the data nothing.
package patterns

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/cespare/xxhash/v2"

	"github.com/faultline-io/faultline/services/correlator/template"
	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
)

// Store is where shapes come from and templates go to.
type Store interface {
	LogShapes(ctx context.Context, since time.Time, limit int, f func(clickhouse.LogShape)) error
	InsertLogTemplates(ctx context.Context, token string, at time.Time, rows []clickhouse.LogTemplate) error
}

var _ Store = (*clickhouse.DB)(nil)

// Config is what a user may set.
type Config struct {
	// Every is how often new shapes are looked for.
	Every time.Duration
	// Overlap is how far back each look goes: longer than an insert may take and than the clocks of writer and store may differ.
	Overlap time.Duration
	Miner   template.Config
}

// Default returns the settings of the all-in-one.
func Default() Config {
	return Config{Every: 10 * time.Second, Overlap: 2 * time.Minute, Miner: template.Default()}
}

// Deps is what code passes in.
type Deps struct {
	Store   Store
	Log     *slog.Logger
	Metrics *metrics.Set
	Clock   func() time.Time
}

// Keeper is the service.
type Keeper struct {
	cfg   Config
	deps  Deps
	miner *template.Miner
	// known are all shapes with what is stored of them.
	known map[shapeKey]stored
	// looked is when the last complete look began; zero before the first.
	looked time.Time
}

// stored is what the table says of a shape: the id of its template and the hash of its text.
type stored struct {
	id, text uint64
}

type shapeKey struct {
	tenant  model.TenantID
	service string
	shape   uint64
}

var _ app.Service = (*Keeper)(nil)

// New returns a keeper that knows nothing yet.
func New(cfg Config, deps Deps) *Keeper {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Metrics == nil {
		deps.Metrics = metrics.NewSet()
	}
	if deps.Clock == nil {
		deps.Clock = time.Now
	}
	return &Keeper{cfg: cfg, deps: deps, miner: template.New(cfg.Miner), known: map[shapeKey]stored{}}
}

// Name returns the name of the service.
func (k *Keeper) Name() string { return "log-patterns" }

// Run looks for new shapes until ctx ends. A store that does not answer is asked again at the next look.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(k.cfg.Every)
	defer tick.Stop()
	for {
		if err := k.Look(ctx); err != nil && ctx.Err() == nil {
			k.deps.Log.WarnContext(ctx, "log templates not brought up to date", slog.Any("error", err))
			k.deps.Metrics.GetOrCreateCounter("faultline_correlator_pattern_errors_total").Inc()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Look reads the shapes that came since the last look and stores what templates they belong to.
func (k *Keeper) Look(ctx context.Context) error {
	began := k.deps.Clock()
	since := time.Unix(0, 0)
	if !k.looked.IsZero() {
		since = k.looked.Add(-k.cfg.Overlap)
	}
	fresh := 0
	err := k.deps.Store.LogShapes(ctx, since, k.cfg.Miner.MaxShapes, func(s clickhouse.LogShape) {
		key := shapeKey{s.Tenant, s.Service, s.Shape}
		if _, ok := k.known[key]; ok || len(k.known) >= k.cfg.Miner.MaxShapes {
			return
		}
		fresh++
		k.known[key] = stored{s.Template, s.Text}
		k.miner.Adopt(scope(key), s.Shape, s.Template, s.Example)
	})
	if err != nil {
		return fmt.Errorf("read log shapes: %w", err)
	}
	k.looked = began
	if fresh > 0 {
		k.deps.Metrics.GetOrCreateCounter("faultline_correlator_log_shapes_total").Add(fresh)
		return k.store(ctx, began)
	}
	return nil
}

// scope is what templates are shared within.
func scope(k shapeKey) string { return strconv.FormatUint(uint64(k.tenant), 10) + "\x00" + k.service }

// batchRows bounds one insert.
const batchRows = 10_000

// store writes the shapes whose template is new, has become part of another, or has more slots than before. What fails is written at the next look, since known is only
// changed after.
func (k *Keeper) store(ctx context.Context, at time.Time) error {
	var rows []clickhouse.LogTemplate
	flush := func() error {
		if len(rows) == 0 {
			return nil
		}
		token := fmt.Sprintf("templates:%d:%x:%d", at.UnixNano(), rows[0].Shape, len(rows))
		if err := k.deps.Store.InsertLogTemplates(ctx, token, at, rows); err != nil {
			return fmt.Errorf("store log templates: %w", err)
		}
		for _, r := range rows {
			k.known[shapeKey{r.Tenant, r.Service, r.Shape}] = stored{r.Template, xxhash.Sum64String(r.Text)}
		}
		rows = rows[:0]
		return nil
	}
	texts := map[*template.Template]string{}
	for key, have := range k.known {
		t := k.miner.Find(scope(key), key.shape)
		if t == nil {
			continue // There was no room for it.
		}
		text, ok := texts[t]
		if !ok {
			text = t.String()
			texts[t] = text
		}
		if have == (stored{t.ID, xxhash.Sum64String(text)}) {
			continue
		}
		rows = append(rows, clickhouse.LogTemplate{Tenant: key.tenant, Service: key.service, Shape: key.shape, Template: t.ID, Text: text})
		if len(rows) == batchRows {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}
