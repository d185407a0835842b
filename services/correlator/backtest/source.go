package backtest

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
)

// isStale reports whether a value stands for a staleness marker.
func isStale(v float64) bool { return clickhouse.IsStale(v) }

// Tables reads from the store.
type Tables struct {
	metrics *clickhouse.MetricReader
	changes *clickhouse.ChangeReader
}

var _ Source = (*Tables)(nil)

// NewTables returns a source over db.
func NewTables(db *clickhouse.DB) *Tables {
	return &Tables{metrics: clickhouse.NewMetricReader(db), changes: clickhouse.NewChangeReader(db)}
}

// Series implements Source. Buckets of histograms are left out: the brain does not judge them.
func (t *Tables) Series(ctx context.Context, tenant model.TenantID, fromMS, _ int64, limit int) ([]model.Series, []model.MetricMetadata, error) {
	rows, err := t.metrics.Series(ctx, tenant, nil, time.UnixMilli(fromMS), limit)
	if err != nil {
		return nil, nil, err
	}
	out := make([]model.Series, 0, len(rows))
	for i := range rows {
		r := &rows[i]
		s := model.Series{ID: r.ID, MetricID: r.MetricID, Name: r.Name}
		if err := r.ForEachLabel(func(name, value string) { s.Labels = append(s.Labels, model.Label{Name: name, Value: value}) }); err != nil {
			return nil, nil, err
		}
		slices.SortFunc(s.Labels, func(a, b model.Label) int { return cmp.Compare(a.Name, b.Name) })
		s.ShardHash = model.Hash64(model.EntityOf(s.Name, s.Labels).String())
		out = append(out, s)
	}
	meta, err := t.metrics.Metadata(ctx, tenant, "", limit)
	return out, meta, err
}

// Samples implements Source.
func (t *Tables) Samples(ctx context.Context, tenant model.TenantID, series []model.Series, fromMS, toMS int64, f func(int, []int64, []float64)) error {
	q := clickhouse.SampleQuery{Tenant: tenant, All: true, MinMS: fromMS, MaxMS: toMS - 1}
	place := make(map[uint64]int, len(series))
	metrics := map[uint32]bool{}
	for i := range series {
		place[series[i].ID] = i
		metrics[series[i].MetricID] = true
	}
	for m := range metrics {
		q.Metrics = append(q.Metrics, m)
	}
	slices.Sort(q.Metrics)
	if len(q.Metrics) == 0 {
		return nil
	}
	chunks := make([][]clickhouse.Chunk, len(series))
	err := t.metrics.Samples(ctx, q, func(c clickhouse.Chunk) error {
		if i, ok := place[c.SeriesID]; ok {
			chunks[i] = append(chunks[i], c)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var w window
	for i := range chunks {
		if err := w.read(chunks[i], fromMS, toMS); err != nil {
			return err
		}
		if len(w.times) > 0 {
			f(i, w.times, w.values)
		}
	}
	return nil
}

// Changes implements Source.
func (t *Tables) Changes(ctx context.Context, tenant model.TenantID, fromMS, toMS int64) ([]model.Change, error) {
	f := clickhouse.ChangeFilter{Tenant: tenant, StartNS: fromMS * 1_000_000, EndNS: toMS * 1_000_000}
	var out []model.Change
	for after := (*clickhouse.ChangeCursor)(nil); ; {
		page, next, err := t.changes.List(ctx, f, after, changePage)
		if err != nil {
			return nil, err
		}
		out = append(out, page...)
		if next == nil || len(out) >= maxChanges {
			return out, nil
		}
		after = next
	}
}

// Changes are read in pages, up to a bound that no month of a fleet reaches.
const (
	changePage = 1000
	maxChanges = 100_000
)

// window puts the chunks of a series in order.
type window struct {
	times  []int64
	values []float64
}

func (w *window) read(chunks []clickhouse.Chunk, fromMS, toMS int64) error {
	w.times, w.values = w.times[:0], w.values[:0]
	var err error
	for i := range chunks {
		if w.times, w.values, err = chunks[i].Append(w.times, w.values); err != nil {
			return err
		}
	}
	if !slices.IsSorted(w.times) {
		w.sort()
	}
	n := 0
	for i, ms := range w.times {
		if ms < fromMS || ms >= toMS || n > 0 && w.times[n-1] == ms {
			continue
		}
		w.times[n], w.values[n] = ms, w.values[i]
		n++
	}
	w.times, w.values = w.times[:n], w.values[:n]
	return nil
}

func (w *window) sort() {
	order := make([]int, len(w.times))
	for i := range order {
		order[i] = i
	}
	// Of two values with one time the one with the lower bits counts, as live.
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(w.times[a], w.times[b]), cmp.Compare(math.Float64bits(w.values[a]), math.Float64bits(w.values[b])))
	})
	times, values := make([]int64, len(order)), make([]float64, len(order))
	for i, at := range order {
		times[i], values[i] = w.times[at], w.values[at]
	}
	w.times, w.values = times, values
}
