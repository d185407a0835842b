package signal_test

import (
	"testing"

	"github.com/faultline-io/faultline/services/correlator/signal"
	"github.com/faultline-io/faultline/services/model"
)

func TestClassify(t *testing.T) {
	f := func(name, kind, unit string, want model.Role) {
		t.Helper()
		if got := signal.Classify(name, kind, unit); got != want {
			t.Errorf("%s (%s, %s) is %s, want %s", name, kind, unit, got, want)
		}
	}
	f("http_server_request_duration_seconds_sum", "counter", "s", model.RoleLatency)
	f("system_cpu_utilization_ratio", "gauge", "1", model.RoleUtilization)
	f("system_network_errors_total", "counter", "", model.RoleErrors)
	f("CpuUsageRate(%)", "", "", model.RoleUtilization)
	f("http_requests_total", "counter", "", model.RoleTraffic)
	f("process_memory_usage_bytes", "gauge", "By", model.RoleUsage)
	f("kafka_consumer_lag", "gauge", "", model.RoleQueue)
	f("n3k9x", "gauge", "s", model.RoleLatency)
	f("n3k9x", "", "", model.RoleOther)
	f("up", "gauge", "", model.RoleState)
	// What the correlator makes of spans and logs (docs/formats/derived.md).
	f("service_requests_per_second", "gauge", "1/s", model.RoleTraffic)
	f("service_error_ratio", "gauge", "1", model.RoleErrors)
	f("service_error_origin_ratio", "gauge", "1", model.RoleErrors)
	f("operation_duration_mean_seconds", "gauge", "s", model.RoleLatency)
	f("service_self_time_seconds", "gauge", "s", model.RoleSelfTime)
	f("span_self_time_mean_seconds", "gauge", "s", model.RoleSelfTime)
	f("edge_gap_seconds", "gauge", "s", model.RoleGap)
	f("operation_expected_call_availability", "gauge", "1", model.RoleSuccess)
	f("log_template_lines_per_second", "gauge", "1/s", model.RoleLog)
	f("log_lines_per_second", "gauge", "1/s", model.RoleLog)
	f("log_unusual_sequences_ratio", "gauge", "1", model.RoleLog)
}

func TestKindOf(t *testing.T) {
	f := func(name, typ string, want signal.Kind) {
		t.Helper()
		if got := signal.KindOf(name, typ); got != want {
			t.Errorf("%s (%s) is %d, want %d", name, typ, got, want)
		}
	}
	f("http_requests_total", "", signal.Counter)
	f("http_requests", "counter", signal.Counter)
	f("took_seconds_bucket", "", signal.Bucket)
	f("took_seconds_sum", "histogram", signal.Sum)
	f("took_seconds_count", "summary", signal.Count)
	f("system_process_count", "gauge", signal.Gauge)
	f("system_process_count", "", signal.Unknown)
	f("process_start_time_seconds", "gauge", signal.Constant)
	f("build_info", "gauge", signal.Constant)
	f("n3k9x", "", signal.Unknown)
}

func TestOf(t *testing.T) {
	f := func(name, label, value string, want model.Role) {
		t.Helper()
		if got := signal.Of(name, []model.Label{{Name: label, Value: value}}, "counter", ""); got != want {
			t.Errorf("%s{%s=%q} is %s, want %s", name, label, value, got, want)
		}
	}
	f("http_requests_total", "code", "503", model.RoleErrors)
	f("http_requests_total", "code", "200", model.RoleTraffic)
	f("http_requests_total", "outcome", "error", model.RoleErrors)
	f("http_requests_total", "path", "500", model.RoleTraffic)
}

func TestLimitOf(t *testing.T) {
	f := func(name, unit string, want float64, labels ...model.Label) {
		t.Helper()
		l, ok := signal.LimitOf(name, labels, signal.Of(name, labels, "gauge", unit), unit)
		if ok != (want >= 0) || ok && l.Reached != want {
			t.Errorf("%s %v: %v %+v, want %g", name, labels, ok, l, want)
		}
	}
	state := func(v string) model.Label { return model.Label{Name: "state", Value: v} }
	f("system_cpu_utilization_ratio", "1", 0.95, state("user"))
	f("system_cpu_utilization_ratio", "1", 0.05, state("idle"))
	f("system_memory_utilization_ratio", "1", 0.95, state("used"))
	f("system_memory_utilization_ratio", "1", -1, state("free"))
	f("system_memory_utilization_ratio", "1", -1, state("cached"))
	f("system_filesystem_utilization_ratio", "1", 0.95, state("used"))
	f("system_filesystem_utilization_ratio", "1", -1, model.Label{Name: "type", Value: "squashfs"})
	f("cpu_usage_percent", "%", 95)
	f("request_error_ratio", "1", 0.05)
	f("success_rate", "%", 95)
	f("up", "", 0)
	f("queue_length", "", -1)
}

func TestNormOf(t *testing.T) {
	n := signal.NormOf(model.RoleLatency, "s")
	for _, c := range []struct{ level, floor float64 }{{0.0005, 0.00025}, {0.1, 0.02}, {2, 0.2}} {
		if got := n.Floor(c.level); got < c.floor*0.999 || got > c.floor*1.001 {
			t.Errorf("the floor at %g s is %g, want %g", c.level, got, c.floor)
		}
	}
	if a, b := n.Floor(0.1), signal.NormOf(model.RoleLatency, "ms").Floor(100); b < 999*a || b > 1001*a {
		t.Errorf("the floor is %g s and %g ms", a, b)
	}
	if n.Bad != 1 || signal.NormOf(model.RoleSuccess, "%").Bad != -1 || signal.NormOf(model.RoleTraffic, "").Bad != 0 {
		t.Error("directions that are bad")
	}
	if signal.NormOf(model.RoleQueue, "s") != n {
		t.Error("a time to wait is a latency")
	}
}

func TestSay(t *testing.T) {
	f := func(want, name string, pairs ...string) {
		t.Helper()
		var labels []model.Label
		for i := 0; i < len(pairs); i += 2 {
			labels = append(labels, model.Label{Name: pairs[i], Value: pairs[i+1]})
		}
		if got := signal.Say(name, labels); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	f("up", "up", "instance", "a:80", "job", "x")
	f("system_cpu_time_seconds_total (mode=idle)", "system_cpu_time_seconds_total", "cpu_mode", "idle", "host_name", "a")
	f("io (device=sda, direction=read, a=1)", "io", "system_device", "sda", "disk_io_direction", "read", "a", "1", "b", "2")
}
