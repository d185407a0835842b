package promstore

import (
	"context"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// Chunked is a store for readers that take Prometheus' chunks (remote read): they are encoded anew, since ours have another form.
type Chunked struct{ *Store }

var _ storage.SampleAndChunkQueryable = Chunked{}

// ChunkQuerier returns a querier over chunks of samples from minMS to maxMS.
func (c Chunked) ChunkQuerier(minMS, maxMS int64) (storage.ChunkQuerier, error) {
	q, err := c.Querier(minMS, maxMS)
	return chunkQuerier{q}, err
}

type chunkQuerier struct{ storage.Querier }

func (q chunkQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.ChunkSeriesSet {
	return storage.NewSeriesSetToChunkSet(q.Querier.Select(ctx, sorted, hints, matchers...))
}
