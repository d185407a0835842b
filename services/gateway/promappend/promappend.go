// Package promappend is Prometheus' storage interface for writing, on top of the intake: what rules record goes the way of all other
// samples, over the bus and through the ledger. An appender gathers one transaction in memory; Commit returns when the bus has it.
package promappend

import (
	"context"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// maxSamples bounds one transaction: more than any rule yields that somebody wants to keep.
const maxSamples = 1_000_000

// Appendable makes appenders for one origin. It is safe for concurrent use.
type Appendable struct {
	core   *intake.Core
	origin model.Origin
}

var _ storage.Appendable = (*Appendable)(nil)

// New returns an appendable whose samples are counted for origin.
func New(core *intake.Core, origin model.Origin) *Appendable {
	return &Appendable{core: core, origin: origin}
}

// Appender starts a transaction. It belongs to one goroutine.
func (a *Appendable) Appender(ctx context.Context) storage.Appender {
	return &appender{ctx: ctx, from: a}
}

// appender gathers the samples of a transaction.
type appender struct {
	ctx     context.Context // Of the transaction: the interface's Commit takes none.
	from    *Appendable
	samples []sample
}

type sample struct {
	labels labels.Labels
	ms     int64
	v      float64
	h      *histogram.FloatHistogram
}

// Append implements storage.Appender.
func (p *appender) Append(_ storage.SeriesRef, l labels.Labels, t int64, v float64) (storage.SeriesRef, error) {
	return 0, p.add(sample{labels: l, ms: t, v: v})
}

// AppendHistogram implements storage.Appender.
func (p *appender) AppendHistogram(_ storage.SeriesRef, l labels.Labels, t int64, h *histogram.Histogram, fh *histogram.FloatHistogram) (storage.SeriesRef, error) {
	if h != nil {
		fh = h.ToFloat(nil)
	}
	return 0, p.add(sample{labels: l, ms: t, h: fh.Copy()})
}

func (p *appender) add(s sample) error {
	if len(p.samples) >= maxSamples {
		return errs.New(errs.Exhausted, "a rule yields more than %d samples", maxSamples)
	}
	p.samples = append(p.samples, s)
	return nil
}

// Commit publishes the transaction. Samples that the limits refuse are counted in the ledger and named in the error; the others are kept.
func (p *appender) Commit() error {
	defer func() { p.samples = nil }()
	if len(p.samples) == 0 {
		return nil
	}
	req := p.from.core.NewRequest(intake.Sender{Origin: p.from.origin})
	defer p.from.core.Finish(req)
	b := p.from.core.Metrics(req)
	defer b.Close()
	for i := range p.samples {
		if err := p.put(req, b, &p.samples[i]); err != nil {
			return err
		}
	}
	if err := b.Flush(p.ctx); err != nil {
		return err
	}
	if n := req.Rejected(); n > 0 {
		return errs.New(errs.Invalid, "%d of %d samples refused (%s)", n, len(p.samples), req.Reasons())
	}
	return nil
}

func (p *appender) put(req *intake.Request, b *intake.Metrics, s *sample) error {
	b.Labels.Reset()
	s.labels.Range(func(l labels.Label) { b.Labels.Add(l.Name, l.Value) })
	if reason := b.Begin(); reason != "" {
		req.Reject(model.SignalMetrics, reason, 1)
		return nil
	}
	if s.h != nil {
		b.Histogram(convert(s.ms, s.h))
	} else {
		b.Sample(s.ms, s.v)
	}
	return b.Split(p.ctx)
}

// convert returns a histogram as the batch has it; h is not used by anybody else any more.
func convert(ms int64, h *histogram.FloatHistogram) model.HistogramSample {
	out := model.HistogramSample{
		TimeMS: ms, Schema: h.Schema, ZeroThreshold: h.ZeroThreshold, ZeroCount: h.ZeroCount, Count: h.Count, Sum: h.Sum,
		PositiveSpans: spans(h.PositiveSpans), PositiveBuckets: h.PositiveBuckets, NegativeSpans: spans(h.NegativeSpans), NegativeBuckets: h.NegativeBuckets,
		CustomValues: h.CustomValues, Float: true, ResetHint: uint8(h.CounterResetHint),
	}
	if value.IsStaleNaN(h.Sum) {
		out.Stale, out.Sum = true, 0
	}
	return out
}

func spans(in []histogram.Span) []int32 {
	out := make([]int32, 0, 2*len(in))
	for _, s := range in {
		out = append(out, s.Offset, int32(s.Length))
	}
	return out
}

// Rollback implements storage.Appender.
func (p *appender) Rollback() error {
	p.samples = nil
	return nil
}

// SetOptions implements storage.Appender. Samples out of order are no matter here.
func (*appender) SetOptions(*storage.AppendOptions) {}

// AppendExemplar implements storage.Appender; rules have none.
func (*appender) AppendExemplar(storage.SeriesRef, labels.Labels, exemplar.Exemplar) (storage.SeriesRef, error) {
	return 0, nil
}

// UpdateMetadata implements storage.Appender; rules have none.
func (*appender) UpdateMetadata(storage.SeriesRef, labels.Labels, metadata.Metadata) (storage.SeriesRef, error) {
	return 0, nil
}

// AppendSTZeroSample implements storage.Appender; rules have no start times.
func (*appender) AppendSTZeroSample(storage.SeriesRef, labels.Labels, int64, int64) (storage.SeriesRef, error) {
	return 0, nil
}

// AppendHistogramSTZeroSample implements storage.Appender; rules have no start times.
func (*appender) AppendHistogramSTZeroSample(storage.SeriesRef, labels.Labels, int64, int64, *histogram.Histogram, *histogram.FloatHistogram) (storage.SeriesRef, error) {
	return 0, nil
}
