package rootcause

import (
	"strings"

	"github.com/faultline-io/faultline/services/model"
)

const (
	// untracedShare is what latency and gaps that somebody else measured are worth for a service whose requests are all seen.
	untracedShare = 0.3
	// otherShare is what a signal of unknown meaning is worth.
	otherShare = 0.5
	// enoughRequests is from how many requests on a quantile or a share is believed in full; below, in proportion.
	enoughRequests = 10
)

// trust takes weight off what is measured on few requests, what traces say better, and what nobody knows the meaning of.
func (c *incident) trust() {
	traced := map[int]bool{}
	byNode := map[int]float64{}
	byLabels := map[string]float64{}
	for i := range c.items {
		it := &c.items[i]
		if it.win < 0 {
			continue
		}
		s := &c.windows[it.win].Signal
		ours := isOurs(s)
		if ours {
			traced[it.node] = true
		}
		if it.rule.column != colTraffic || isBytes(s) {
			continue
		}
		n := it.total
		if ours {
			byLabels[labelsKey(s)] = n
		} else if it.from < 0 {
			byNode[it.node] = max(byNode[it.node], n)
		}
	}
	for i := range c.items {
		it := &c.items[i]
		if it.win < 0 {
			continue
		}
		s := &c.windows[it.win].Signal
		if it.role == model.RoleOther {
			it.w *= otherShare
		}
		switch it.rule.column {
		case colLatency, colGap, colSelf, colErrors:
		default:
			continue
		}
		n, known := byNode[it.node], false
		if isOurs(s) {
			n, known = byLabels[labelsKey(s)]
		} else {
			_, known = byNode[it.node]
			if traced[it.node] && (it.rule.column == colLatency || it.rule.column == colGap) {
				it.w *= untracedShare
			}
		}
		if known && n < enoughRequests {
			it.w *= n / enoughRequests
		}
	}
}

// labelsKey writes the labels of what is measured, without those that say how.
func labelsKey(s *model.SignalRef) string {
	var b strings.Builder
	for _, l := range s.Labels {
		if l.Name == "quantile" {
			continue
		}
		b.WriteString(l.Name)
		b.WriteByte(0)
		b.WriteString(l.Value)
		b.WriteByte(0)
	}
	return b.String()
}

// isOurs reports whether a series is made by the product's own stages out of spans, where every request counts.
func isOurs(s *model.SignalRef) bool {
	for _, p := range [...]string{"service_", "operation_", "instance_", "edge_", "span_"} {
		if strings.HasPrefix(s.Name, p) && model.Lookup(s.Labels, "service")+model.Lookup(s.Labels, "server") != "" {
			return true
		}
	}
	return false
}
