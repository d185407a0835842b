package series

import (
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
)

// shortcuts remember which series the bytes of a label set, as a protocol writes them, stand for: a sender writes the same series
// the same way every time, so that its labels need not even be split into names and values. An entry is as good as the table's
// until it is due; after that, and after a Forget, the labels are read again. Entries may be overwritten at any time.
//
// Reading takes no lock: millions of samples a second look here. An entry is written with its key cleared first and set last, and
// read with its key checked before and after, so that a torn one is never believed.
type shortcuts struct {
	slots atomic.Pointer[[]shortcut]
	// mu is held by who writes; it guards lost too.
	mu sync.Mutex
	// lost counts live entries overwritten since the last growth.
	lost int
}

// shortcut is half a cache line, so that both places of an entry are in one.
type shortcut struct {
	raw atomic.Uint64
	id  atomic.Uint64
	// rest is the metric id above the second at which the entry is due.
	rest atomic.Uint64
	_    uint64
}

// Slots of a tenant: 32 bytes each, so at most 64 MB. A tenant with more series than that has its labels read more often.
const (
	minShortcuts = 1 << 10
	maxShortcuts = 1 << 21
)

func (c *shortcuts) get(raw uint64, now uint32) (Ref, bool) {
	p := c.slots.Load()
	if p == nil {
		return Ref{}, false
	}
	slots := *p
	i := raw & uint64(len(slots)-1)
	e := &slots[i]
	if e.raw.Load() != raw {
		if e = &slots[i^1]; e.raw.Load() != raw {
			return Ref{}, false
		}
	}
	id, rest := e.id.Load(), e.rest.Load()
	return Ref{ID: id, MetricID: uint32(rest >> 32), Shard: uint8(rest & shardMask)}, e.raw.Load() == raw && uint32(rest) > now
}

// put remembers an entry in one of its two places: a free or outdated one, else the first.
func (c *shortcuts) put(raw, id, rest uint64, now uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.slots.Load()
	if p == nil || c.lost > len(*p)/8 && len(*p) < maxShortcuts {
		p = c.grow(p)
	}
	c.place(*p, raw, id, rest, now)
}

// place needs the lock held.
func (c *shortcuts) place(slots []shortcut, raw, id, rest uint64, now uint32) {
	i := raw & uint64(len(slots)-1)
	a, b := &slots[i], &slots[i^1]
	switch {
	case a.raw.Load() == raw || uint32(a.rest.Load()) <= now:
		a.set(raw, id, rest)
	case b.raw.Load() == raw || uint32(b.rest.Load()) <= now:
		b.set(raw, id, rest)
	default:
		c.lost++
		b.set(a.raw.Load(), a.id.Load(), a.rest.Load()) // the one that was there first leaves
		a.set(raw, id, rest)
	}
}

func (e *shortcut) set(raw, id, rest uint64) {
	e.raw.Store(0)
	e.id.Store(id)
	e.rest.Store(rest)
	e.raw.Store(raw)
}

// grow returns a larger table with the entries of old. Readers use the old one meanwhile.
func (c *shortcuts) grow(old *[]shortcut) *[]shortcut {
	n := minShortcuts
	if old != nil {
		n = 4 * len(*old)
	}
	slots := make([]shortcut, min(n, maxShortcuts))
	if old != nil {
		for i := range *old {
			if e := &(*old)[i]; e.raw.Load() != 0 {
				c.place(slots, e.raw.Load(), e.id.Load(), e.rest.Load(), 0)
			}
		}
	}
	c.lost = 0
	c.slots.Store(&slots)
	return &slots
}

// RawKey hashes the bytes of a label set, for the calls below. Every Forget changes all keys, which makes all entries unfindable.
func (t *Table) RawKey(raw []byte) uint64 {
	h := xxhash.Sum64(raw) ^ uint64(t.table.epoch.Load())*0x9e3779b97f4a7c15
	if h == 0 {
		return 1
	}
	return h
}

// Prefetch brings the entries of keys into the processor's cache. Looked up one by one, each costs a wait for memory; the loads of
// this loop do not depend on each other, so that the waits overlap.
func (t *Table) Prefetch(keys []uint64) (found int) {
	p := t.table.short.slots.Load()
	if p == nil {
		return 0
	}
	slots := *p
	mask := uint64(len(slots) - 1)
	for _, k := range keys {
		if slots[k&mask].raw.Load() == k {
			found++
		}
	}
	return found
}

// ResolveKey gives the series whose labels have key its identity, when Remember was told it and it is not due.
func (t *Table) ResolveKey(key uint64, nowSec uint32) (Ref, bool) {
	return t.table.short.get(key, nowSec)
}

// Remember says that key stands for the series ref, which Resolve has just returned.
func (t *Table) Remember(key uint64, ref Ref, nowSec uint32) {
	if due := t.table.dueOf(ref.ID); due > nowSec {
		t.table.short.put(key, ref.ID, uint64(ref.MetricID)<<32|uint64(due), nowSec)
	}
}
