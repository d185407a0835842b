package series

import (
	"sync"
	"sync/atomic"
)

// shardCount spreads the locks; a power of two.
const shardCount = 64

// table maps series ids to their metric and the second at which they are due for announcement. 16 bytes a slot.
type table struct {
	shards [shardCount]tableShard
	count  atomic.Int64
	max    int64
	short  shortcuts
	// epoch counts the calls of Forget, see RawKey.
	epoch atomic.Uint32
}

type slot struct {
	id     uint64
	metric uint32
	// due is Unix seconds with the low four bits replaced by the series' shard; 0 in a used slot means "announce at the next
	// sample". Slots with id 0 are free.
	due uint32
}

// MaxShards is how many shards a slot can tell apart.
const MaxShards = 16

const shardMask = MaxShards - 1

type tableShard struct {
	// mu guards all of it.
	mu    sync.Mutex
	slots []slot
	used  int
	// swept is the second of the last sweep forced by the limit.
	swept uint32
}

const minSlots = 16

func newTable(maxSeries int) *table { return &table{max: int64(maxSeries)} }

// shardOf uses the top bits, slots the bottom ones.
func (t *table) shardOf(id uint64) *tableShard { return &t.shards[id>>(64-6)] }

// known returns the series id when it was announced and is not due.
func (t *table) known(id uint64, now uint32) (Ref, bool) {
	s := t.shardOf(id)
	s.mu.Lock()
	i, ok := s.find(id)
	if !ok || s.slots[i].due <= now {
		s.mu.Unlock()
		return Ref{}, false
	}
	e := s.slots[i]
	s.mu.Unlock()
	return Ref{ID: id, MetricID: e.metric, Shard: uint8(e.due & shardMask)}, true
}

type claimResult int

const (
	present claimResult = iota // somebody else announces it
	claimed                    // the caller announces it
	full                       // the tenant has as many series as it may
)

// claim makes the caller the one that announces id, when it is due.
func (t *table) claim(id uint64, metric, now uint32, shard uint8) claimResult {
	s := t.shardOf(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.find(id)
	if ok {
		if s.slots[i].due > now {
			return present
		}
		s.slots[i].due = nextDue(id, now)&^shardMask | uint32(shard)
		return claimed
	}
	if t.count.Load() >= t.max && !t.makeRoom(s, now) {
		return full
	}
	if (s.used+1)*4 > len(s.slots)*3 {
		t.count.Add(-int64(s.rehash(now)))
	}
	i, _ = s.find(id) // both may have moved the slots
	s.slots[i] = slot{id: id, metric: metric, due: nextDue(id, now)&^shardMask | uint32(shard)}
	s.used++
	t.count.Add(1)
	return claimed
}

// makeRoom drops the idle series of one shard when that was not just tried. The caller holds the lock of s, so only s is swept:
// idle series are spread evenly, and other shards sweep when their own newcomers knock.
func (t *table) makeRoom(s *tableShard, now uint32) bool {
	if now == s.swept {
		return false
	}
	s.swept = now
	t.count.Add(-int64(s.rehash(now)))
	return t.count.Load() < t.max
}

// dueOf returns when id is due, 0 when it is not known.
func (t *table) dueOf(id uint64) uint32 {
	s := t.shardOf(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, ok := s.find(id); ok {
		return s.slots[i].due
	}
	return 0
}

func (t *table) forget(id uint64) {
	s := t.shardOf(id)
	s.mu.Lock()
	if i, ok := s.find(id); ok {
		s.slots[i].due = 0
	}
	s.mu.Unlock()
}

// find returns the slot of id, or the free slot where it would go. It needs the lock held; without slots it returns (0, false).
func (s *tableShard) find(id uint64) (int, bool) {
	if len(s.slots) == 0 {
		return 0, false
	}
	mask := uint64(len(s.slots) - 1)
	for i := id & mask; ; i = (i + 1) & mask {
		switch s.slots[i].id {
		case id:
			return int(i), true
		case 0:
			return int(i), false
		}
	}
}

// idleGrace is how long after it was due a series counts as active: it would have been announced again at its next sample.
const idleGrace = 3600

// rehash drops idle series and resizes to a load of at most a half. It returns how many were dropped.
func (s *tableShard) rehash(now uint32) int {
	live := 0
	for i := range s.slots {
		if s.slots[i].id != 0 && !idle(&s.slots[i], now) {
			live++
		}
	}
	n := minSlots
	for n < 2*(live+1) {
		n *= 2
	}
	dropped := s.used - live
	old := s.slots
	s.slots = make([]slot, n)
	s.used = live
	for i := range old {
		if old[i].id != 0 && !idle(&old[i], now) {
			j, _ := s.find(old[i].id)
			s.slots[j] = old[i]
		}
	}
	return dropped
}

func idle(s *slot, now uint32) bool { return uint64(s.due)+idleGrace < uint64(now) }

// nextDue puts every series at its own second of the hour, so that millions that came at once do not come due at once. At least
// ten minutes lie between two announcements.
func nextDue(id uint64, now uint32) uint32 {
	const period = uint32(announceEvery / 1e9)
	phase := uint32(id>>32) % period
	due := now - now%period + phase
	for due < now+600 {
		due += period
	}
	return due
}
