package responder

import (
	"fmt"
	"io"
	"sync"

	"github.com/VictoriaMetrics/metrics"
	"github.com/prometheus/common/expfmt"
)

// measures are the part's own metrics. Those of Prometheus' and Alertmanager's packages are served beside them under their own names, so
// that alerts and dashboards about them work.
type measures struct {
	set *metrics.Set

	// mu guards term.
	mu   sync.Mutex
	term *term
}

func newMeasures(set *metrics.Set, r *Responder) *measures {
	m := &measures{set: set}
	set.GetOrCreateGauge("faultline_responder_leader", func() float64 {
		if r.Leads() {
			return 1
		}
		return 0
	})
	set.GetOrCreateGauge("faultline_responder_rule_groups", func() float64 { return float64(m.groups()) })
	set.GetOrCreateGauge("faultline_responder_history_pending_rows", func() float64 { return float64(m.pending()) })
	set.RegisterMetricsWriter(m.write)
	return m
}

func (m *measures) attach(t *term) {
	m.mu.Lock()
	m.term = t
	m.mu.Unlock()
}

func (m *measures) detach() { m.attach(nil) }

func (m *measures) current() *term {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.term
}

func (m *measures) groups() int {
	if t := m.current(); t != nil {
		return len(t.rules.manager.RuleGroups())
	}
	return 0
}

func (m *measures) pending() int {
	if t := m.current(); t != nil {
		n, _ := t.history.state()
		return n
	}
	return 0
}

// write writes the metrics of the packages that the leader uses.
func (m *measures) write(w io.Writer) {
	t := m.current()
	if t == nil {
		return
	}
	families, err := t.registry.Gather()
	if err != nil && len(families) == 0 {
		return
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(w, f); err != nil {
			return // The reader went away.
		}
	}
}

func result(err error) string {
	if err != nil {
		return "error"
	}
	return "ok"
}

func (m *measures) count(name, label, value string, n int) {
	m.set.GetOrCreateCounter(fmt.Sprintf("faultline_responder_%s{%s=%q}", name, label, value)).Add(n)
}

func (m *measures) reload(err error) { m.count("reloads_total", "result", result(err), 1) }
func (m *measures) reported(n int, err error) {
	m.count("alerts_reported_total", "result", result(err), n)
}
func (m *measures) publishFailed() {
	m.set.GetOrCreateCounter("faultline_responder_publish_failures_total").Inc()
}
func (m *measures) historyDropped() {
	m.set.GetOrCreateCounter("faultline_responder_history_dropped_rows_total").Inc()
}
func (m *measures) historyWritten(n int) {
	m.set.GetOrCreateCounter("faultline_responder_history_rows_total").Add(n)
}

func (m *measures) notified(kind string, err error) {
	m.count("notifications_total", "kind", kind, 1)
	if err != nil {
		m.count("notification_failures_total", "kind", kind, 1)
	}
}
