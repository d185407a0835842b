package gateway

import (
	"context"
	"fmt"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// maxMessageBytes is what an encoded batch may have; the bus takes 1 MiB with its headers.
const maxMessageBytes = 900 << 10

// busSink encodes batches and publishes them.
type busSink struct {
	publisher bus.Publisher
	measures  *measures
}

var _ intake.Sink = (*busSink)(nil)

// PublishMetrics publishes m, in halves when it does not fit one message.
func (s *busSink) PublishMetrics(ctx context.Context, req *intake.Request, m *model.Metrics) error {
	data, err := bus.EncodeMetrics(m)
	if err != nil {
		return err
	}
	if len(data) <= maxMessageBytes || m.Len() < 2 {
		return s.publish(ctx, req, model.SignalMetrics, req.Shard, m.Header, m.Len(), data)
	}
	a, b := halveMetrics(m)
	if err := s.PublishMetrics(ctx, req, a); err != nil {
		return err
	}
	return s.PublishMetrics(ctx, req, b)
}

// PublishLogs publishes l, in halves when it does not fit one message.
func (s *busSink) PublishLogs(ctx context.Context, req *intake.Request, l *model.Logs) error {
	data, err := bus.EncodeLogs(l)
	if err != nil {
		return err
	}
	if len(data) <= maxMessageBytes || l.Len() < 2 {
		return s.publish(ctx, req, model.SignalLogs, req.Shard, l.Header, l.Len(), data)
	}
	a, b := halveLogs(l)
	if err := s.PublishLogs(ctx, req, a); err != nil {
		return err
	}
	return s.PublishLogs(ctx, req, b)
}

// PublishSpans publishes x, in halves when it does not fit one message.
func (s *busSink) PublishSpans(ctx context.Context, req *intake.Request, x *model.Spans) error {
	data, err := bus.EncodeSpans(x)
	if err != nil {
		return err
	}
	if len(data) <= maxMessageBytes || x.Len() < 2 {
		return s.publish(ctx, req, model.SignalSpans, req.Shard, x.Header, x.Len(), data)
	}
	n := len(x.Spans) / 2
	a := &model.Spans{Header: half(x.Header, "a"), Resources: x.Resources, Spans: x.Spans[:n]}
	b := &model.Spans{Header: half(x.Header, "b"), Resources: x.Resources, Spans: x.Spans[n:]}
	if err := s.PublishSpans(ctx, req, a); err != nil {
		return err
	}
	return s.PublishSpans(ctx, req, b)
}

// PublishChanges publishes c, in halves when it does not fit one message.
func (s *busSink) PublishChanges(ctx context.Context, req *intake.Request, c *model.Changes) error {
	data, err := bus.EncodeChanges(c)
	if err != nil {
		return err
	}
	if len(data) <= maxMessageBytes || c.Len() < 2 {
		return s.publish(ctx, req, model.SignalChanges, req.Shard, c.Header, c.Len(), data)
	}
	n := len(c.Changes) / 2
	if err := s.PublishChanges(ctx, req, &model.Changes{Header: half(c.Header, "a"), Changes: c.Changes[:n]}); err != nil {
		return err
	}
	return s.PublishChanges(ctx, req, &model.Changes{Header: half(c.Header, "b"), Changes: c.Changes[n:]})
}

func (s *busSink) publish(ctx context.Context, req *intake.Request, signal model.Signal, shard int, h model.Header, items int, data []byte) error {
	if len(data) > maxMessageBytes {
		return errs.New(errs.Invalid, "one item of %s takes %d bytes, more than a message of %d", signal, len(data), maxMessageBytes)
	}
	msg := &bus.Message{
		Signal: signal, Shard: shard, Header: h, Items: items,
		AgentSent: req.AgentSent, AgentDropped: req.AgentDropped, Data: data,
	}
	duplicate, err := s.publisher.Publish(ctx, msg)
	if err != nil {
		return fmt.Errorf("publish %s: %w", signal, err)
	}
	s.measures.published(signal, items, len(data), duplicate)
	return nil
}

// half names a half of a batch; the name of an agent's batch must be the same when the agent sends it again.
func half(h model.Header, suffix string) model.Header {
	if h.AgentID != "" {
		h.AgentID += "/" + suffix
	}
	return h
}

// halveMetrics cuts m in two between runs; what is not samples goes with the half that is shorter by its kind.
func halveMetrics(m *model.Metrics) (*model.Metrics, *model.Metrics) {
	a := &model.Metrics{Header: half(m.Header, "a")}
	b := &model.Metrics{Header: half(m.Header, "b")}
	runs := len(m.SeriesIDs) / 2
	at := runs
	if len(m.Counts) > 0 {
		at = 0
		for _, c := range m.Counts[:runs] {
			at += int(c)
		}
		a.Counts, b.Counts = m.Counts[:runs], m.Counts[runs:]
	}
	a.MetricIDs, b.MetricIDs = m.MetricIDs[:runs], m.MetricIDs[runs:]
	a.SeriesIDs, b.SeriesIDs = m.SeriesIDs[:runs], m.SeriesIDs[runs:]
	a.TimesMS, b.TimesMS = m.TimesMS[:at], m.TimesMS[at:]
	a.Values, b.Values = m.Values[:at], m.Values[at:]
	for _, i := range m.Stale {
		if int(i) < at {
			a.Stale = append(a.Stale, i)
		} else {
			b.Stale = append(b.Stale, i-uint32(at))
		}
	}
	n := len(m.Announced) / 2
	a.Announced, b.Announced = m.Announced[:n], m.Announced[n:]
	n = len(m.Metadata) / 2
	a.Metadata, b.Metadata = m.Metadata[:n], m.Metadata[n:]
	n = len(m.Histograms) / 2
	a.Histograms, b.Histograms = m.Histograms[:n], m.Histograms[n:]
	n = len(m.Exemplars) / 2
	a.Exemplars, b.Exemplars = m.Exemplars[:n], m.Exemplars[n:]
	return a, b
}

func halveLogs(l *model.Logs) (*model.Logs, *model.Logs) {
	n := l.Len() / 2
	a, b := *l, *l
	a.Header, b.Header = half(l.Header, "a"), half(l.Header, "b")
	a.ResourceIdx, b.ResourceIdx = cut(l.ResourceIdx, n)
	a.TimesNS, b.TimesNS = cut(l.TimesNS, n)
	a.ObservedNS, b.ObservedNS = cut(l.ObservedNS, n)
	a.Severity, b.Severity = cut(l.Severity, n)
	a.ShapeHash, b.ShapeHash = cut(l.ShapeHash, n)
	a.Bodies, b.Bodies = cut(l.Bodies, n)
	a.Attributes, b.Attributes = cut(l.Attributes, n)
	a.TraceIDs, b.TraceIDs = cut(l.TraceIDs, n)
	a.SpanIDs, b.SpanIDs = cut(l.SpanIDs, n)
	return &a, &b
}

// cut splits a column; a column that no record has stays nil.
func cut[T any](c []T, n int) ([]T, []T) {
	if len(c) == 0 {
		return nil, nil
	}
	return c[:n], c[n:]
}
