package promplan

import (
	"context"
	"sort"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/faultline-io/faultline/services/model"
)

// answer returns a result that is the whole query's.
func (q *query) answer(stmt *parser.EvalStmt, r *result) *promql.Result {
	res := &promql.Result{Warnings: r.notes}
	if stmt.Interval == 0 && stmt.Start.Equal(stmt.End) {
		vector := make(promql.Vector, len(r.labels))
		for i, ls := range r.labels {
			vector[i] = promql.Sample{Metric: ls, T: r.grid.start, F: r.rows[i][0]}
		}
		res.Value = vector
		return res
	}
	matrix := make(promql.Matrix, len(r.labels))
	for i, ls := range r.labels {
		matrix[i] = promql.Series{Metric: ls, Floats: r.points(i)}
	}
	sort.Sort(matrix)
	res.Value = matrix
	return res
}

// knownParts is a storage in which the results of parts are series too. A part is found by the identity of its matcher, which only this
// package can make: nothing that a query says can name it.
type knownParts struct {
	storage.Queryable
	results map[*labels.Matcher]*result
}

// add returns a selector that stands for a result.
func (k *knownParts) add(p *part, r *result) parser.Expr {
	m := &labels.Matcher{Type: labels.MatchEqual, Name: model.LabelName, Value: "part of the plan"}
	if k.results == nil {
		k.results = map[*labels.Matcher]*result{}
	}
	k.results[m] = r
	return &parser.VectorSelector{LabelMatchers: []*labels.Matcher{m}, PosRange: p.expr.PositionRange()}
}

// Querier implements storage.Queryable.
func (k *knownParts) Querier(minMS, maxMS int64) (storage.Querier, error) {
	q, err := k.Queryable.Querier(minMS, maxMS)
	if err != nil || len(k.results) == 0 {
		return q, err
	}
	return &knownQuerier{q, k.results}, nil
}

type knownQuerier struct {
	storage.Querier
	results map[*labels.Matcher]*result
}

// Select returns the series of a part, or those of the storage.
func (q *knownQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	if len(matchers) == 1 {
		if r, ok := q.results[matchers[0]]; ok {
			return &knownSet{result: r, at: -1}
		}
	}
	return q.Querier.Select(ctx, sorted, hints, matchers...)
}

type knownSet struct {
	result *result
	at     int
}

var _ storage.SeriesSet = (*knownSet)(nil)

// Next moves to the next series.
func (s *knownSet) Next() bool {
	s.at++
	return s.at < len(s.result.labels)
}

// At returns the current series.
func (s *knownSet) At() storage.Series { return &knownSeries{s.result, s.at} }

// Err returns nil: everything is there.
func (s *knownSet) Err() error { return nil }

// Warnings returns nil: they are with the result.
func (s *knownSet) Warnings() annotations.Annotations { return nil }

type knownSeries struct {
	result *result
	at     int
}

// Labels returns the labels of the series.
func (s *knownSeries) Labels() labels.Labels { return s.result.labels[s.at] }

// Iterator walks the values; where one is missing there is a staleness marker, so that the one before it does not last.
func (s *knownSeries) Iterator(reuse chunkenc.Iterator) chunkenc.Iterator {
	it, ok := reuse.(*knownIterator)
	if !ok {
		it = &knownIterator{}
	}
	*it = knownIterator{grid: s.result.grid, row: s.result.rows[s.at], at: -1}
	return it
}

type knownIterator struct {
	grid grid
	row  []float64
	at   int
}

var _ chunkenc.Iterator = (*knownIterator)(nil)

// Next moves to the next value.
func (it *knownIterator) Next() chunkenc.ValueType {
	if it.at < len(it.row) {
		it.at++
	}
	return it.kind()
}

func (it *knownIterator) kind() chunkenc.ValueType {
	if it.at >= len(it.row) {
		return chunkenc.ValNone
	}
	return chunkenc.ValFloat
}

// Seek moves to the first value at or after t, never back.
func (it *knownIterator) Seek(t int64) chunkenc.ValueType {
	i := max((t-it.grid.start+it.grid.step-1)/it.grid.step, 0)
	if t < it.grid.start {
		i = 0
	}
	it.at = max(it.at, int(min(i, int64(len(it.row)))))
	return it.kind()
}

// At returns the current value.
func (it *knownIterator) At() (int64, float64) { return it.AtT(), it.row[it.at] }

// AtT returns the time of the current value.
func (it *knownIterator) AtT() int64 { return it.grid.start + int64(it.at)*it.grid.step }

// AtST returns 0: there are no start times.
func (it *knownIterator) AtST() int64 { return 0 }

// AtHistogram must not be called: there are floats only.
func (it *knownIterator) AtHistogram(*histogram.Histogram) (int64, *histogram.Histogram) {
	panic("BUG: AtHistogram on a series of floats")
}

// AtFloatHistogram must not be called: there are floats only.
func (it *knownIterator) AtFloatHistogram(*histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	panic("BUG: AtFloatHistogram on a series of floats")
}

// Err returns nil.
func (it *knownIterator) Err() error { return nil }
