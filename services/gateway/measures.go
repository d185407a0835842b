package gateway

import (
	"fmt"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/faultline-io/faultline/services/model"
)

// measures are the gateway's own metrics.
type measures struct {
	set *metrics.Set
}

func newMeasures(set *metrics.Set, g *Gateway) *measures {
	set.GetOrCreateGauge("faultline_gateway_inflight_bytes", func() float64 { return float64(g.budget.Used()) })
	set.GetOrCreateGauge("faultline_gateway_inflight_limit_bytes", func() float64 { return float64(g.budget.Max()) })
	set.GetOrCreateGauge("faultline_gateway_active_series", func() float64 { return float64(g.core.Index.Active(model.DefaultTenant)) })
	return &measures{set: set}
}

func (m *measures) published(signal model.Signal, items, bytes int, duplicate bool) {
	m.set.GetOrCreateCounter(fmt.Sprintf(`faultline_gateway_published_items_total{signal=%q}`, signal)).Add(items)
	m.set.GetOrCreateCounter(fmt.Sprintf(`faultline_gateway_published_bytes_total{signal=%q}`, signal)).Add(bytes)
	if duplicate {
		m.set.GetOrCreateCounter(fmt.Sprintf(`faultline_gateway_duplicate_batches_total{signal=%q}`, signal)).Inc()
	}
}

func (m *measures) request(protocol, result string, start time.Time) {
	m.set.GetOrCreateCounter(fmt.Sprintf(`faultline_gateway_requests_total{protocol=%q,result=%q}`, protocol, result)).Inc()
	m.set.GetOrCreateHistogram(fmt.Sprintf(`faultline_gateway_request_seconds{protocol=%q}`, protocol)).UpdateDuration(start)
}

// untrusted counts what came from an address that may not send to a listener without keys.
func (m *measures) untrusted(listener string) {
	m.set.GetOrCreateCounter(fmt.Sprintf(`faultline_gateway_untrusted_total{listener=%q}`, listener)).Inc()
}

// overload counts connections and datagrams that a listener had no room for.
func (m *measures) overload(listener string) {
	m.set.GetOrCreateCounter(fmt.Sprintf(`faultline_gateway_overload_total{listener=%q}`, listener)).Inc()
}
