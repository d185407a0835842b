package promstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
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
	// place is where and how samples are stored and read.
	place place
}

// place is one form of the tables. All forms have to give the same answers.
type place struct {
	// shards are where series are written, by id.
	shards []*clickhouse.DB
	reader *clickhouse.DB
	// packed says that samples are packed before they are read, one packing at a time.
	packed *sync.Mutex
	// remember reads each selector's samples from the tables once, over all of time, instead of once a query.
	remember bool
}

// lastTenant counts storages; batches of all of them count on.
var lastTenant, lastBatch atomic.Uint32

func newTables(tb testing.TB, db chtest.Databases, pack bool) *tables {
	tb.Helper()
	p := place{shards: []*clickhouse.DB{db.Admin}, reader: db.Reader}
	if pack {
		p.packed = &sync.Mutex{}
	}
	s := p.storage()
	s.db = db
	return s
}

// storage returns an empty storage.
func (p place) storage() *tables {
	s := &tables{tenant: model.TenantID(lastTenant.Add(1)), place: p}
	s.forget()
	return s
}

func newStore(db chtest.Databases) *Store { return newStoreOver(clickhouse.NewMetricReader(db.Reader)) }

func newStoreOver(r Reader) *Store { return New(Config{SeriesTTL: time.Hour}, r, nil, time.Now) }

// forget makes what was found and read before old.
func (s *tables) forget() {
	var r Reader = clickhouse.NewMetricReader(s.place.reader)
	if s.place.remember {
		r = &remembering{Reader: r}
	}
	s.Store = newStoreOver(r)
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
	for i, m := range split(a.batch, len(a.to.place.shards)) {
		if err := a.to.place.shards[i].InsertMetrics(a.ctx, fmt.Sprintf("batch-%d", lastBatch.Add(1)), []*model.Metrics{m}); err != nil {
			return err
		}
	}
	a.to.forget()
	if a.to.place.packed == nil {
		return nil
	}
	a.to.place.packed.Lock()
	defer a.to.place.packed.Unlock()
	for _, db := range a.to.place.shards {
		if _, err := db.Pack(a.ctx, time.Now().Add(time.Hour)); err != nil {
			return err
		}
	}
	return nil
}

// split spreads a batch over shards by series, as their table key does.
func split(m *model.Metrics, shards int) []*model.Metrics {
	if shards == 1 {
		return []*model.Metrics{m}
	}
	out := make([]*model.Metrics, shards)
	for i := range out {
		out[i] = &model.Metrics{Header: m.Header}
	}
	of := func(id uint64) *model.Metrics { return out[id%uint64(shards)] }
	for _, s := range m.Announced {
		to := of(s.ID)
		to.Announced = append(to.Announced, s)
	}
	for _, h := range m.Histograms {
		to := of(h.SeriesID)
		to.Histograms = append(to.Histograms, h)
	}
	for i, id := range m.SeriesIDs {
		to := of(id)
		if slices.Contains(m.Stale, uint32(i)) {
			to.Stale = append(to.Stale, uint32(len(to.Values)))
		}
		to.MetricIDs, to.SeriesIDs = append(to.MetricIDs, m.MetricIDs[i]), append(to.SeriesIDs, id)
		to.TimesMS, to.Values = append(to.TimesMS, m.TimesMS[i]), append(to.Values, m.Values[i])
	}
	return out
}

func (a *appender) Rollback() error { return errors.New("the tests do not roll back") }
