package limits

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/mem"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Bounds of the default memory: the process shares the machine with the engine and with what it watches.
const (
	memoryShare      = 0.5
	maxDefaultMemory = 4 << 30
	minDefaultMemory = 512 << 20
)

// memoryTick is how often the memory is looked at: a query that does nothing but allocate gets about 100 MB further in it.
const memoryTick = 100 * time.Millisecond

// DefaultMemory returns the bytes of this process at which queries are ended when nothing else is configured.
func DefaultMemory() int64 {
	v, err := mem.VirtualMemory()
	if err != nil {
		return minDefaultMemory
	}
	return min(max(int64(memoryShare*float64(v.Total)), minDefaultMemory), maxDefaultMemory)
}

// Memory ends queries while the process uses too much memory: the longest running first, one at a time, until what is alive fits again.
// Limits of rows and samples bound one query; this bounds all of them together, and whatever else they allocate. It is safe for
// concurrent use.
type Memory struct {
	limit uint64
	// used returns the bytes of objects, garbage included; collect leaves those that are alive.
	used    func() uint64
	collect func()

	// mu guards running and next.
	mu      sync.Mutex
	running map[uint64]context.CancelCauseFunc
	next    uint64
}

// NewMemory returns a guard that ends queries above limit bytes; 0 is the default.
func NewMemory(limit int64) *Memory {
	if limit <= 0 {
		limit = DefaultMemory()
	}
	return &Memory{limit: uint64(limit), used: heapObjects, collect: debug.FreeOSMemory, running: map[uint64]context.CancelCauseFunc{}}
}

func heapObjects() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// Enter returns a context that ends when the query is chosen; context.Cause then says why. leave must be called when the query ended.
func (m *Memory) Enter(ctx context.Context) (_ context.Context, leave func()) {
	qctx, cancel := context.WithCancelCause(ctx)
	m.mu.Lock()
	id := m.next
	m.next++
	m.running[id] = cancel
	m.mu.Unlock()
	return qctx, func() {
		m.mu.Lock()
		delete(m.running, id)
		m.mu.Unlock()
		cancel(nil)
	}
}

// Name returns the name of the service.
func (*Memory) Name() string { return "query-memory" }

// Run looks at the memory until ctx ends.
func (m *Memory) Run(ctx context.Context) error {
	t := time.NewTicker(memoryTick)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			m.check()
		}
	}
}

// check ends the longest running query if what is alive is too much.
func (m *Memory) check() {
	if m.used() <= m.limit || m.inUse() == 0 {
		return
	}
	m.collect()
	if m.used() <= m.limit {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	oldest, found := m.next, false
	for id := range m.running {
		if id < oldest {
			oldest, found = id, true
		}
	}
	if !found {
		return
	}
	m.running[oldest](errs.WithHint(errs.Exhausted, "ask for a shorter time or fewer series, or raise query.max_memory",
		"query.max_memory: queries use more than %d MiB of memory, and this one ran the longest", m.limit>>20))
	delete(m.running, oldest)
}

func (m *Memory) inUse() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.running)
}
