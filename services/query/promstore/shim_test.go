package promstore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse/chtest"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

// tables is a storage over the real tables for Prometheus' own tests: it appends as the gateway and the writer do, as a tenant of its
// own, so that storages of one engine do not see each other.
type tables struct {
	storage.Storage // panics for what the tests do not use
	*Store
	db     chtest.Databases
	tenant model.TenantID
	// pack says that samples are packed before they are read.
	pack bool
}

// lastTenant counts storages; batches of all of them count on.
var lastTenant, lastBatch atomic.Uint32

func newTables(tb testing.TB, db chtest.Databases, pack bool) *tables {
	tb.Helper()
	return &tables{
		db: db, Store: newStore(db), tenant: model.TenantID(lastTenant.Add(1)), pack: pack,
	}
}

func newStore(db chtest.Databases) *Store {
	return New(Config{SeriesTTL: time.Hour}, clickhouse.NewMetricReader(db.Reader), nil, time.Now)
}

func (s *tables) Close() error { return nil }

// Querier reads as the storage's tenant.
func (s *tables) Querier(minMS, maxMS int64) (storage.Querier, error) {
	q, err := s.Store.Querier(minMS, maxMS)
	return tenantQuerier{q, s.tenant}, err
}

type tenantQuerier struct {
	storage.Querier
	tenant model.TenantID
}

func (q tenantQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	return q.Querier.Select(reqctx.WithIdentity(ctx, reqctx.Identity{User: "test", Tenant: q.tenant}), sorted, hints, ms...)
}

func (s *tables) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return &appender{ctx: ctx, to: s, batch: &model.Metrics{Header: model.Header{Origin: model.Origin{Tenant: s.tenant}, ReceivedAtMS: time.Now().UnixMilli()}}}
}

type appender struct {
	ctx   context.Context
	to    *tables
	batch *model.Metrics
}

func (a *appender) Append(_ storage.SeriesRef, ls labels.Labels, _, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, _ storage.AppendV2Options) (storage.SeriesRef, error) {
	s := model.Series{ID: ls.Hash(), Name: ls.Get(model.LabelName)}
	s.MetricID = model.MetricID(s.Name)
	ls.Range(func(l labels.Label) {
		if l.Name != model.LabelName {
			s.Labels = append(s.Labels, model.Label{Name: l.Name, Value: l.Value})
		}
	})
	a.batch.Announced = append(a.batch.Announced, s)
	if h != nil {
		fh = h.ToFloat(nil)
	}
	if fh != nil {
		a.batch.Histograms = append(a.batch.Histograms, model.HistogramSample{
			MetricID: s.MetricID, SeriesID: s.ID, TimeMS: t, Stale: clickhouse.IsStale(fh.Sum), Schema: fh.Schema, ZeroThreshold: fh.ZeroThreshold,
			ZeroCount: fh.ZeroCount, Count: fh.Count, Sum: fh.Sum, PositiveSpans: flat(fh.PositiveSpans), PositiveBuckets: fh.PositiveBuckets,
			NegativeSpans: flat(fh.NegativeSpans), NegativeBuckets: fh.NegativeBuckets, CustomValues: fh.CustomValues, Float: h == nil, ResetHint: uint8(fh.CounterResetHint),
		})
		return 1, nil
	}
	if clickhouse.IsStale(v) {
		a.batch.Stale = append(a.batch.Stale, uint32(len(a.batch.Values)))
		v = 0
	}
	a.batch.MetricIDs = append(a.batch.MetricIDs, s.MetricID)
	a.batch.SeriesIDs = append(a.batch.SeriesIDs, s.ID)
	a.batch.TimesMS = append(a.batch.TimesMS, t)
	a.batch.Values = append(a.batch.Values, v)
	return 1, nil
}

func flat(spans []histogram.Span) []int32 {
	var out []int32
	for _, s := range spans {
		out = append(out, s.Offset, int32(s.Length))
	}
	return out
}

func (a *appender) Commit() error {
	if a.batch.Len() == 0 {
		return nil
	}
	if err := a.to.db.Admin.InsertMetrics(a.ctx, fmt.Sprintf("batch-%d", lastBatch.Add(1)), []*model.Metrics{a.batch}); err != nil {
		return err
	}
	a.to.Store = newStore(a.to.db) // what was found before is old now
	if !a.to.pack {
		return nil
	}
	_, err := a.to.db.Admin.Pack(a.ctx, time.Now().Add(time.Hour))
	return err
}

func (a *appender) Rollback() error { return errors.New("the tests do not roll back") }
