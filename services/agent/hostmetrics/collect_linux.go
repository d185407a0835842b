package hostmetrics

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/faultline-io/faultline/services/agent/telemetry"
)

// ticksPerSecond is USER_HZ, which Linux has fixed at 100 in all interfaces to user space on every architecture Go supports.
const ticksPerSecond = 100

// platform is the state of the Linux readers between collections.
type platform struct {
	c    *Collector
	r    reader
	cpu  cpuState
	net  connState
	proc processState
	attr attrCache
}

func newPlatform(c *Collector) platform {
	return platform{c: c, attr: attrCache{m: map[attrKey]telemetry.Attrs{}}, proc: newProcessState()}
}

func (p *platform) collect(b *telemetry.Builder, now time.Time, processes bool) []error {
	steps := []struct {
		name string
		fn   func(*telemetry.Builder, time.Time) error
	}{
		{"cpu", p.collectCPU}, {"load", p.collectLoad}, {"memory", p.collectMemory}, {"paging", p.collectPaging},
		{"disk", p.collectDisks}, {"filesystem", p.collectFilesystems}, {"network", p.collectNetwork},
		{"connections", p.collectConnections}, {"pressure", p.collectPressure}, {"uptime", p.collectUptime},
		{"temperature", p.collectTemperatures},
	}
	var errList []error
	for _, s := range steps {
		// What this kernel does not have (pressure stall, swap accounting) is no error.
		if err := s.fn(b, now); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errList = append(errList, fmt.Errorf("collect %s: %w", s.name, err))
		}
	}
	// Every collection counts the states of the processes; only some report the top ones.
	if err := p.collectProcesses(b, now, processes); err != nil {
		errList = append(errList, fmt.Errorf("collect processes: %w", err))
	}
	p.attr.sweep()
	return errList
}

// attrKey names up to three attribute values of one family of points.
type attrKey struct {
	family  string
	a, b, c string
}

// attrCache keeps attribute lists alive between collections, so that a steady host builds none. Lists that were not used for some
// collections leave.
type attrCache struct {
	m    map[attrKey]telemetry.Attrs
	used map[attrKey]struct{}
	age  int
}

// sweepEvery is after how many collections unused lists are dropped.
const sweepEvery = 30

func (a *attrCache) get(key attrKey, build func() telemetry.Attrs) telemetry.Attrs {
	if a.used == nil {
		a.used = map[attrKey]struct{}{}
	}
	a.used[key] = struct{}{}
	v, ok := a.m[key]
	if !ok {
		v = build()
		a.m[key] = v
	}
	return v
}

func (a *attrCache) sweep() {
	if a.age++; a.age < sweepEvery {
		return
	}
	for k := range a.m {
		if _, ok := a.used[k]; !ok {
			delete(a.m, k)
		}
	}
	a.age = 0
	clear(a.used)
}

// pair returns the attributes name1=value1 and, when name2 is not empty, name2=value2.
func (a *attrCache) pair(name1, value1, name2, value2 string) telemetry.Attrs {
	return a.get(attrKey{name1 + "\x00" + name2, value1, value2, ""}, func() telemetry.Attrs {
		if name2 == "" {
			return telemetry.Strs(name1, value1)
		}
		return telemetry.Strs(name1, value1, name2, value2)
	})
}
