package promstore

import "github.com/prometheus/prometheus/tsdb/chunkenc"

// Floats decodes the samples of the series into the memory of reuse, an iterator that an earlier call returned, or of a new one. They
// are in the order of time, each time once, staleness markers included, and the caller's until the iterator is given to another call.
// ok is false where the series has histograms.
func (s *series) Floats(reuse chunkenc.Iterator) (it chunkenc.Iterator, times []int64, values []float64, ok bool) {
	own := s.Iterator(reuse).(*iterator)
	return own, own.times[own.p:], own.values[own.p:], len(own.hists) == 0
}
