package hostmetrics

import (
	"bytes"
	"strconv"
	"time"

	"github.com/faultline-io/faultline/services/agent/telemetry"
)

// cpuModes are the columns of /proc/stat by OpenTelemetry's names. softirq is added to interrupt as the conventions have one mode;
// guest time is already inside user and nice.
var cpuModes = [...]string{"user", "nice", "system", "idle", "iowait", "interrupt", "steal"}

type cpuTimes [len(cpuModes)]uint64

type cpuState struct {
	last cpuTimes
	seen bool
}

func parseCPULine(line []byte) cpuTimes {
	var raw [8]uint64
	uints(line, raw[:])
	return cpuTimes{raw[0], raw[1], raw[2], raw[3], raw[4], raw[5] + raw[6], raw[7]}
}

func (p *platform) collectCPU(b *telemetry.Builder, _ time.Time) error {
	data, err := p.r.read(p.c.proc("stat"))
	if err != nil {
		return err
	}
	cpus := 0
	var total cpuTimes
	for len(data) > 0 {
		var line []byte
		line, data = nextLine(data)
		switch {
		case bytes.HasPrefix(line, []byte("cpu ")):
			total = parseCPULine(line[4:])
		case bytes.HasPrefix(line, []byte("cpu")):
			number, rest := nextField(line[3:])
			times := parseCPULine(rest)
			n := int64(parseUint(number))
			for i, mode := range cpuModes {
				attrs := p.attr.get(attrKey{"cpu", string(number), mode, ""}, func() telemetry.Attrs {
					return telemetry.Attrs{telemetry.Str("cpu.mode", mode), telemetry.Int("cpu.logical_number", n)}
				})
				b.Counter("system.cpu.time", "s", p.c.bootNS(), float64(times[i])/ticksPerSecond, attrs)
			}
			cpus++
		case bytes.HasPrefix(line, []byte("processes ")):
			b.CounterInt("system.process.created", "{process}", p.c.bootNS(), parseUint(line[len("processes "):]), nil)
		case bytes.HasPrefix(line, []byte("ctxt ")):
			b.CounterInt("system.linux.context_switches", "{switch}", p.c.bootNS(), parseUint(line[len("ctxt "):]), nil)
		}
	}
	b.UpDown("system.cpu.logical.count", "{cpu}", int64(cpus), nil)
	p.cpuUtilization(b, total)
	return nil
}

// cpuUtilization adds the share of each mode since the last collection. A counter that fell (iowait and steal may) counts as unmoved.
func (p *platform) cpuUtilization(b *telemetry.Builder, total cpuTimes) {
	last, seen := p.cpu.last, p.cpu.seen
	p.cpu.last, p.cpu.seen = total, true
	if !seen {
		return
	}
	var sum uint64
	var delta cpuTimes
	for i := range total {
		if total[i] > last[i] {
			delta[i] = total[i] - last[i]
		}
		sum += delta[i]
	}
	if sum == 0 {
		return
	}
	for i, mode := range cpuModes {
		b.Gauge("system.cpu.utilization", "1", float64(delta[i])/float64(sum), p.attr.pair("cpu.mode", mode, "", ""))
	}
}

func (p *platform) collectLoad(b *telemetry.Builder, _ time.Time) error {
	data, err := p.r.read(p.c.proc("loadavg"))
	if err != nil {
		return err
	}
	for _, name := range []string{"system.cpu.load_average.1m", "system.cpu.load_average.5m", "system.cpu.load_average.15m"} {
		var f []byte
		f, data = nextField(data)
		v, err := strconv.ParseFloat(string(f), 64)
		if err != nil {
			return err
		}
		b.Gauge(name, "{thread}", v, nil)
	}
	return nil
}

func (p *platform) collectUptime(b *telemetry.Builder, _ time.Time) error {
	data, err := p.r.read(p.c.proc("uptime"))
	if err != nil {
		return err
	}
	f, _ := nextField(data)
	v, err := strconv.ParseFloat(string(f), 64)
	if err != nil {
		return err
	}
	b.Gauge("system.uptime", "s", v, nil)
	return nil
}

// collectPressure reads pressure stall information: the time in which some or all tasks waited for a resource, and the share of the
// last ten seconds.
func (p *platform) collectPressure(b *telemetry.Builder, _ time.Time) error {
	var firstErr error
	for _, resource := range []string{"cpu", "memory", "io"} {
		data, err := p.r.read(p.c.proc("pressure", resource))
		if err != nil {
			firstErr = err
			continue
		}
		for len(data) > 0 {
			var line []byte
			line, data = nextLine(data)
			kind, rest := nextField(line)
			if len(kind) == 0 {
				continue
			}
			attrs := p.attr.pair("system.linux.pressure.resource", resource, "system.linux.pressure.type", string(kind))
			for f, rest := nextField(rest); len(f) > 0; f, rest = nextField(rest) {
				name, value, _ := bytes.Cut(f, []byte("="))
				switch string(name) {
				case "avg10":
					if v, err := strconv.ParseFloat(string(value), 64); err == nil {
						b.Gauge("system.linux.pressure.avg10", "1", v/100, attrs)
					}
				case "total":
					b.Counter("system.linux.pressure.time", "s", p.c.bootNS(), float64(parseUint(value))/1e6, attrs)
				}
			}
		}
	}
	return firstErr
}
