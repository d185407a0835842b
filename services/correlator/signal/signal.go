// Package signal says what a series tells of its entity, from its name, type and unit. It is a table of words that the field's conventions use
// (OpenTelemetry's semantic conventions, Prometheus' naming, the exporters that many people run); what it does not know is RoleOther, and the
// detector types it from its data. Names only ever help: nothing depends on them alone.
package signal

import (
	"strings"

	"github.com/faultline-io/faultline/services/model"
)

// rule gives a role to names that have one of its words.
type rule struct {
	role  model.Role
	words []string
}

// rules are asked in order; the first one with a word in the name wins. Words match whole parts of a name between separators.
var rules = []rule{
	{model.RoleLog, []string{"log_template", "log_lines", "log_unusual_sequences"}},
	{model.RoleSelfTime, []string{"self_time", "self_duration"}},
	{model.RoleGap, []string{"gap"}},
	{model.RoleSuccess, []string{"success", "successrate", "success_rate", "availability", "available_ratio", "uptime_ratio"}},
	{model.RoleErrors, []string{"error", "errors", "err", "failed", "failure", "failures", "exception", "exceptions", "fault", "faults", "dropped", "rejected", "timeouts", "5xx", "oom", "restarts", "retransmits"}},
	{model.RoleQueue, []string{"queue", "lag", "backlog", "pending", "waiting", "inflight", "in_flight"}},
	{model.RoleUtilization, []string{"utilization", "utilisation", "usage_rate", "usagerate", "percent", "saturation", "pressure", "throttled", "throttling", "cfs"}},
	{model.RoleLatency, []string{"latency", "duration", "response_time", "responsetime", "elapsed", "rtt", "delay"}},
	{model.RoleTraffic, []string{"requests", "request", "calls", "rps", "qps", "workload", "ops", "packets", "receive", "received", "transmit", "transmitted", "sent", "throughput", "messages", "io"}},
	{model.RoleUsage, []string{"memory", "mem", "rss", "heap", "bytes", "usage", "size", "threads", "descriptors", "fds", "connections", "count", "cpu", "load"}},
	{model.RoleState, []string{"up", "ready", "healthy", "state", "status", "leader", "phase"}},
}

// Classify returns the role of a series. kind is MetricMetadata.Type, unit MetricMetadata.Unit; both may be "".
func Classify(name, kind, unit string) model.Role {
	parts := split(name)
	for _, r := range rules {
		for _, w := range r.words {
			if has(parts, w) {
				return r.role
			}
		}
	}
	switch unit {
	case "s", "ms", "us", "ns", "seconds", "milliseconds":
		if kind != "counter" {
			return model.RoleLatency
		}
	case "%", "percent":
		return model.RoleUtilization
	case "By", "bytes":
		return model.RoleUsage
	}
	return model.RoleOther
}

// split cuts a name into lower-case parts, at separators and where a small letter is followed by a capital, and puts one underscore between
// them and at both ends.
func split(name string) string {
	var b strings.Builder
	b.WriteByte('_')
	last := byte('_')
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c >= 'A' && c <= 'Z':
			if last >= 'a' && last <= 'z' {
				b.WriteByte('_')
			}
			b.WriteByte(c + 'a' - 'A')
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			b.WriteByte(c)
		default:
			if last != '_' {
				b.WriteByte('_')
			}
			c = '_'
		}
		last = c
	}
	if last != '_' {
		b.WriteByte('_')
	}
	return b.String()
}

func has(parts, word string) bool { return strings.Contains(parts, "_"+word+"_") }
