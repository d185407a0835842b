package world

import "github.com/faultline-io/faultline/services/model"

// host is a machine as it is now.
type host struct {
	HostSpec
	name string // As telemetry says it.
	up   bool
	// hidden machines are those of what lies outside.
	hidden bool
	// What effects set anew in each step.
	hogCPU, hogIO, hogMemory float64 // Cores; share of the disk's operations; bytes.
	ioSlow                   float64 // Factor on the time of a disk operation.
	fill                     float64 // Bytes a second.
	skewMS                   int64
	loss                     float64
	delay                    float64
	// What follows.
	filled, logs     float64 // Bytes on disk beyond what was there, and of log files.
	demand, busy     float64 // Cores wanted; share of cores used.
	ioDemand, ioBusy float64 // Operations a second wanted; share of capacity.
	ioTime           float64 // Seconds an operation takes.
	memory           float64
	load             float64
	// Counters.
	cpuSec, ioSec, ioOps, netBytes, netErrors, oomKills, retransmits float64
}

func (h *host) diskUsed() float64 {
	return min(h.Disk, h.Used*h.Disk+h.filled+h.logs)
}

// full says that nothing can be written any more.
func (h *host) full() bool { return h.diskUsed() >= 0.999*h.Disk }

// part is a part as it is now.
type part struct {
	PartSpec
	name      string
	index     int
	instances []*instance
	ops       []*operation
	pools     []*pool
	queue     *part // The one that it consumes.
	consumer  *part
	made      int // Instances ever made, for names.
	// Set anew in each step.
	expired bool
	loadBy  float64
	retries int
	threads float64
	// Kept.
	hit      float64 // Of a cache.
	ready    float64 // Of a queue: messages that wait.
	expiryMS int64   // Of a certificate.
	// Counters of a cache and a queue.
	hits, misses, published, delivered float64
}

// pool is the connections of a part to another.
type pool struct {
	to   *part
	size float64 // Set anew in each step.
}

// operation is an operation with the flow through it.
type operation struct {
	*OpSpec
	part  *part
	index int
	calls []*call
	// lambda is what is offered a second, with retries; resp the mean response time in seconds and fail the share of failures as callers see
	// them; reach the share of requests that get as far as to make calls.
	lambda, resp, fail, reach float64
	skipStep                  int // 1-based step that is left out, 0 for none. Set anew in each step.
}

// call is a call of one operation to another.
type call struct {
	CallSpec
	to   *operation
	edge *edge
	miss *part
	pool int // Index in the caller's pools, -1 for none.
	// skipped says that the caller leaves it out. Set anew in each step.
	skipped bool
	// rate is calls a second with retries; one what one attempt takes, fail its failures; time what all of it takes for a request; final how
	// often it fails in the end.
	rate, one, fail, time, final float64
}

// times returns how often the call is made for a request.
func (c *call) times() float64 {
	switch {
	case c.skipped:
		return 0
	case c.miss != nil:
		return c.Times * (1 - c.miss.hit*(1-c.miss.ops[0].fail))
	}
	return c.Times
}

// edge is what lies between two parts.
type edge struct {
	from, to *part
	// Set anew in each step: seconds, share of packets.
	delay, loss float64
	cut         bool
	// Counters as a mesh or a client sees them.
	good, bad, seconds float64
}

// instance is one of the alike processes of a part.
type instance struct {
	part    *part
	host    *host
	name    string
	version string
	speed   float64
	up      bool
	drained bool // Takes no new requests, as in a planned restart.
	gone    bool // For ever: scaled in, or replaced.
	startMS int64
	downMS  int64
	backMS  int64
	crashes int
	// Set anew in each step, by operation.
	slow, errs []float64
	stuck      float64 // Threads that are held by nothing useful.
	// Leaks a second. Set anew in each step.
	leakMemory, leakThreads, leakFiles, leakConns float64
	// Kept.
	backlog, leaked, garbage, threadsLeaked, filesLeaked, connsLeaked float64
	// What follows.
	weight, demand, capacity, cpuCap, stretch, gc, inflight, rejected, memory float64
	poolWait, poolUse                                                         []float64
	flow                                                                      []flow
	// Counters.
	cpuSec, gcSec, gcRuns, restarts float64
	series                          []*gauge
	of                              *model.Resource
}

// flow is the state and the counters of one operation on one instance.
type flow struct {
	self, resp, fail float64
	good, bad, sum   float64
}

// maxFiles and maxThreads are the limits of a process.
const (
	maxFiles    = 4096
	baseFiles   = 60
	maxThreads  = 3000
	stackBytes  = 512 << 10
	heldBytes   = 400 << 10 // Of a request under way.
	garbageEach = 250 << 10 // Of a request in a managed process.
)

func (i *instance) files() float64 {
	return min(maxFiles, baseFiles+i.inflight*2+i.filesLeaked+i.connsLeaked)
}

func (i *instance) threadCount() float64 {
	return min(maxThreads, 12+i.part.Threads/2+min(i.inflight, i.part.Threads)/2+i.threadsLeaked)
}
