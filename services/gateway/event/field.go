package event

import (
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/gateway/intake"
)

// role is what a field is for.
type role uint8

const (
	roleAttribute role = iota
	roleTime
	roleMessage
	roleLevel
	roleTrace
	roleSpan
	roleResource
	roles
)

// field is what a name means. The lower rank wins where several fields have one role.
type field struct {
	text  string
	role  role
	rank  uint8
	canon string // of a resource: OpenTelemetry's name for it
}

// general are names in general use, best first, for each role.
var general = []struct {
	role  role
	names []string
}{
	{roleTime, []string{"@timestamp", "_time", "timestamp", "time", "ts", "_timestamp", "datetime", "date", "eventtime", "event_time", "t", "@t"}},
	{roleMessage, []string{"_msg", "message", "msg", "log", "body", "short_message", "text", "@m", "event.original", "line", "event"}},
	{roleLevel, []string{"log.level", "level", "severity", "severity_text", "loglevel", "log_level", "levelname", "lvl", "severitytext", "@l", "severity.text", "priority"}},
	{roleTrace, []string{"trace.id", "trace_id", "traceid", "trace", "otel.trace_id", "@tr"}},
	{roleSpan, []string{"span.id", "span_id", "spanid", "span", "otel.span_id", "@sp"}},
}

// identities are the names under which shippers send what OpenTelemetry has a resource attribute for, best first.
var identities = map[string][]string{
	"service.name":                {"service.name", "service_name", "service", "app", "app_name", "appname", "application", "kubernetes.labels.app.kubernetes.io/name", "kubernetes.labels.app_kubernetes_io/name", "kubernetes.labels.app"},
	"service.namespace":           {"service.namespace", "service_namespace"},
	"service.version":             {"service.version", "service_version"},
	"service.instance.id":         {"service.instance.id", "service.node.name", "service_instance_id"},
	"deployment.environment.name": {"deployment.environment.name", "deployment.environment", "service.environment", "environment", "env"},
	"host.name":                   {"host.name", "host.hostname", "hostname", "host", "host_name", "agent.hostname", "beat.hostname", "_hostname", "nodename"},
	"host.id":                     {"host.id", "host_id"},
	"host.arch":                   {"host.arch", "host.architecture"},
	"host.type":                   {"host.type"},
	"host.ip":                     {"host.ip"},
	"host.mac":                    {"host.mac"},
	"container.id":                {"container.id", "container_id", "kubernetes.docker_id"},
	"container.name":              {"container.name", "container_name"},
	"container.image.name":        {"container.image.name", "kubernetes.container_image"},
	"container.runtime":           {"container.runtime"},
	"k8s.pod.name":                {"k8s.pod.name", "kubernetes.pod.name", "kubernetes.pod_name"},
	"k8s.pod.uid":                 {"k8s.pod.uid", "kubernetes.pod.uid", "kubernetes.pod_id"},
	"k8s.pod.ip":                  {"k8s.pod.ip", "kubernetes.pod.ip", "kubernetes.pod_ip"},
	"k8s.namespace.name":          {"k8s.namespace.name", "kubernetes.namespace", "kubernetes.namespace_name", "kubernetes.namespace.name"},
	"k8s.node.name":               {"k8s.node.name", "kubernetes.node.name", "kubernetes.host"},
	"k8s.container.name":          {"k8s.container.name", "kubernetes.container.name", "kubernetes.container_name"},
	"k8s.deployment.name":         {"k8s.deployment.name", "kubernetes.deployment.name"},
	"k8s.statefulset.name":        {"k8s.statefulset.name", "kubernetes.statefulset.name"},
	"k8s.daemonset.name":          {"k8s.daemonset.name", "kubernetes.daemonset.name"},
	"k8s.cluster.name":            {"k8s.cluster.name", "orchestrator.cluster.name"},
}

// prefixes are of fields that are the same for all that one sender sends.
var prefixes = []string{"host.os.", "agent.", "cloud.", "container.image.", "container.labels.", "kubernetes.labels.", "kubernetes.annotations.", "kubernetes.node.", "orchestrator.", "data_stream."}

// byName has the roles of all names that are known without being told.
var byName = func() map[string]field {
	m := map[string]field{}
	for _, g := range general {
		for i, n := range g.names {
			m[n] = field{role: g.role, rank: uint8(i + 1)}
		}
	}
	for canon, names := range identities {
		for i, n := range names {
			m[n] = field{role: roleResource, rank: uint8(i + 1), canon: canon}
		}
	}
	return m
}()

// field returns what a name means. Names seen before cost a look-up.
func (w *Writer) field(name []byte) *field {
	if f, ok := w.names[string(name)]; ok {
		return f
	}
	if len(w.names) >= maxNames {
		clear(w.names) // The names of events that wait are not the map's, so that they stay.
	}
	text := intake.Valid(intake.Cut(strings.Clone(string(name)), maxNameBytes))
	f := w.meaning(text)
	w.names[string(name)] = &f
	return &f
}

func (w *Writer) meaning(text string) field {
	told := func(names []string, r role) (field, bool) {
		for i, n := range names {
			if n == text {
				return field{text: text, role: r, rank: uint8(min(i, none-2)), canon: text}, true
			}
		}
		return field{}, false
	}
	if f, ok := told(w.opts.Time, roleTime); ok {
		return f
	}
	if f, ok := told(w.opts.Message, roleMessage); ok {
		return f
	}
	if f, ok := told(w.opts.Resource, roleResource); ok {
		if b, ok := byName[strings.ToLower(text)]; ok && b.role == roleResource {
			f.canon, f.rank = b.canon, b.rank
		}
		return f
	}
	if f, ok := byName[strings.ToLower(text)]; ok {
		f.text = text
		if f.role == roleTime && w.opts.Time != nil || f.role == roleMessage && w.opts.Message != nil {
			f.role = roleAttribute
		}
		return f
	}
	for _, p := range prefixes {
		if strings.HasPrefix(text, p) {
			return field{text: text, role: roleResource, canon: text}
		}
	}
	return field{text: text}
}

// levelOf reads a level: a name, OpenTelemetry's number of 1 to 24 in severity_number, or a number of ten to sixty as pino and bunyan count.
func levelOf(text string, number bool) uint8 {
	if !number && (len(text) == 0 || text[0] > '9') {
		return intake.SeverityOf(text)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	switch {
	case n >= 60 && n < 70:
		return 21
	case n >= 50 && n < 60:
		return 17
	case n >= 40 && n < 50:
		return 13
	case n >= 30 && n < 40:
		return 9
	case n == 20:
		return 5
	case n == 10:
		return 1
	}
	return 0
}

// SyslogSeverity returns OpenTelemetry's number for a severity of syslog, 0 (emergency) to 7 (debug); 0 for what is none.
func SyslogSeverity(n int) uint8 {
	if n < 0 || n > 7 {
		return 0
	}
	return [...]uint8{24, 22, 21, 17, 13, 10, 9, 5}[n]
}
