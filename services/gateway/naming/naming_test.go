package naming

import (
	"testing"

	"github.com/prometheus/common/model"
)

func TestNames(t *testing.T) {
	var a Arena
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(a.Metric("system.cpu-load.1"), "system_cpu_load_1")
	f(a.Metric("a:b"), "a:b")
	f(a.Label("a:b"), "a_b")
	f(a.Metric("5xx"), "_5xx")
	f(a.Label("größe"), "gr__e")
	f(a.Metric(""), "")
	f(a.Join("cpu", "usage.idle"), "cpu_usage_idle")
	f(a.Join("", "idle"), "idle")
	f(a.Append("x", "_total"), "x_total")
}

func FuzzMetric(f *testing.F) {
	f.Add("a.b", "c d")
	f.Fuzz(func(t *testing.T, x, y string) {
		var a Arena
		m, l := a.Join(x, y), a.Label(x)
		if m != "" && !model.LegacyValidation.IsValidMetricName(m) {
			t.Errorf("metric %q of %q and %q", m, x, y)
		}
		if l != "" && !model.LegacyValidation.IsValidLabelName(l) {
			t.Errorf("label %q of %q", l, x)
		}
	})
}
