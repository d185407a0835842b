package spanstage

import (
	"math"

	"github.com/faultline-io/faultline/services/model"
)

// Labels of the series; docs/formats/derived.md says what they mean.
const (
	labelService    = "service"
	labelOperation  = "operation"
	labelInstance   = "service_instance_id"
	labelClient     = "client"
	labelServer     = "server"
	labelServerKind = model.LabelServerKind
	labelExpected   = "expected"
	labelQuantile   = "quantile"
)

// labels are those of a group, once as they are and once with each quantile; series come by name, and labels do not change.
type labels struct{ plain, p50, p95 []model.Label }

// newLabels takes labels in order of their names.
func newLabels(plain ...model.Label) labels {
	with := func(q string) []model.Label {
		out := make([]model.Label, 0, len(plain)+1)
		done := false
		for _, l := range plain {
			if !done && l.Name > labelQuantile {
				out, done = append(out, model.Label{Name: labelQuantile, Value: q}), true
			}
			out = append(out, l)
		}
		if !done {
			out = append(out, model.Label{Name: labelQuantile, Value: q})
		}
		return out
	}
	return labels{plain, with("0.5"), with("0.95")}
}

// teller hands on the samples of one window. With stale set it ends every series of a group instead.
type teller struct {
	emit    func(model.Derived)
	atMS    int64
	seconds float64
	stale   bool
}

func (t *teller) put(name, unit string, l []model.Label, v float64) {
	d := model.Derived{Name: name, Labels: l, Type: "gauge", Unit: unit, TimeMS: t.atMS, Value: v, Stale: t.stale}
	if t.stale {
		d.Value = 0
	}
	t.emit(d)
}

func (t *teller) rate(name string, l labels, n uint32) {
	t.put(name, "1/s", l.plain, float64(n)/t.seconds)
}

// ratio tells a share of recent requests, if there was one in the window itself: the share that is certain. One failed request of ten is no
// outage, and one of a hundred thousand is one of a hundred thousand.
func (t *teller) ratio(name string, l labels, now, part, n uint32) {
	if now > 0 || t.stale {
		t.put(name, "1", l.plain, certain(part, n))
	}
}

// certainZ is the quantile of the normal distribution for 97.5 %.
const certainZ = 1.96

// certain returns the lower end of the interval of 95 % for a share, which is near the share itself where there is much to go by and far below it
// where there is little: 1 of 10 is 1.8 %, 10 of 10 72 %, 100 of 1,000 8.3 %. Source: Wilson, Journal of the American Statistical Association 1927.
func certain(part, n uint32) float64 {
	if part == 0 || n == 0 {
		return 0
	}
	p, m := float64(min(part, n))/float64(n), float64(n)
	const z2 = certainZ * certainZ
	low := (p + z2/(2*m) - certainZ*math.Sqrt(p*(1-p)/m+z2/(4*m*m))) / (1 + z2/m)
	return max(low, 0)
}

func (t *teller) quantiles(name string, l labels, s *sketch) {
	if s.n > 0 || t.stale {
		t.put(name, "s", l.p50, s.quantile(0.5))
		t.put(name, "s", l.p95, s.quantile(0.95))
	}
}

func (t *teller) mean(name string, l labels, s *sketch) {
	if s.n > 0 || t.stale {
		t.put(name, "s", l.plain, s.mean())
	}
}

// tell hands on the window that ended at atMS, service by service.
func (s *Stage) tell(atMS int64, emit func(model.Derived), edge func(model.Edge, int64)) {
	t := &teller{emit: emit, atMS: atMS, seconds: float64(s.cfg.WindowMS) / 1000}
	idle := func(lastMS int64) bool {
		t.stale = lastMS+s.cfg.IdleMS < atMS
		return t.stale
	}
	s.services.each(func(_ string, v *service) bool {
		v.ops.each(func(op string, g *opGroup) bool {
			gone := idle(g.lastMS)
			t.operation(v, op, g)
			g.reset()
			return gone
		})
		v.inner.each(func(_ string, g *innerGroup) bool {
			gone := idle(g.lastMS)
			t.mean("span_self_time_mean_seconds", g.labels, &g.self)
			g.self.reset()
			return gone
		})
		v.instances.each(func(_ string, g *group) bool {
			gone := idle(g.lastMS)
			g.recent.push(g.n, g.failed, g.origins)
			n, failed, _ := g.recent.sums()
			t.rate("instance_requests_per_second", g.labels, g.n)
			t.ratio("instance_error_ratio", g.labels, g.n, failed, n)
			t.quantiles("instance_duration_seconds", g.labels, &g.taken)
			g.reset()
			return gone
		})
		v.servers.each(func(to model.Entity, g *edgeGroup) bool {
			gone := idle(g.lastMS)
			t.edge(g)
			if g.n > 0 && to != v.servers.rest {
				edge(model.Edge{Kind: model.EdgeCalls, From: model.Entity{Kind: model.KindService, Name: v.name}, To: to}, atMS)
			}
			g.reset()
			return gone
		})
		if v.total.lastMS > 0 {
			idle(v.total.lastMS)
			t.service(&v.total)
			if t.stale {
				v.total.lastMS = 0
			}
			v.total.reset()
		}
		return v.total.lastMS == 0 && len(v.ops.keys)+len(v.inner.keys)+len(v.instances.keys)+len(v.servers.keys) == 0
	})
}

func (t *teller) service(g *group) {
	g.recent.push(g.n, g.failed, g.origins)
	n, failed, origins := g.recent.sums()
	t.rate("service_requests_per_second", g.labels, g.n)
	t.ratio("service_error_ratio", g.labels, g.n, failed, n)
	t.ratio("service_error_origin_ratio", g.labels, g.n, origins, n)
	t.mean("service_duration_mean_seconds", g.labels, &g.taken)
	t.quantiles("service_duration_seconds", g.labels, &g.taken)
	t.quantiles("service_self_time_seconds", g.labels, &g.self)
}

func (t *teller) operation(v *service, name string, g *opGroup) {
	g.recent.push(g.n, g.failed, g.origins)
	n, failed, _ := g.recent.sums()
	t.rate("operation_requests_per_second", g.labels, g.n)
	t.ratio("operation_error_ratio", g.labels, g.n, failed, n)
	t.mean("operation_duration_mean_seconds", g.labels, &g.taken)
	t.quantiles("operation_duration_seconds", g.labels, &g.taken)
	t.quantiles("operation_self_time_seconds", g.labels, &g.self)
	const expectedName = "operation_expected_call_availability"
	if t.stale {
		for i := range g.expected.calls {
			if c := &g.expected.calls[i]; c.told {
				t.put(expectedName, "1", c.labels.plain, 0)
			}
		}
		return
	}
	if name == other {
		g.expected = expectations{} // Of many operations none is expected to do what another did.
		return
	}
	g.expected.learn(v.name, name, func(c *expected, share float64) {
		t.put(expectedName, "1", c.labels.plain, share)
	}, func(c *expected) {
		t.stale = true
		t.put(expectedName, "1", c.labels.plain, 0)
		t.stale = false
	})
}

func (t *teller) edge(g *edgeGroup) {
	g.recent.push(g.n, g.failed, 0)
	n, failed, _ := g.recent.sums()
	t.rate("edge_requests_per_second", g.labels, g.n)
	t.ratio("edge_error_ratio", g.labels, g.n, failed, n)
	t.quantiles("edge_duration_seconds", g.labels, &g.taken)
	t.quantiles("edge_gap_seconds", g.labels, &g.gap)
}
