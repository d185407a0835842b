package promappend_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
	"github.com/faultline-io/faultline/services/gateway/promappend"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// kept is a sink that keeps the last batch as the bus carries it.
type kept struct {
	*intaketest.Sink
	last *model.Metrics
	err  error
}

func (k *kept) PublishMetrics(_ context.Context, _ *intake.Request, m *model.Metrics) error {
	if k.err != nil {
		return k.err
	}
	b, err := bus.EncodeMetrics(m)
	if err != nil {
		return err
	}
	k.last = &model.Metrics{}
	err = bus.DecodeMetrics(b, k.last)
	k.last.Header = m.Header
	return err
}

func TestCommitPublishesSamplesHistogramsAndStaleness(t *testing.T) {
	core, sink := intaketest.Core(t)
	k := &kept{Sink: sink}
	core.Sink = k
	a := promappend.New(core, model.Origin{Tenant: model.DefaultTenant, Source: "rules", Protocol: "rules"})
	ms := intaketest.Now().UnixMilli()
	app := a.Appender(t.Context())
	l := labels.FromStrings("__name__", "job:up:sum", "job", "x")
	for i, v := range []float64{3, math.Float64frombits(value.StaleNaN)} {
		if _, err := app.Append(0, l, ms+int64(i), v); err != nil {
			t.Fatal(err)
		}
	}
	h := &histogram.FloatHistogram{
		Schema: 1, Count: 5, Sum: 9, ZeroThreshold: 0.1, ZeroCount: 1, CounterResetHint: histogram.GaugeType,
		PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []float64{3, 1}, NegativeSpans: []histogram.Span{}, NegativeBuckets: []float64{},
	}
	if _, err := app.AppendHistogram(0, labels.FromStrings("__name__", "job:latency"), ms, nil, h); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	m := k.last
	if m == nil || m.Source != "rules" || len(m.Values) != 2 || m.Values[0] != 3 || len(m.Stale) != 1 || m.Stale[0] != 1 || len(m.Announced) != 2 {
		t.Fatalf("batch %+v", m)
	}
	if len(m.Histograms) != 1 || m.Histograms[0].Count != 5 || m.Histograms[0].PositiveBuckets[0] != 3 || !m.Histograms[0].Float || m.Histograms[0].ResetHint != 3 {
		t.Errorf("histogram %+v", m.Histograms)
	}
}

func TestCommitTellsWhatWasRefused(t *testing.T) {
	core, sink := intaketest.Core(t)
	k := &kept{Sink: sink}
	core.Sink = k
	a := promappend.New(core, model.Origin{Tenant: model.DefaultTenant, Source: "rules", Protocol: "rules"})
	ms := intaketest.Now().UnixMilli()
	app := a.Appender(t.Context())
	_, _ = app.Append(0, labels.FromStrings("__name__", "good"), ms, 1)
	_, _ = app.Append(0, labels.FromStrings("__name__", "future"), ms+24*3600*1000, 1)
	_, _ = app.Append(0, labels.FromStrings("__name__", "long", "l", strings.Repeat("x", 10_000)), ms, 1)
	if err := app.Commit(); errs.KindOf(err) != errs.Invalid || !strings.Contains(err.Error(), "2 of 3") {
		t.Errorf("got %v", err)
	}
	if len(k.last.Values) != 1 {
		t.Errorf("%d good samples published, want 1", len(k.last.Values))
	}
	k.err = errs.New(errs.Exhausted, "full")
	app = a.Appender(t.Context())
	_, _ = app.Append(0, labels.FromStrings("__name__", "good"), ms, 1)
	if err := app.Commit(); errs.KindOf(err) != errs.Exhausted {
		t.Errorf("a full bus: %v", err)
	}
	app = a.Appender(t.Context())
	_, _ = app.Append(0, labels.FromStrings("__name__", "good"), ms, 1)
	if err := app.Rollback(); err != nil {
		t.Error(err)
	}
	if err := app.Commit(); err != nil {
		t.Errorf("commit after rollback: %v", err)
	}
}
