// Package intaketest helps to test receivers without a gateway: a core whose sink checks every batch by encoding it as the
// production sink does, and counts.
package intaketest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/series"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/logshape"
	"github.com/faultline-io/faultline/services/model"
)

// Sink encodes what is published and fails the test when that is not possible.
type Sink struct {
	T       testing.TB
	Batches int
	Items   int
	Bytes   int
}

var _ intake.Sink = (*Sink)(nil)

// PublishMetrics encodes m.
func (s *Sink) PublishMetrics(_ context.Context, _ *intake.Request, m *model.Metrics) error {
	data, err := bus.EncodeMetrics(m)
	return s.done(m.Len(), data, err)
}

// PublishLogs encodes l.
func (s *Sink) PublishLogs(_ context.Context, _ *intake.Request, l *model.Logs) error {
	data, err := bus.EncodeLogs(l)
	return s.done(l.Len(), data, err)
}

// PublishSpans encodes x.
func (s *Sink) PublishSpans(_ context.Context, _ *intake.Request, x *model.Spans) error {
	data, err := bus.EncodeSpans(x)
	return s.done(x.Len(), data, err)
}

// PublishChanges encodes c.
func (s *Sink) PublishChanges(_ context.Context, _ *intake.Request, c *model.Changes) error {
	data, err := bus.EncodeChanges(c)
	return s.done(c.Len(), data, err)
}

func (s *Sink) done(items int, data []byte, err error) error {
	if err != nil {
		s.T.Errorf("a batch cannot be encoded: %v", err)
		return err
	}
	s.Batches++
	s.Items += items
	s.Bytes += len(data)
	return nil
}

// Now is the time in tests: fixed, so that fuzzing finds the same again.
func Now() time.Time { return time.Unix(1_800_000_000, 0) }

// Core returns a core with default limits that publishes to a new sink.
func Core(t testing.TB) (*intake.Core, *Sink) {
	s := &Sink{T: t}
	lim := limits.Default()
	return &intake.Core{
		Limits: lim, Sink: s, Rejected: limits.NewRejections(), Index: series.NewIndex(&lim), Clock: Now,
		Log: slog.New(slog.DiscardHandler), Shape: logshape.Hash,
	}, s
}

// Request returns a request of the default tenant.
func Request(c *intake.Core) *intake.Request {
	return c.NewRequest(intake.Sender{Origin: model.Origin{Tenant: model.DefaultTenant, Source: "test", Protocol: "test"}})
}
