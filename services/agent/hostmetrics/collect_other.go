//go:build !linux

package hostmetrics

import (
	"context"
	"fmt"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"
	gnet "github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"

	"github.com/faultline-io/faultline/services/agent/telemetry"
)

// platform collects by gopsutil where there is no /proc.
type platform struct{ c *Collector }

func newPlatform(c *Collector) platform { return platform{c} }

// collectTimeout bounds one collection: some calls of these systems ask a service that may hang.
const collectTimeout = 5 * time.Second

func (p *platform) collect(b *telemetry.Builder, now time.Time, processes bool) []error {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	var errList []error
	for _, fn := range []func(context.Context, *telemetry.Builder) error{p.cpu, p.memory, p.disks, p.network} {
		if err := fn(ctx, b); err != nil {
			errList = append(errList, fmt.Errorf("collect host metrics: %w", err))
		}
	}
	b.Gauge("system.uptime", "s", now.Sub(p.c.boot).Seconds(), nil)
	if processes {
		if err := p.processes(ctx, b); err != nil {
			errList = append(errList, fmt.Errorf("collect processes: %w", err))
		}
	}
	return errList
}

func (p *platform) cpu(ctx context.Context, b *telemetry.Builder) error {
	times, err := cpu.TimesWithContext(ctx, true)
	if err != nil {
		return err
	}
	for i, t := range times {
		for _, m := range []struct {
			mode string
			v    float64
		}{{"user", t.User}, {"nice", t.Nice}, {"system", t.System}, {"idle", t.Idle}, {"iowait", t.Iowait}, {"interrupt", t.Irq + t.Softirq}, {"steal", t.Steal}} {
			b.Counter("system.cpu.time", "s", p.c.bootNS(), m.v,
				telemetry.Attrs{telemetry.Str("cpu.mode", m.mode), telemetry.Int("cpu.logical_number", int64(i))})
		}
	}
	b.UpDown("system.cpu.logical.count", "{cpu}", int64(len(times)), nil)
	if l, err := load.AvgWithContext(ctx); err == nil {
		b.Gauge("system.cpu.load_average.1m", "{thread}", l.Load1, nil)
		b.Gauge("system.cpu.load_average.5m", "{thread}", l.Load5, nil)
		b.Gauge("system.cpu.load_average.15m", "{thread}", l.Load15, nil)
	}
	return nil
}

func (p *platform) memory(ctx context.Context, b *telemetry.Builder) error {
	m, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return err
	}
	b.UpDown("system.memory.limit", "By", int64(m.Total), nil)
	for state, v := range map[string]uint64{"used": m.Used, "free": m.Free, "cached": m.Cached} {
		attrs := telemetry.Strs("system.memory.state", state)
		b.UpDown("system.memory.usage", "By", int64(v), attrs)
		b.Gauge("system.memory.utilization", "1", float64(v)/float64(max(m.Total, 1)), attrs)
	}
	if s, err := mem.SwapMemoryWithContext(ctx); err == nil && s.Total > 0 {
		b.UpDown("system.paging.usage", "By", int64(s.Used), telemetry.Strs("system.paging.state", "used"))
		b.UpDown("system.paging.usage", "By", int64(s.Free), telemetry.Strs("system.paging.state", "free"))
	}
	return nil
}

func (p *platform) disks(ctx context.Context, b *telemetry.Builder) error {
	counters, err := disk.IOCountersWithContext(ctx)
	if err == nil {
		for name, d := range counters {
			read, write := telemetry.Strs("system.device", name, "disk.io.direction", "read"), telemetry.Strs("system.device", name, "disk.io.direction", "write")
			b.CounterInt("system.disk.io", "By", p.c.bootNS(), d.ReadBytes, read)
			b.CounterInt("system.disk.io", "By", p.c.bootNS(), d.WriteBytes, write)
			b.CounterInt("system.disk.operations", "{operation}", p.c.bootNS(), d.ReadCount, read)
			b.CounterInt("system.disk.operations", "{operation}", p.c.bootNS(), d.WriteCount, write)
		}
	}
	parts, err := disk.PartitionsWithContext(ctx, false)
	if err != nil {
		return err
	}
	for _, part := range parts {
		u, err := disk.UsageWithContext(ctx, part.Mountpoint)
		if err != nil || u.Total == 0 {
			continue
		}
		attrs := telemetry.Strs("system.device", part.Device, "system.filesystem.mountpoint", part.Mountpoint, "system.filesystem.type", part.Fstype)
		b.UpDown("system.filesystem.limit", "By", int64(u.Total), attrs)
		b.Gauge("system.filesystem.utilization", "1", u.UsedPercent/100, attrs)
		b.UpDown("system.filesystem.usage", "By", int64(u.Used), telemetry.With(attrs, telemetry.Str("system.filesystem.state", "used")))
		b.UpDown("system.filesystem.usage", "By", int64(u.Free), telemetry.With(attrs, telemetry.Str("system.filesystem.state", "free")))
	}
	return nil
}

func (p *platform) network(ctx context.Context, b *telemetry.Builder) error {
	counters, err := gnet.IOCountersWithContext(ctx, true)
	if err != nil {
		return err
	}
	for _, n := range counters {
		for _, d := range []struct {
			direction                       string
			bytes, packets, errors, dropped uint64
		}{{"receive", n.BytesRecv, n.PacketsRecv, n.Errin, n.Dropin}, {"transmit", n.BytesSent, n.PacketsSent, n.Errout, n.Dropout}} {
			attrs := telemetry.Strs("network.interface.name", n.Name, "network.io.direction", d.direction)
			b.CounterInt("system.network.io", "By", p.c.bootNS(), d.bytes, attrs)
			b.CounterInt("system.network.packet.count", "{packet}", p.c.bootNS(), d.packets, attrs)
			b.CounterInt("system.network.errors", "{error}", p.c.bootNS(), d.errors, attrs)
			b.CounterInt("system.network.packet.dropped", "{packet}", p.c.bootNS(), d.dropped, attrs)
		}
	}
	return nil
}

func (p *platform) processes(ctx context.Context, b *telemetry.Builder) error {
	procs, err := process.ProcessesWithContext(ctx)
	if err != nil {
		return err
	}
	b.UpDown("system.process.count", "{process}", int64(len(procs)), nil)
	for i, pr := range largest(ctx, procs) {
		if i >= p.c.cfg.TopProcesses || ctx.Err() != nil {
			break
		}
		p.addProcess(ctx, b, pr)
	}
	return nil
}

func (p *platform) addProcess(ctx context.Context, b *telemetry.Builder, pr *process.Process) {
	name, err := pr.NameWithContext(ctx)
	if err != nil {
		return // it ended, or is not ours to see
	}
	createdMS, _ := pr.CreateTimeWithContext(ctx)
	owner, _ := pr.UsernameWithContext(ctx)
	created := time.UnixMilli(createdMS).UTC().Format("2006-01-02T15:04:05.00Z")
	attrs := append(telemetry.Strs("process.creation.time", created, "process.executable.name", name, "process.command", name, "process.owner", owner),
		telemetry.Int("process.pid", int64(pr.Pid)))
	start := uint64(createdMS) * 1e6
	if t, err := pr.TimesWithContext(ctx); err == nil {
		b.Counter("process.cpu.time", "s", start, t.User+t.System, attrs)
	}
	if m, err := pr.MemoryInfoWithContext(ctx); err == nil && m != nil {
		b.UpDown("process.memory.usage", "By", int64(m.RSS), attrs)
		b.UpDown("process.memory.virtual", "By", int64(m.VMS), attrs)
	}
	if n, err := pr.NumThreadsWithContext(ctx); err == nil {
		b.UpDown("process.thread.count", "{thread}", int64(n), attrs)
	}
}
