package otlp

import (
	"sync"

	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/model"
)

// Bounds of the accumulated state of delta metrics, and how long a silent series keeps it.
const (
	maxDeltaSeries     = 500_000
	maxDeltaHistograms = 20_000
	deltaIdleSec       = 3600
)

// deltas accumulates metrics that are sent as differences into running totals, which is what PromQL expects. The state lives in
// memory: after a restart totals begin at zero, which readers see as an ordinary counter reset.
type deltas struct {
	// mu is held by one request from its first delta point until its batches are published or refused: only what was published
	// is added up, so that a request that is sent again does not count twice.
	mu    sync.Mutex
	sums  map[deltaKey]deltaCell
	hists map[deltaKey]*expState
	swept uint32
}

type deltaKey struct {
	tenant model.TenantID
	series uint64
}

type deltaCell struct {
	total  float64
	lastMS int64
	seen   uint32
}

func newDeltas() *deltas {
	return &deltas{sums: map[deltaKey]deltaCell{}, hists: map[deltaKey]*expState{}}
}

// deltaTx is what one request adds to the state. The zero value with all, tenant and nowSec set is ready.
type deltaTx struct {
	all    *deltas
	tenant model.TenantID
	nowSec uint32
	locked bool
	sums   map[deltaKey]deltaCell
	hists  map[deltaKey]*expState
}

func (t *deltaTx) lock() {
	if t.locked {
		return
	}
	t.all.mu.Lock()
	t.locked = true
	t.sums = map[deltaKey]deltaCell{}
	t.hists = map[deltaKey]*expState{}
}

// end gives the state free; what was not committed is forgotten.
func (t *deltaTx) end() {
	if t.locked {
		t.all.mu.Unlock()
		t.locked = false
	}
}

// commit makes what was added so far part of the state.
func (t *deltaTx) commit() {
	if !t.locked {
		return
	}
	for k, c := range t.sums {
		t.all.sums[k] = c
	}
	for k, h := range t.hists {
		t.all.hists[k] = h
	}
	clear(t.sums)
	clear(t.hists)
}

// add returns the running total of a series after v, or why v is refused: it is not newer than the last, or there is no room.
func (t *deltaTx) add(id uint64, ms int64, v float64) (float64, string) {
	t.lock()
	k := deltaKey{t.tenant, id}
	c, ok := t.sums[k]
	if !ok {
		if c, ok = t.all.sums[k]; !ok && len(t.all.sums)+len(t.sums) >= maxDeltaSeries && !t.all.sweep(t.nowSec) {
			return 0, limits.StateLimit
		}
	}
	if ok && ms <= c.lastMS {
		return 0, limits.OutOfOrderDelta
	}
	c = deltaCell{total: c.total + v, lastMS: ms, seen: t.nowSec}
	t.sums[k] = c
	return c.total, ""
}

// sweep drops what was silent for long, at most once a minute. It needs the lock held.
func (d *deltas) sweep(now uint32) bool {
	if now < d.swept+60 {
		return false
	}
	d.swept = now
	n := len(d.sums) + len(d.hists)
	for k, c := range d.sums {
		if c.seen+deltaIdleSec < now {
			delete(d.sums, k)
		}
	}
	for k, h := range d.hists {
		if h.seen+deltaIdleSec < now {
			delete(d.hists, k)
		}
	}
	return len(d.sums)+len(d.hists) < n
}
