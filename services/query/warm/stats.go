package warm

import (
	"context"
	"sync/atomic"
)

// Stats counts what a query took from memory and from the tables.
type Stats struct {
	// Statements is the number of statements that ran.
	Statements atomic.Int64
	// Kept is the number of packed blocks that were in memory already; Read that of those read from the tables.
	Kept, Read atomic.Int64
	// Recent is the number of samples that were not packed yet.
	Recent atomic.Int64
	// Bytes is about how much the samples from the tables take.
	Bytes atomic.Int64
	// SeriesKept and SeriesRead are the numbers of series looked through in memory and in the tables.
	SeriesKept, SeriesRead atomic.Int64
}

type statsKey struct{}

// WithStats returns a context whose questions are counted.
func WithStats(ctx context.Context) (context.Context, *Stats) {
	s := &Stats{}
	return context.WithValue(ctx, statsKey{}, s), s
}

// nobody collects what nobody asked for.
var nobody *Stats

func statsOf(ctx context.Context) *Stats {
	s, ok := ctx.Value(statsKey{}).(*Stats)
	if !ok {
		return nobody
	}
	return s
}

func (s *Stats) statement() {
	if s != nil {
		s.Statements.Add(1)
	}
}

func (s *Stats) blocks(kept, read, bytes int) {
	if s != nil {
		s.Kept.Add(int64(kept))
		s.Read.Add(int64(read))
		s.Bytes.Add(int64(bytes))
	}
}

func (s *Stats) recent(samples int) {
	if s != nil {
		s.Recent.Add(int64(samples))
		s.Bytes.Add(16 * int64(samples))
	}
}

func (s *Stats) series(kept, read int) {
	if s != nil {
		s.SeriesKept.Add(int64(kept))
		s.SeriesRead.Add(int64(read))
	}
}
