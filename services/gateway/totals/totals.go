// Package totals adds up what senders send as differences into the running totals that PromQL expects, for protocols whose messages
// carry several points of many series. The state is in memory and bounded: after a restart totals begin at zero, which readers see as an
// ordinary counter reset.
package totals

import (
	"sync"

	"github.com/faultline-io/faultline/services/gateway/exphist"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/model"
)

// Bounds of the state (a total takes about 64 bytes, a histogram some kilobytes), and how long a silent series keeps it.
const (
	maxSums       = 500_000
	maxHistograms = 10_000
	idleSec       = 3600
	sweepEverySec = 60
)

type key struct {
	tenant model.TenantID
	series uint64
}

type cell struct {
	total  float64
	hist   *exphist.Histogram
	lastMS int64
	seen   uint32
}

// Totals is the state of one protocol. It is safe for several goroutines.
type Totals struct {
	// mu is held by one request from its first difference until it is published or refused: only what was published is added up, so
	// that a request that is sent again does not count twice.
	mu    sync.Mutex
	cells map[key]cell
	hists int
	swept uint32
}

// New returns an empty state.
func New() *Totals { return &Totals{cells: map[key]cell{}} }

// Tx is what one request adds. It belongs to one goroutine; End it.
type Tx struct {
	all    *Totals
	tenant model.TenantID
	nowSec uint32
	locked bool
	cells  map[key]cell
}

// Begin starts a request of a tenant.
func (t *Totals) Begin(tenant model.TenantID, nowSec uint32) *Tx {
	return &Tx{all: t, tenant: tenant, nowSec: nowSec}
}

// End gives the state free; what was not committed is forgotten.
func (x *Tx) End() {
	if x.locked {
		x.all.mu.Unlock()
		x.locked = false
	}
}

// Commit makes what was added so far part of the state: call it when it was published.
func (x *Tx) Commit() {
	for k, c := range x.cells {
		if old, ok := x.all.cells[k]; c.hist != nil && (!ok || old.hist == nil) {
			x.all.hists++
		}
		x.all.cells[k] = c
	}
	clear(x.cells)
}

// Add returns the running total of a series after v, or why v is refused: it is negative, not newer than the last, or there is no room.
func (x *Tx) Add(series uint64, ms int64, v float64) (float64, string) {
	if !(v >= 0) {
		return 0, limits.InvalidData
	}
	c, reason := x.cell(series, ms, false)
	if reason != "" {
		return 0, reason
	}
	c.total += v
	x.cells[key{x.tenant, series}] = c
	return c.total, ""
}

// AddHistogram is Add for a histogram; the result belongs to the state and is valid until the next call.
func (x *Tx) AddHistogram(series uint64, ms int64, h *exphist.Histogram) (*exphist.Histogram, string) {
	c, reason := x.cell(series, ms, true)
	if reason != "" {
		return nil, reason
	}
	k := key{x.tenant, series}
	switch _, mine := x.cells[k]; {
	case c.hist == nil:
		c.hist = &exphist.Histogram{}
	case !mine: // The committed one must stay as it is until this request is published.
		c.hist = c.hist.Clone()
	}
	c.hist.Add(h)
	x.cells[k] = c
	return c.hist, ""
}

// cell returns the state of a series with the time of its next difference set.
func (x *Tx) cell(series uint64, ms int64, hist bool) (cell, string) {
	if !x.locked {
		x.all.mu.Lock()
		x.locked = true
		x.cells = map[key]cell{}
	}
	k := key{x.tenant, series}
	c, ok := x.cells[k]
	if !ok {
		if c, ok = x.all.cells[k]; !ok && x.full(hist) && !x.all.sweep(x.nowSec) {
			return c, limits.StateLimit
		}
	}
	if ok && ms <= c.lastMS {
		return c, limits.OutOfOrderDelta
	}
	c.lastMS, c.seen = ms, x.nowSec
	return c, ""
}

func (x *Tx) full(hist bool) bool {
	return len(x.all.cells)+len(x.cells) >= maxSums || hist && x.all.hists+len(x.cells) >= maxHistograms
}

// sweep drops what was silent for long, at most once a minute, and reports whether that made room. It needs the lock held.
func (t *Totals) sweep(now uint32) bool {
	if now < t.swept+sweepEverySec {
		return false
	}
	t.swept = now
	n := len(t.cells)
	for k, c := range t.cells {
		if c.seen+idleSec < now {
			if c.hist != nil {
				t.hists--
			}
			delete(t.cells, k)
		}
	}
	return len(t.cells) < n
}
