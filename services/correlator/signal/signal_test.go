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
}
