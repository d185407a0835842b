package agent

import (
	"context"
	"log/slog"
	"time"

	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"github.com/faultline-io/faultline/services/agent/hostmetrics"
	"github.com/faultline-io/faultline/services/agent/inventory"
	"github.com/faultline-io/faultline/services/agent/ship"
	"github.com/faultline-io/faultline/services/agent/telemetry"
)

const scopeName = "faultline.agent"

// measurer collects metrics at the agent's interval.
type measurer struct {
	a          *Agent
	collector  *hostmetrics.Collector
	resource   telemetry.Attrs
	startNS    uint64
	rounds     int
	nextTop    time.Time
	errorsSeen map[string]bool
	scratch    []byte
}

func (a *Agent) newMeasurer() *measurer {
	return &measurer{a: a, resource: telemetry.With(a.host.Resource, agentResource(a.host.ID, a.deps.Version)...),
		collector: newCollector(a.cfg, a.host, a.deps.Log),
		startNS:   uint64(a.deps.Clock().UnixNano()), errorsSeen: map[string]bool{}}
}

func newCollector(cfg Config, host *inventory.Host, log *slog.Logger) *hostmetrics.Collector {
	return hostmetrics.New(hostmetrics.Config{Proc: cfg.ProcPath, Sys: cfg.SysPath, Root: cfg.RootPath, TopProcesses: cfg.TopProcesses}, host.Boot, log)
}

// agentResource are the attributes of the agent as a service of its host.
func agentResource(hostID, version string) telemetry.Attrs {
	return telemetry.Strs("service.name", "faultline-agent", "service.instance.id", hostID, "service.version", version)
}

// measure collects until ctx ends. The ticker runs on the monotonic clock, so a step of the wall clock makes no gap and no burst.
func (a *Agent) measure(ctx context.Context, p *pipes) error {
	m := a.newMeasurer()
	t := time.NewTicker(a.cfg.Interval)
	defer t.Stop()
	for {
		m.round(ctx, p)
		if m.rounds == 1 {
			close(a.ready)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// round collects once and puts the batch into the spool.
func (m *measurer) round(ctx context.Context, p *pipes) {
	now := m.a.deps.Clock()
	m.rounds++
	p.logs.spool.Flush()
	// The second round follows the first at once, as shares of a core need two readings; then the slower pace begins.
	processes := m.rounds <= 2 || !now.Before(m.nextTop)
	if processes {
		m.nextTop = now.Add(m.a.cfg.ProcessInterval - m.a.cfg.Interval/2)
	}
	host := telemetry.NewBuilder(now.UnixNano())
	for _, err := range m.collector.Collect(host, now, processes) {
		if text := err.Error(); !m.errorsSeen[text] && len(m.errorsSeen) < 100 {
			m.errorsSeen[text] = true
			m.a.deps.Log.WarnContext(ctx, "some host metrics cannot be read", slog.String("error", text))
		}
	}
	own := telemetry.NewBuilder(now.UnixNano())
	m.own(own, p)
	data := &metricspb.MetricsData{}
	for _, rm := range []*metricspb.ResourceMetrics{host.ResourceMetrics(m.a.host.Resource, scopeName, m.a.deps.Version),
		own.ResourceMetrics(m.resource, scopeName, m.a.deps.Version)} {
		if rm != nil {
			data.ResourceMetrics = append(data.ResourceMetrics, rm)
		}
	}
	raw, err := proto.MarshalOptions{}.MarshalAppend(m.scratch[:0], data)
	if err == nil {
		m.scratch = raw[:0]
		enc, payload, eerr := p.encodeMetrics.encode(raw)
		if err = eerr; err == nil {
			_, err = p.metrics.spool.Append(host.Points()+own.Points(), enc, len(raw), payload, nil)
		}
	}
	if err != nil {
		m.a.deps.Log.ErrorContext(ctx, "metrics of this round were lost", slog.String("error", err.Error()))
	}
}

// own adds the metrics of the agent itself. All are single points, so that what the agent counts as sent is what the receiver counts.
func (m *measurer) own(b *telemetry.Builder, p *pipes) {
	for _, s := range []struct {
		signal string
		pipe   pipe
	}{{"metrics", p.metrics}, {"logs", p.logs}} {
		signal := telemetry.Strs("faultline.signal", s.signal)
		st, sh := s.pipe.spool.Stats(), s.pipe.shipper.Stats()
		b.CounterInt("faultline.agent.items.spooled", "{item}", 0, st.Cumulative, signal)
		b.CounterInt("faultline.agent.items.dropped", "{item}", 0, st.Dropped, telemetry.With(signal, telemetry.Str("reason", "spool_full")))
		b.CounterInt("faultline.agent.items.dropped", "{item}", 0, st.Damaged, telemetry.With(signal, telemetry.Str("reason", "spool_damaged")))
		b.UpDown("faultline.agent.spool.bytes", "By", st.Bytes, signal)
		b.UpDown("faultline.agent.spool.memory", "By", st.MemoryBytes, signal)
		b.UpDown("faultline.agent.spool.pending", "{item}", int64(st.Pending), signal)
		m.delivery(b, sh, signal)
	}
	if p.tailer != nil {
		st := p.tailer.Stats()
		b.UpDown("faultline.agent.log.files", "{file}", int64(st.Files), nil)
		b.CounterInt("faultline.agent.log.cut_lines", "{line}", m.startNS, st.CutLines, nil)
		b.CounterInt("faultline.agent.log.truncations", "{truncation}", m.startNS, st.Truncations, nil)
	}
	b.CounterInt("faultline.agent.log.lost", "{record}", m.startNS, p.batcher.Lost(), nil)
	if u, ok := readUsage(); ok {
		b.UpDown("faultline.agent.memory.rss", "By", int64(u.rssBytes), nil)
		b.Counter("faultline.agent.cpu.time", "s", m.startNS, u.cpuSeconds, nil)
	}
}

func (m *measurer) delivery(b *telemetry.Builder, sh ship.Stats, signal telemetry.Attrs) {
	b.CounterInt("faultline.agent.items.sent", "{item}", m.startNS, sh.SentItems, signal)
	b.CounterInt("faultline.agent.batches.sent", "{batch}", m.startNS, sh.SentBatches, signal)
	b.CounterInt("faultline.agent.bytes.sent", "By", m.startNS, sh.SentBytes, signal)
	b.CounterInt("faultline.agent.send.failures", "{attempt}", m.startNS, sh.Failures, signal)
	b.Counter("faultline.agent.send.duration", "s", m.startNS, sh.Latency.Seconds(), signal)
	for reason, n := range sh.Rejected {
		b.CounterInt("faultline.agent.items.rejected", "{item}", m.startNS, n, telemetry.With(signal, telemetry.Str("reason", reason)))
	}
}
