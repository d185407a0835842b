package world

import (
	"fmt"
	"strings"
)

// Describe writes the state of the flows for people who write scenarios: load, times and failures of each part.
func (w *World) Describe() string {
	var b strings.Builder
	for _, h := range w.hosts {
		if !h.hidden {
			fmt.Fprintf(&b, "host %-10s up=%-5v cpu=%3.0f%% io=%3.0f%% memory=%3.0f%% disk=%3.0f%%\n", h.Name, h.up, 100*h.busy, 100*h.ioBusy, 100*h.memory/h.Memory, 100*h.diskUsed()/h.Disk)
		}
	}
	for _, p := range w.order {
		for _, o := range p.ops {
			fmt.Fprintf(&b, "%-10s %-10s %7.2f/s %8.1f ms fail %5.2f%%", p.Name, o.Name, o.lambda, 1000*o.resp, 100*o.fail)
			if p.Kind == Queue {
				fmt.Fprintf(&b, " ready %.0f", p.ready)
			}
			for _, i := range p.instances {
				if o.index == 0 && !i.gone && p.Kind != Outside {
					fmt.Fprintf(&b, " [%s up=%v %.2f cores, %.0f/s of %.0f, %.0f MB, %.0f wait]", i.name, i.up, min(i.demand, i.cpuCap), o.lambda*i.weight, i.capacity, i.memory/(1<<20), i.backlog)
				}
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// Flow is what goes through an operation now.
type Flow struct {
	Part, Op string
	// Rate is in requests a second, Seconds the mean time of one, Failing the share that fails.
	Rate, Seconds, Failing float64
}

// Flows returns what goes through all operations, for tests of scenarios: the brain never sees it.
func (w *World) Flows() []Flow {
	var out []Flow
	for _, p := range w.parts {
		for _, o := range p.ops {
			out = append(out, Flow{Part: p.Name, Op: o.Name, Rate: o.lambda, Seconds: o.resp, Failing: o.fail})
		}
	}
	return out
}
