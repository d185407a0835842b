package promstore

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

// maxExemplars bounds an answer: a panel draws them as dots, and more than this are a smear.
const maxExemplars = 10_000

// ExemplarReader is what exemplars ask of the tables.
type ExemplarReader interface {
	Exemplars(ctx context.Context, q clickhouse.SampleQuery, limit int) ([]model.Exemplar, error)
}

// Exemplars returns the exemplars of the series that match any of the sets, the newest when there are more than the answer may hold,
// by series and time; cut says that there are more. The tenant is that of ctx.
func (s *Store) Exemplars(ctx context.Context, r ExemplarReader, minMS, maxMS int64, sets ...[]*labels.Matcher) (out []exemplar.QueryResult, cut bool, err error) {
	tenant := reqctx.Tenant(ctx)
	byLabels := map[string]int{}
	for _, matchers := range sets {
		found, err := s.find(ctx, tenant, matchers, time.UnixMilli(minMS))
		if err != nil {
			return nil, false, err
		}
		if len(found.series) == 0 {
			continue
		}
		rows, err := r.Exemplars(ctx, found.query(tenant, minMS, maxMS), maxExemplars+1)
		if err != nil {
			return nil, false, err
		}
		if len(rows) > maxExemplars {
			rows, cut = rows[:maxExemplars], true
		}
		out = addExemplars(out, byLabels, found, rows)
	}
	for i := range out {
		es := out[i].Exemplars
		slices.SortStableFunc(es, exemplar.Compare)
		out[i].Exemplars = slices.CompactFunc(es, func(a, b exemplar.Exemplar) bool { return a.Equals(b) })
	}
	slices.SortFunc(out, func(a, b exemplar.QueryResult) int { return labels.Compare(a.SeriesLabels, b.SeriesLabels) })
	return out, cut, nil
}

// addExemplars puts rows to their series; byLabels says where in out a series is.
func addExemplars(out []exemplar.QueryResult, byLabels map[string]int, found *foundSeries, rows []model.Exemplar) []exemplar.QueryResult {
	var b labels.ScratchBuilder
	for i := range rows {
		e := &rows[i]
		at, ok := found.index[e.SeriesID]
		if !ok {
			continue
		}
		ls := found.series[at].labels
		key := ls.String()
		to, ok := byLabels[key]
		if !ok {
			to = len(out)
			byLabels[key] = to
			out = append(out, exemplar.QueryResult{SeriesLabels: ls})
		}
		b.Reset()
		for _, l := range e.Labels {
			b.Add(l.Name, l.Value)
		}
		b.Sort()
		out[to].Exemplars = append(out[to].Exemplars, exemplar.Exemplar{Labels: b.Labels(), Value: e.Value, Ts: e.TimeMS, HasTs: true})
	}
	return out
}

// query asks for samples or exemplars of the series.
func (f *foundSeries) query(tenant model.TenantID, minMS, maxMS int64) clickhouse.SampleQuery {
	q := clickhouse.SampleQuery{Tenant: tenant, Metrics: f.metrics, All: f.whole, MinMS: minMS, MaxMS: maxMS}
	if !q.All {
		q.IDs = make([]uint64, len(f.series))
		for i, e := range f.series {
			q.IDs[i] = e.id
		}
	}
	return q
}
