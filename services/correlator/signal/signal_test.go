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
