package signal

import (
	"strings"

	"github.com/faultline-io/faultline/services/model"
)

// identity are labels that say whose a series is; a sentence names the entity anyway.
var identity = map[string]bool{
	"host": true, "hostname": true, "host_id": true, "host_name": true, "host.id": true, "host.name": true, "instance": true, "job": true, "node": true,
	"service": true, "service_name": true, "service_namespace": true, "service_instance_id": true, "service.name": true, "app": true, "namespace": true,
	"pod": true, "pod_name": true, "container": true, "container_id": true, "container_name": true, "k8s_pod_name": true, "k8s_node_name": true,
	"k8s_namespace_name": true, "cluster": true, "environment": true, "env": true, "template": true,
}

// maxLabels and maxSay bound what is said of a series.
const (
	maxLabels = 3
	maxSay    = 120
)

// Say returns what a series is called in a sentence: its name, and the labels that tell it from its siblings, with the last word of their names:
// "system_cpu_utilization_ratio (mode=idle)".
func Say(name string, labels []model.Label) string {
	var b strings.Builder
	b.WriteString(name)
	n := 0
	for _, l := range labels {
		if identity[l.Name] || l.Value == "" || l.Name == model.LabelName || n == maxLabels {
			continue
		}
		if n == 0 {
			b.WriteString(" (")
		} else {
			b.WriteString(", ")
		}
		b.WriteString(l.Name[strings.LastIndexAny(l.Name, "_.")+1:])
		b.WriteByte('=')
		b.WriteString(l.Value)
		n++
	}
	if n > 0 {
		b.WriteByte(')')
	}
	s := b.String()
	if len(s) > maxSay {
		s = strings.ToValidUTF8(s[:maxSay], "") + "…"
	}
	return s
}
