// Package world simulates a small world of services on hosts, with their database, cache, queue and what lies outside, and emits the
// telemetry that such a world would send: batches of metrics from several senders, spans, log lines and changes, in order of arrival.
//
// It is a model of flows, not of single requests: in each step the rates of requests go down the call graph, and response times and
// failures come up again. Processors, disks, threads and connections have limits, what does not fit waits or is refused, callers give up
// and try again; so saturation, back-pressure, retry storms and victims come about by themselves, and only their origin is injected.
// Single requests are drawn from the state of the flows where spans and log lines need them.
//
// The same specification, plan and seed give the same bytes. A simulated hour of a world of eight services costs about a tenth of a second.
package world

import (
	"fmt"
	"slices"
	"time"
)

// Kind says what a part is.
type Kind string

// The kinds of parts. An outside one is called and tells nothing of itself.
const (
	Service  Kind = "service"
	Database Kind = "database"
	Cache    Kind = "cache"
	Queue    Kind = "queue"
	Outside  Kind = "outside"
)

// Spec describes a world.
type Spec struct {
	Name  string
	Hosts []HostSpec
	Parts []PartSpec
	Loads []LoadSpec
	Sends Telemetry
}

// HostSpec is a machine.
type HostSpec struct {
	Name          string
	Cores         float64
	Memory, Disk  float64 // Bytes.
	IOPS          float64 // Operations a second that the disk takes.
	Used          float64 // Share of the disk that is used at the start.
	LogsPerSecond float64 // Bytes of log files a second; they are rotated.
}

// PartSpec is a service, a database, a cache, a queue, or something outside.
type PartSpec struct {
	Name string
	Kind Kind
	// Hosts has a host for each instance.
	Hosts []string
	// Threads bound what an instance works on at once, Backlog what waits for one.
	Threads, Backlog float64
	// Cores bounds the processor time of an instance.
	Cores float64
	// Memory is what an instance uses when idle, Limit where it is killed.
	Memory, Limit float64
	// Managed says that its memory is collected, as a Java or Go process's.
	Managed bool
	// Timeout and Retries are for the calls that it makes.
	Timeout time.Duration
	Retries int
	// Pools bound the connections of an instance to another part.
	Pools []PoolSpec
	// HitRatio is of a cache.
	HitRatio float64
	// Consumes is the queue that its first operation is fed by.
	Consumes string
	Version  string
	Ops      []OpSpec
	// Blind parts send no telemetry at all, unlike what they are called by.
	Blind bool
	// Certificate says that callers check one.
	Certificate bool
}

// PoolSpec bounds connections.
type PoolSpec struct {
	To   string
	Size float64
}

// OpSpec is an operation of a part.
type OpSpec struct {
	Name string
	// CPU is the processor time of a request, IO its disk operations.
	CPU time.Duration
	IO  float64
	// Errors is the share of requests that fail for no reason.
	Errors float64
	Calls  []CallSpec
	// Steps are lines that each request logs, with slots as {id}.
	Steps []string
}

// CallSpec is a call that an operation makes.
type CallSpec struct {
	Part, Op string
	Times    float64
	// MissOf names a cache: the call is made when that has missed.
	MissOf string
	// Optional calls may fail without the request failing.
	Optional bool
}

// LoadSpec is what comes from outside.
type LoadSpec struct {
	Part, Op string
	// Rate is in requests a second, at the mean of a day.
	Rate float64
	// Daily is the swing between the mean and the peak of a day as a share, Peak its hour; Weekend the factor on Saturdays and Sundays, 0 for 1.
	Daily, Peak, Weekend float64
}

// Telemetry says what is sent.
type Telemetry struct {
	// Traces is the share of traces that is sampled; 0 for none.
	Traces float64
	// Mesh says that a mesh reports the calls between parts.
	Mesh bool
	// Pods says that a new version comes with new names of instances.
	Pods bool
	// NoLogs and NoTypes leave out logs and metadata of metrics.
	NoLogs, NoTypes bool
	// Untraced are services without tracing.
	Untraced []string
	// Noise multiplies the noise of measurement, 0 for 1.
	Noise float64
	// Name renames hosts, services and instances; nil keeps names.
	Name func(string) string
}

// Limits of a world, so that none can be written that does not end.
const (
	maxParts     = 200
	maxRate      = 2000 // Requests a second of a load, or lines of a process.
	maxInstances = 200
	maxTimes     = 100
)

// check finds what cannot be simulated and returns parts ordered so that callers come before what they call.
func (s *Spec) check() ([]int, error) {
	index := map[string]int{}
	if len(s.Parts) > maxParts || len(s.Hosts) > maxParts {
		return nil, fmt.Errorf("more than %d parts or hosts", maxParts)
	}
	for _, l := range s.Loads {
		if l.Rate < 0 || l.Rate > maxRate || l.Daily < 0 || l.Daily > 1 || l.Weekend < 0 || l.Weekend > 10 {
			return nil, fmt.Errorf("a load is between 0 and %d/s, with a swing of a day up to 100%%", maxRate)
		}
	}
	if s.Sends.Traces < 0 || s.Sends.Traces > 1 {
		return nil, fmt.Errorf("the share of traces is between 0 and 100%%")
	}
	for i, p := range s.Parts {
		if _, twice := index[p.Name]; twice {
			return nil, fmt.Errorf("part %q is there twice", p.Name)
		}
		index[p.Name] = i
		if len(p.Ops) == 0 {
			return nil, fmt.Errorf("part %q has no operation", p.Name)
		}
		for _, h := range p.Hosts {
			if !slices.ContainsFunc(s.Hosts, func(x HostSpec) bool { return x.Name == h }) {
				return nil, fmt.Errorf("part %q is on host %q, which is not there", p.Name, h)
			}
		}
		if len(p.Hosts) == 0 && p.Kind != Outside {
			return nil, fmt.Errorf("part %q is on no host", p.Name)
		}
	}
	callees := make([][]int, len(s.Parts))
	for i, p := range s.Parts {
		if p.Consumes != "" {
			q, ok := index[p.Consumes]
			if !ok || s.Parts[q].Kind != Queue {
				return nil, fmt.Errorf("part %q consumes %q, which is no queue", p.Name, p.Consumes)
			}
			callees[q] = append(callees[q], i)
		}
		for _, o := range p.Ops {
			for _, c := range o.Calls {
				to, ok := index[c.Part]
				if !ok || opIndex(s.Parts[to].Ops, c.Op) < 0 {
					return nil, fmt.Errorf("%s.%s calls %s.%s, which is not there", p.Name, o.Name, c.Part, c.Op)
				}
				if c.Times < 0 || c.Times > maxTimes {
					return nil, fmt.Errorf("%s.%s calls %s.%s more than %d times", p.Name, o.Name, c.Part, c.Op, maxTimes)
				}
				callees[i] = append(callees[i], to)
			}
		}
	}
	return topological(s.Parts, callees)
}

func opIndex(ops []OpSpec, name string) int {
	return slices.IndexFunc(ops, func(o OpSpec) bool { return o.Name == name })
}

// topological orders parts so that each comes before what it calls.
func topological(parts []PartSpec, callees [][]int) ([]int, error) {
	const (
		unseen = iota
		open
		closed
	)
	state := make([]int, len(parts))
	var order []int
	var visit func(i int) error
	visit = func(i int) error {
		switch state[i] {
		case open:
			return fmt.Errorf("part %q calls itself through others", parts[i].Name)
		case closed:
			return nil
		}
		state[i] = open
		for _, c := range callees[i] {
			if err := visit(c); err != nil {
				return err
			}
		}
		state[i] = closed
		order = append(order, i)
		return nil
	}
	for i := range parts {
		if err := visit(i); err != nil {
			return nil, err
		}
	}
	slices.Reverse(order)
	return order, nil
}
