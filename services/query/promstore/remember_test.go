package promstore

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
)

// remembering reads the samples of a set of series from the tables once, of all times, and answers from them for every part of that time:
// Prometheus' tests ask for the same few series ten thousand times, a dozen milliseconds each. Packed blocks reach beyond the time asked
// for anyway, so the iterator clips them as it does those of the tables; histograms are clipped here, as the statement does.
type remembering struct {
	Reader
	// mu guards what follows.
	mu         sync.Mutex
	samples    map[string][]clickhouse.Chunk
	histograms map[string][]model.HistogramSample
	native     *bool
}

func keyOf(q *clickhouse.SampleQuery) string { return fmt.Sprint(q.Tenant, q.Metrics, q.IDs, q.All) }

func ofAllTime(q clickhouse.SampleQuery) clickhouse.SampleQuery {
	q.MinMS, q.MaxMS = math.MinInt64, math.MaxInt64
	return q
}

func (r *remembering) Samples(ctx context.Context, q clickhouse.SampleQuery, f func(clickhouse.Chunk) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	chunks, ok := r.samples[keyOf(&q)]
	if !ok {
		err := r.Reader.Samples(ctx, ofAllTime(q), func(c clickhouse.Chunk) error {
			chunks = append(chunks, c)
			return nil
		})
		if err != nil {
			return err
		}
		if r.samples == nil {
			r.samples = map[string][]clickhouse.Chunk{}
		}
		r.samples[keyOf(&q)] = chunks
	}
	for _, c := range chunks {
		if err := f(c); err != nil {
			return err
		}
	}
	return nil
}

func (r *remembering) Histograms(ctx context.Context, q clickhouse.SampleQuery, f func(model.HistogramSample) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	hs, ok := r.histograms[keyOf(&q)]
	if !ok {
		err := r.Reader.Histograms(ctx, ofAllTime(q), func(h model.HistogramSample) error {
			hs = append(hs, h)
			return nil
		})
		if err != nil {
			return err
		}
		if r.histograms == nil {
			r.histograms = map[string][]model.HistogramSample{}
		}
		r.histograms[keyOf(&q)] = hs
	}
	for _, h := range hs {
		if h.TimeMS < q.MinMS || h.TimeMS > q.MaxMS {
			continue
		}
		if err := f(h); err != nil {
			return err
		}
	}
	return nil
}

func (r *remembering) HasHistograms(ctx context.Context, tenant model.TenantID) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.native == nil {
		yes, err := r.Reader.HasHistograms(ctx, tenant)
		if err != nil {
			return false, err
		}
		r.native = &yes
	}
	return *r.native, nil
}
