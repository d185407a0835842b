package otlp

import (
	"strings"
	"sync"

	"github.com/prometheus/otlptranslator"

	"github.com/faultline-io/faultline/services/model"
)

// promoted are the resource attributes that become labels of every series of the resource, besides job and instance.
var promoted = [...]string{
	model.AttrHostID, model.AttrHostName, model.AttrServiceName, model.AttrServiceNS, "service.version",
	"deployment.environment.name", model.AttrContainerID, "k8s.namespace.name", "k8s.pod.name", "k8s.node.name",
}

func isPromoted(name string) bool {
	for _, p := range promoted {
		if p == name {
			return true
		}
	}
	return false
}

// maxNames bounds the caches of translated names; when one is full it starts afresh.
const maxNames = 50_000

// names translates metric and label names and remembers the translation. It is safe for several goroutines.
type names struct {
	metric otlptranslator.MetricNamer
	label  otlptranslator.LabelNamer
	// mu guards the maps.
	mu      sync.RWMutex
	metrics map[metricKey]string
	labels  map[string]string
}

type metricKey struct {
	name, unit string
	kind       otlptranslator.MetricType
}

func newNames() *names {
	return &names{
		metric: otlptranslator.NewMetricNamer("", otlptranslator.UnderscoreEscapingWithSuffixes),
		// As in Prometheus' default configuration, which keeps it for backwards compatibility.
		label:   otlptranslator.LabelNamer{PreserveMultipleUnderscores: true},
		metrics: map[metricKey]string{},
		labels:  map[string]string{},
	}
}

// family returns the name of a metric under PromQL, or "" when it has none.
func (n *names) family(name, unit string, kind otlptranslator.MetricType) string {
	k := metricKey{name, unit, kind}
	n.mu.RLock()
	family, ok := n.metrics[k]
	n.mu.RUnlock()
	if ok {
		return family
	}
	family, err := n.metric.Build(otlptranslator.Metric{Name: name, Unit: unit, Type: kind})
	if err != nil {
		family = ""
	}
	k.name, k.unit = strings.Clone(name), strings.Clone(unit) // they alias a request
	family = strings.Clone(family)
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.metrics) >= maxNames {
		clear(n.metrics)
	}
	n.metrics[k] = family
	return family
}

// labelName returns an attribute's name as a label, or "" when it has none.
func (n *names) labelName(name string) string {
	n.mu.RLock()
	label, ok := n.labels[name]
	n.mu.RUnlock()
	if ok {
		return label
	}
	label, err := n.label.Build(name)
	switch {
	case err != nil:
		label = ""
	case strings.HasPrefix(label, "_") && !strings.HasPrefix(label, "__"):
		// Prometheus' default too (label_name_underscore_sanitization): a single leading underscore is not kept.
		label = "key" + label
	}
	label, name = strings.Clone(label), strings.Clone(name)
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.labels) >= maxNames {
		clear(n.labels)
	}
	n.labels[name] = label
	return label
}
