package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/faultline-io/faultline/services/agent/inventory"
	"github.com/faultline-io/faultline/services/agent/telemetry"
)

// oncePause lies between the two readings that utilisations are computed from.
const oncePause = time.Second

// onceMetric is one point as Once prints it.
type onceMetric struct {
	Name       string         `json:"name"`
	Unit       string         `json:"unit"`
	Attributes map[string]any `json:"attributes,omitempty"`
	Value      any            `json:"value"`
}

// onceReport is what Once prints.
type onceReport struct {
	Host      map[string]any `json:"host"`
	Inventory map[string]any `json:"inventory"`
	Metrics   []onceMetric   `json:"metrics"`
	Errors    []string       `json:"errors"`
}

// Once reads everything that the agent would send about the host's state, prints it to w as JSON, and sends and stores nothing.
func Once(ctx context.Context, cfg Config, deps Deps, w io.Writer) error {
	deps.fill()
	// A made-up host id is not kept here: the folder may not exist, and nothing is sent.
	state := cfg.StateDir
	if _, err := os.Stat(state); err != nil {
		state = ""
	}
	host, err := inventory.Discover(inventory.Config{Proc: cfg.ProcPath, Sys: cfg.SysPath, Root: cfg.RootPath, HostID: cfg.HostID,
		Tags: cfg.Tags, Version: deps.Version, StateDir: state})
	if err != nil {
		return fmt.Errorf("identify host: %w", err)
	}
	c := newCollector(cfg, host, deps.Log)
	c.Collect(telemetry.NewBuilder(0), deps.Clock(), true)
	t := time.NewTimer(oncePause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
	}
	now := deps.Clock()
	b := telemetry.NewBuilder(now.UnixNano())
	report := onceReport{Host: attrMap(host.Resource), Inventory: attrMap(host.Inventory()), Errors: []string{}}
	for _, err := range c.Collect(b, now, true) {
		report.Errors = append(report.Errors, err.Error())
	}
	if rm := b.ResourceMetrics(nil, scopeName, deps.Version); rm != nil {
		for _, m := range rm.ScopeMetrics[0].Metrics {
			report.Metrics = append(report.Metrics, oncePoints(m)...)
		}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(report)
}

func oncePoints(m *metricspb.Metric) []onceMetric {
	points := m.GetGauge().GetDataPoints()
	if s := m.GetSum(); s != nil {
		points = s.GetDataPoints()
	}
	out := make([]onceMetric, 0, len(points))
	for _, p := range points {
		o := onceMetric{Name: m.GetName(), Unit: m.GetUnit(), Attributes: attrMap(p.GetAttributes()), Value: p.GetAsDouble()}
		if v, ok := p.GetValue().(*metricspb.NumberDataPoint_AsInt); ok {
			o.Value = v.AsInt
		}
		out = append(out, o)
	}
	return out
}

func attrMap(attrs telemetry.Attrs) map[string]any {
	out := make(map[string]any, len(attrs))
	for _, kv := range attrs {
		switch v := kv.GetValue().GetValue().(type) {
		case *commonpb.AnyValue_StringValue:
			out[kv.GetKey()] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			out[kv.GetKey()] = v.IntValue
		}
	}
	return out
}
