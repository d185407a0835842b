package pipeline

import (
	"math"

	"github.com/cespare/xxhash/v2"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/pipeline/redact"
	"github.com/faultline-io/faultline/services/gateway/series"
	"github.com/faultline-io/faultline/services/model"
)

// metricProcessor takes the samples of one builder through the stages.
type metricProcessor struct {
	x   *processor
	key uint64
	// every and each say what the builder must ask.
	every, each bool
	// always are the rate limits that the sender alone decides over, limits those of the current series besides.
	always, limits []*stage
	collected      collected
}

var _ intake.MetricStages = (*metricProcessor)(nil)

func newMetricProcessor(x *processor) *metricProcessor {
	m := &metricProcessor{x: x, key: mix(x.number)}
	ofSender := false
	sub := subject{signal: model.SignalMetrics, req: x.req}
	for _, s := range x.p.series {
		labels := s.when.needsLabels()
		ofSender = ofSender || s.when.source != nil || s.when.protocol != nil || s.when.not != nil
		if !labels && !s.when.holds(&sub) {
			continue // not for this sender
		}
		switch s.kind {
		case kindAggregate:
			m.every, m.each = true, true
			m.collected.open(x, s)
		case kindRateLimit:
			m.each = true
			if labels {
				m.every = true
			} else {
				m.always = append(m.always, s)
			}
		}
	}
	if ofSender {
		m.key ^= xxhash.Sum64String(x.req.Source + "\x00" + x.req.Protocol)
	}
	return m
}

// Key implements intake.MetricStages.
func (m *metricProcessor) Key() uint64 { return m.key }

// EverySeries implements intake.MetricStages.
func (m *metricProcessor) EverySeries() bool { return m.every }

// EverySample implements intake.MetricStages.
func (m *metricProcessor) EverySample() bool { return m.each }

// Series implements intake.MetricStages.
func (m *metricProcessor) Series(l *series.Labels) string {
	m.limits = m.limits[:0]
	m.collected.begin()
	for _, s := range m.x.p.series {
		if s.kind == kindRedact || s.kind == kindRateLimit && !s.when.needsLabels() {
			continue
		}
		sub := subject{signal: model.SignalMetrics, req: m.x.req, attrs: l.Pairs()}
		if !s.when.holds(&sub) {
			continue
		}
		reason := m.series(s, l)
		m.x.traced(s, reason)
		if reason != "" {
			return reason
		}
	}
	return ""
}

// series does what a stage does with a series that meets its condition.
func (m *metricProcessor) series(s *stage, l *series.Labels) string {
	switch s.kind {
	case kindDrop:
		s.counts.in.Inc()
		s.counts.dropped.Inc()
		return limits.Dropped
	case kindRelabel:
		s.counts.in.Inc()
		if !m.relabel(s, l) {
			s.counts.dropped.Inc()
			return limits.Dropped
		}
	case kindRateLimit:
		m.limits = append(m.limits, s)
	case kindAggregate:
		return m.collected.series(l)
	}
	return ""
}

// relabel changes the labels, and reports whether the series is kept. One without a name is not.
func (m *metricProcessor) relabel(s *stage, l *series.Labels) bool {
	out, ok := s.relabel.apply(m.x.labels, l.Pairs())
	m.x.labels = out
	if !ok {
		return false
	}
	if same(out, l.Pairs()) {
		return true
	}
	named := false
	for i := range out {
		named = named || out[i].Name == model.LabelName && out[i].Value != ""
	}
	if !named {
		return false
	}
	s.counts.changed.Inc()
	l.Reset()
	for i := range out {
		l.Add(out[i].Name, out[i].Value)
	}
	return true
}

// Fresh implements intake.MetricStages: labels are redacted once, when a series is new or due again.
func (m *metricProcessor) Fresh(l *series.Labels) {
	hits := &m.x.hits
	*hits, m.x.noted = redact.Hits{}, false
	for _, s := range m.x.p.series {
		if s.kind != kindRedact {
			continue
		}
		sub := subject{signal: model.SignalMetrics, req: m.x.req, attrs: l.Pairs()}
		if s.when.holds(&sub) {
			s.counts.in.Inc()
			if redactSeries(s.redact, l, hits) {
				s.counts.changed.Inc()
			}
			m.x.traced(s, "")
		}
	}
	if r := m.x.p.labelSecrets; r != nil {
		redactSeries(r, l, hits)
		m.x.traced(nil, "")
	}
	m.x.count(model.SignalMetrics)
}

// redactSeries replaces secrets in the values of labels. Names are not looked at.
func redactSeries(r *redact.Redactor, l *series.Labels, hits *redact.Hits) bool {
	changed := false
	pairs := l.Pairs()
	for i := range pairs {
		if v := r.Text(pairs[i].Value, hits); v != pairs[i].Value {
			pairs[i].Value, changed = v, true
		}
	}
	return changed
}

// Sample implements intake.MetricStages.
func (m *metricProcessor) Sample(ms int64, v float64) string {
	for _, s := range m.always {
		if reason := m.limit(s); reason != "" {
			return reason
		}
	}
	for _, s := range m.limits {
		if reason := m.limit(s); reason != "" {
			return reason
		}
	}
	if !m.collected.active || math.IsNaN(v) && !intake.IsStale(v) {
		return ""
	}
	reason := m.collected.sample(ms, v)
	if reason != "" {
		m.x.traced(m.collected.stage, reason)
	}
	return reason
}

// sampleBytes is what a sample counts for where bytes are limited.
const sampleBytes = 16

func (m *metricProcessor) limit(s *stage) string {
	s.counts.in.Inc()
	reason := m.x.limit(s, nil, sampleBytes)
	if reason != "" {
		s.counts.dropped.Inc()
		m.x.traced(s, reason)
	}
	return reason
}

// Exemplar implements intake.MetricStages.
func (m *metricProcessor) Exemplar(e *model.Exemplar) {
	hits := &m.x.hits
	*hits, m.x.noted = redact.Hits{}, false
	for _, s := range m.x.p.series {
		if s.kind == kindRedact && !s.when.needsLabels() {
			sub := subject{signal: model.SignalMetrics, req: m.x.req}
			if s.when.holds(&sub) {
				redactLabels(s.redact, e.Labels, hits)
			}
		}
	}
	if r := m.x.p.secrets; r != nil {
		redactLabels(r, e.Labels, hits)
	}
	m.x.count(model.SignalMetrics)
}

// Waiting implements intake.MetricStages.
func (m *metricProcessor) Waiting() int { return m.collected.samples }

// Published implements intake.MetricStages.
func (m *metricProcessor) Published() { m.collected.push() }

// Failed implements intake.MetricStages.
func (m *metricProcessor) Failed() { m.collected.forget() }
