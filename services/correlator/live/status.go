package live

import (
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/faultline-io/faultline/services/correlator/brain"
	"github.com/faultline-io/faultline/services/correlator/eventtime"
)

// Status is how the brain fares.
type Status struct {
	Leader string         `json:"leader"`
	Mark   eventtime.Mark `json:"mark"`
	// LagMS is how far the watermark is behind the clock.
	LagMS int64       `json:"lag_ms"`
	Stats brain.Stats `json:"stats"`
}

// Status returns how the brain of this process fares; its Leader is empty when it never led.
func (s *Service) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

func (s *Service) setStatus(f func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.status)
}

func (s *Service) note(k eventtime.Mark, st brain.Stats, now time.Time) {
	s.setStatus(func(x *Status) { x.Mark, x.Stats, x.LagMS = k, st, now.UnixMilli()-k.WatermarkMS })
}

// measures are the brain's own metrics.
type measures struct {
	failures, undecoded, skipped *metrics.Counter
	markSeconds                  *metrics.Histogram
	snapshotBytes                *metrics.Gauge
}

func newMeasures(set *metrics.Set, s *Service) *measures {
	gauge := func(name string, f func(Status) float64) {
		set.NewGauge("faultline_brain_"+name, func() float64 { return f(s.Status()) })
	}
	gauge("watermark_lag_seconds", func(st Status) float64 { return float64(st.LagMS) / 1000 })
	gauge("series", func(st Status) float64 { return float64(st.Stats.Series) })
	gauge("open_incidents", func(st Status) float64 { return float64(st.Stats.OpenIncidents) })
	gauge("samples_judged_total", func(st Status) float64 { return float64(st.Stats.Samples) })
	gauge("log_lines_judged_total", func(st Status) float64 { return float64(st.Stats.Lines) })
	gauge("spans_judged_total", func(st Status) float64 { return float64(st.Stats.Spans) })
	gauge("findings_total", func(st Status) float64 { return float64(st.Stats.Findings) })
	gauge("verdicts_total", func(st Status) float64 { return float64(st.Stats.Verdicts) })
	for i, reason := range []string{"late", "too_far_ahead", "unannounced", "unwatched"} {
		gauge(`samples_aside_total{reason="`+reason+`"}`, func(st Status) float64 { return float64(st.Stats.Aside[i]) })
	}
	return &measures{
		failures: set.NewCounter("faultline_brain_failures_total"), undecoded: set.NewCounter("faultline_brain_undecoded_batches_total"),
		skipped:     set.NewCounter("faultline_brain_skipped_messages_total"),
		markSeconds: set.NewHistogram("faultline_brain_mark_duration_seconds"), snapshotBytes: set.NewGauge("faultline_brain_snapshot_bytes", nil),
	}
}

func (m *measures) marked(took time.Duration, _ eventtime.Mark, _ brain.Stats) {
	m.markSeconds.Update(took.Seconds())
}
