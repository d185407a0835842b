// Package warm reads metrics as the store does and keeps in memory what will be asked for again: the series of metrics, and packed blocks
// of samples. Neither ever changes; what may change is what there is beside them, and that is seen from the table's parts before each
// answer, so an answer from memory is the one that the tables would give.
//
// It is not a cache of answers, holds nothing that has not been packed yet, and works over a single server only; over a cluster every
// question goes to the tables. Cost: a look at the parts a question (a millisecond or two), and the memory that the configuration allows.
package warm

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/migrations"
	"github.com/faultline-io/faultline/services/model"
)

// Config bounds the memory.
type Config struct {
	// BlockBytes is about how much memory packed blocks may take; 0 keeps none.
	BlockBytes int
	// Series is how many series may be kept.
	Series int
}

// Default returns the bounds of the all-in-one. 128 MiB hold an hour of 65,000 series in live blocks several times over.
func Default() Config { return Config{BlockBytes: 128 << 20, Series: 200_000} }

// Deps is what code passes in.
type Deps struct {
	// Tables answers what is not in memory.
	Tables *clickhouse.MetricReader
	// System may see the tables' parts; nil keeps nothing in memory.
	System *clickhouse.DB
	Log    *slog.Logger
	Now    func() time.Time
}

// Reader reads series and samples. It is safe for concurrent use.
type Reader struct {
	*clickhouse.MetricReader
	cfg    Config
	deps   Deps
	blocks *blocks
	index  *index
	// mu guards what follows.
	mu sync.Mutex
	// moment is the last look at the parts, begun at seen.
	moment *clickhouse.MetricParts
	seen   time.Time
	// pasts are by tenant.
	pasts map[model.TenantID]past
	// coldUntil is when the parts are looked at again after they could not be.
	coldUntil time.Time
}

// New returns a reader.
func New(cfg Config, deps Deps) *Reader {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	return &Reader{MetricReader: deps.Tables, cfg: cfg, deps: deps, blocks: newBlocks(cfg.BlockBytes), index: newIndex(cfg.Series)}
}

// momentTTL is how long a look at the parts answers for: what is stored is seen this much later at most.
const momentTTL = 100 * time.Millisecond

// coldTime is how long memory is left alone after the parts could not be looked at: a right that is missing will not come soon.
const coldTime = time.Minute

// off reports whether nothing may be answered from memory.
func (r *Reader) off() bool {
	if r.cfg.BlockBytes <= 0 || r.deps.System == nil || strings.HasSuffix(r.deps.Tables.Database(), migrations.DistributedSuffix) {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.deps.Now().Before(r.coldUntil)
}

// lately returns a look at the parts that is a tenth of a second old at most.
func (r *Reader) lately(ctx context.Context) (*clickhouse.MetricParts, error) {
	r.mu.Lock()
	m, age := r.moment, r.deps.Now().Sub(r.seen)
	r.mu.Unlock()
	if m != nil && age >= 0 && age < momentTTL {
		return m, nil
	}
	return r.fresh(ctx)
}

// utc are the names of the time zone in which the server must cut its days for ours to be the same.
var utc = []string{"UTC", "Etc/UTC", "Universal", "Zulu", "Etc/Universal", "Etc/Zulu", "UCT", "Etc/UCT"}

// fresh looks at the parts now. nil without an error means that memory cannot be used.
func (r *Reader) fresh(ctx context.Context) (*clickhouse.MetricParts, error) {
	began := r.deps.Now()
	m, err := r.deps.System.MetricParts(ctx)
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	statsOf(ctx).statement()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || (m.Zone != "" && !slices.Contains(utc, m.Zone)) {
		r.coldUntil = r.deps.Now().Add(coldTime)
		r.deps.Log.WarnContext(ctx, "metrics are read without memory of earlier queries", slog.Any("error", err))
		return nil, nil
	}
	if began.After(r.seen) {
		r.moment, r.seen = m, began
	}
	return m, nil
}

// HasHistograms reports whether a tenant has native histograms, without a question where nobody has.
func (r *Reader) HasHistograms(ctx context.Context, tenant model.TenantID) (bool, error) {
	if !r.off() {
		m, err := r.lately(ctx)
		if err != nil {
			return false, err
		}
		if m != nil && !m.Histograms {
			return false, nil
		}
	}
	return r.MetricReader.HasHistograms(ctx, tenant)
}
