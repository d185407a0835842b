package hostmetrics

import (
	"bytes"
	"time"

	"github.com/faultline-io/faultline/services/agent/telemetry"
)

// meminfo holds the lines of /proc/meminfo that are reported, in bytes.
type meminfo struct {
	total, free, available, buffers, cached, reclaimable, unreclaimable, shared, swapTotal, swapFree uint64
}

func parseMeminfo(data []byte) meminfo {
	var m meminfo
	for len(data) > 0 {
		var line []byte
		line, data = nextLine(data)
		name, rest, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		value, _ := nextField(rest)
		kib := parseUint(value) * 1024
		switch string(name) {
		case "MemTotal":
			m.total = kib
		case "MemFree":
			m.free = kib
		case "MemAvailable":
			m.available = kib
		case "Buffers":
			m.buffers = kib
		case "Cached":
			m.cached = kib
		case "SReclaimable":
			m.reclaimable = kib
		case "SUnreclaim":
			m.unreclaimable = kib
		case "Shmem":
			m.shared = kib
		case "SwapTotal":
			m.swapTotal = kib
		case "SwapFree":
			m.swapFree = kib
		}
	}
	return m
}

// used returns what neither free pages nor caches that the kernel gives back hold. The states then add up to the total.
func (m meminfo) used() uint64 {
	rest := m.free + m.buffers + m.cached + m.reclaimable
	if rest > m.total {
		return 0
	}
	return m.total - rest
}

func (p *platform) collectMemory(b *telemetry.Builder, _ time.Time) error {
	data, err := p.r.read(p.c.proc("meminfo"))
	if err != nil {
		return err
	}
	m := parseMeminfo(data)
	b.UpDown("system.memory.limit", "By", int64(m.total), nil)
	for _, s := range []struct {
		state string
		bytes uint64
	}{{"used", m.used()}, {"free", m.free}, {"buffers", m.buffers}, {"cached", m.cached + m.reclaimable}} {
		attrs := p.attr.pair("system.memory.state", s.state, "", "")
		b.UpDown("system.memory.usage", "By", int64(s.bytes), attrs)
		if m.total > 0 {
			b.Gauge("system.memory.utilization", "1", float64(s.bytes)/float64(m.total), attrs)
		}
	}
	b.UpDown("system.memory.linux.available", "By", int64(m.available), nil)
	b.UpDown("system.memory.linux.shared", "By", int64(m.shared), nil)
	b.UpDown("system.memory.linux.slab.usage", "By", int64(m.reclaimable), p.attr.pair("system.memory.linux.slab.state", "reclaimable", "", ""))
	b.UpDown("system.memory.linux.slab.usage", "By", int64(m.unreclaimable), p.attr.pair("system.memory.linux.slab.state", "unreclaimable", "", ""))
	if m.swapTotal > 0 {
		used := m.swapTotal - min(m.swapFree, m.swapTotal)
		b.UpDown("system.paging.usage", "By", int64(used), p.attr.pair("system.paging.state", "used", "", ""))
		b.UpDown("system.paging.usage", "By", int64(m.swapFree), p.attr.pair("system.paging.state", "free", "", ""))
		b.Gauge("system.paging.utilization", "1", float64(used)/float64(m.swapTotal), p.attr.pair("system.paging.state", "used", "", ""))
	}
	return nil
}

func (p *platform) collectPaging(b *telemetry.Builder, _ time.Time) error {
	data, err := p.r.read(p.c.proc("vmstat"))
	if err != nil {
		return err
	}
	var in, out, faults, major, oom uint64
	for len(data) > 0 {
		var line []byte
		line, data = nextLine(data)
		name, value := nextField(line)
		value, _ = nextField(value)
		switch string(name) {
		case "pswpin":
			in = parseUint(value)
		case "pswpout":
			out = parseUint(value)
		case "pgfault":
			faults = parseUint(value)
		case "pgmajfault":
			major = parseUint(value)
		case "oom_kill":
			oom = parseUint(value)
		}
	}
	start := p.c.bootNS()
	b.CounterInt("system.paging.operations", "{operation}", start, in, p.attr.pair("system.paging.direction", "in", "system.paging.fault.type", "major"))
	b.CounterInt("system.paging.operations", "{operation}", start, out, p.attr.pair("system.paging.direction", "out", "system.paging.fault.type", "major"))
	b.CounterInt("system.paging.faults", "{fault}", start, major, p.attr.pair("system.paging.fault.type", "major", "", ""))
	b.CounterInt("system.paging.faults", "{fault}", start, faults-min(major, faults), p.attr.pair("system.paging.fault.type", "minor", "", ""))
	b.CounterInt("system.linux.oom_kills", "{kill}", start, oom, nil)
	return nil
}
