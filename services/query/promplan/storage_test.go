package promplan

import (
	"context"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/teststorage"
)

// floatStorage is Prometheus' own storage with series that decode in bulk, so that plans run over it.
type floatStorage struct{ storage.Storage }

func newFloatStorage(tb testing.TB) storage.Storage {
	return floatStorage{teststorage.New(tb)}
}

func (s floatStorage) Querier(minMS, maxMS int64) (storage.Querier, error) {
	q, err := s.Storage.Querier(minMS, maxMS)
	return floatQuerier{q}, err
}

type floatQuerier struct{ storage.Querier }

func (q floatQuerier) Select(ctx context.Context, _ bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	set := q.Querier.Select(ctx, true, hints, ms...)
	if hints == nil {
		return floatSet{set, 0, 1 << 62}
	}
	return floatSet{set, hints.Start, hints.End}
}

type floatSet struct {
	storage.SeriesSet
	minMS, maxMS int64
}

// At decodes at once, since series of one querier of Prometheus' cannot be read by several goroutines.
func (s floatSet) At() storage.Series {
	out := &floatSeries{Series: s.SeriesSet.At(), ok: true}
	it := out.Series.Iterator(nil)
	for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
		if kind != chunkenc.ValFloat {
			out.ok = false
			return out
		}
		if t, v := it.At(); t >= s.minMS && t <= s.maxMS {
			out.times, out.values = append(out.times, t), append(out.values, v)
		}
	}
	out.err = it.Err()
	return out
}

type floatSeries struct {
	storage.Series
	times  []int64
	values []float64
	ok     bool
	err    error
}

// sliceIterator has nothing to walk: it holds memory and an error.
type sliceIterator struct {
	chunkenc.Iterator
	times  []int64
	values []float64
	err    error
}

func (it *sliceIterator) Err() error { return it.err }

func (s *floatSeries) Floats(reuse chunkenc.Iterator) (chunkenc.Iterator, []int64, []float64, bool) {
	out, ok := reuse.(*sliceIterator)
	if !ok {
		out = &sliceIterator{}
	}
	out.times, out.values = out.times[:0], out.values[:0]
	out.times, out.values, out.err = append(out.times, s.times...), append(out.values, s.values...), s.err
	return out, out.times, out.values, s.ok
}

var _ FloatSeries = (*floatSeries)(nil)
