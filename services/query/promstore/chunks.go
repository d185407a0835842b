package promstore

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"
	"golang.org/x/sync/errgroup"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
)

// table holds rows of many series: those of series i are list[start[i]:start[i+1]].
type table[T any] struct {
	list  []T
	start []int32
}

func (t *table[T]) of(i int) []T { return t.list[t.start[i]:t.start[i+1]] }

// group sorts rows by owner, keeping their order within one: a counting sort.
func group[T any](rows []T, owners []int32, series int) table[T] {
	t := table[T]{list: make([]T, len(rows)), start: make([]int32, series+1)}
	for _, o := range owners {
		t.start[o+1]++
	}
	for i := range series {
		t.start[i+1] += t.start[i]
	}
	next := slices.Clone(t.start)
	for i, o := range owners {
		t.list[next[o]] = rows[i]
		next[o]++
	}
	return t
}

// samples are the samples of a selector, still encoded.
type samples struct {
	chunks     table[clickhouse.Chunk]
	histograms table[model.HistogramSample]
}

// of returns the rows of series i. A selector may have chunks, histograms, or both.
func (s *samples) of(i int) (chunks []clickhouse.Chunk, histograms []model.HistogramSample) {
	if len(s.chunks.list) > 0 {
		chunks = s.chunks.of(i)
	}
	if len(s.histograms.list) > 0 {
		histograms = s.histograms.of(i)
	}
	return chunks, histograms
}

func (s *samples) any(i int) bool {
	chunks, histograms := s.of(i)
	return len(chunks)+len(histograms) > 0
}

// readSamples reads the samples of found from minMS to maxMS.
func (s *Store) readSamples(ctx context.Context, tenant model.TenantID, found *foundSeries, minMS, maxMS int64) (*samples, error) {
	if len(found.series) == 0 {
		return nil, nil
	}
	q := found.query(tenant, minMS, maxMS)
	native, err := s.native.has(ctx, s, tenant)
	if err != nil {
		return nil, err
	}
	out := &samples{}
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return s.readChunks(ctx, q, found, out) })
	if native {
		both.Go(func() error { return s.readHistograms(ctx, q, found, out) })
	}
	return out, both.Wait()
}

func (s *Store) readChunks(ctx context.Context, q clickhouse.SampleQuery, found *foundSeries, out *samples) error {
	var chunks []clickhouse.Chunk
	var owners []int32
	n := 0
	err := s.reader.Samples(ctx, q, func(c clickhouse.Chunk) error {
		i, ok := found.index[c.SeriesID]
		if !ok {
			return nil
		}
		if n += int(c.Samples); n > s.cfg.MaxSamples {
			return s.tooMany()
		}
		chunks = append(chunks, c)
		owners = append(owners, i)
		return nil
	})
	out.chunks = group(chunks, owners, len(found.series))
	return err
}

func (s *Store) readHistograms(ctx context.Context, q clickhouse.SampleQuery, found *foundSeries, out *samples) error {
	q.MinMS -= histogramLead.Milliseconds()
	var rows []model.HistogramSample
	var owners []int32
	err := s.reader.Histograms(ctx, q, func(h model.HistogramSample) error {
		i, ok := found.index[h.SeriesID]
		if !ok {
			return nil
		}
		if len(rows) > s.cfg.MaxSamples/histogramWeight {
			return s.tooMany()
		}
		rows = append(rows, h)
		owners = append(owners, i)
		return nil
	})
	out.histograms = group(rows, owners, len(found.series))
	return err
}

// histogramLead is how much earlier histograms are read, to have the sample before the first one: any sample that is not stale at the
// start is within it.
const histogramLead = 5 * time.Minute

// histogramWeight is how many float samples a histogram counts for in the limits: about its size in memory.
const histogramWeight = 50

func (s *Store) tooMany() error {
	return errs.WithHint(errs.Exhausted, "ask for a shorter time or fewer series, or raise query.max_samples",
		"query.max_samples: the selector reads more than %d samples", s.cfg.MaxSamples)
}

// seriesSet walks the series of a selector once they are loaded.
type seriesSet struct {
	done         chan struct{}
	err          error
	warnings     annotations.Annotations
	series       []entry
	samples      *samples
	minMS, maxMS int64
	next         int
}

var _ storage.SeriesSet = (*seriesSet)(nil)

// Next waits for the load and moves on. Series without samples in the time asked for are passed over.
func (s *seriesSet) Next() bool {
	<-s.done
	if s.err != nil {
		return false
	}
	for s.next < len(s.series) {
		s.next++
		if s.samples == nil || s.samples.any(s.next-1) {
			return true
		}
	}
	return false
}

func (s *seriesSet) At() storage.Series {
	i := s.next - 1
	out := &series{labels: s.series[i].labels, minMS: s.minMS, maxMS: s.maxMS}
	if s.samples != nil {
		out.chunks, out.histograms = s.samples.of(i)
	}
	return out
}

func (s *seriesSet) Err() error {
	<-s.done
	return s.err
}

func (s *seriesSet) Warnings() annotations.Annotations {
	<-s.done
	return s.warnings
}

// series is one series with its samples still encoded.
type series struct {
	labels       labels.Labels
	chunks       []clickhouse.Chunk
	histograms   []model.HistogramSample
	minMS, maxMS int64
}

var _ storage.Series = (*series)(nil)

func (s *series) Labels() labels.Labels { return s.labels }

// Iterator decodes the samples; an iterator of ours that is handed back lends its memory.
func (s *series) Iterator(reuse chunkenc.Iterator) chunkenc.Iterator {
	it, ok := reuse.(*iterator)
	if !ok {
		it = &iterator{}
	}
	it.reset(s)
	return it
}
