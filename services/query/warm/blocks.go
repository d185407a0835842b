package warm

import (
	"slices"
	"sync"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/pack"
	"github.com/faultline-io/faultline/services/model"
)

// blockKey names a series and a day.
type blockKey struct {
	tenant model.TenantID
	day    int32
	series uint64
}

// kept are the packed blocks of a series and day that overlap [fromMS, toMS], all of them, as of state. It is never changed.
type kept struct {
	state        clickhouse.PartitionState
	fromMS, toMS int64
	blocks       []pack.Small
}

// keptBytes is the size of an entry without its blocks: key, map and slice.
const keptBytes = 160

func (k *kept) bytes() int {
	n := keptBytes
	for i := range k.blocks {
		n += k.blocks[i].Bytes()
	}
	return n
}

// covers reports whether all blocks that overlap [fromMS, toMS] are there.
func (k *kept) covers(fromMS, toMS int64) bool { return k.fromMS <= fromMS && k.toMS >= toMS }

// blocks keeps entries in two generations: when the young one has half of the memory it becomes the old one, and what was not asked
// for since goes with the old one.
type blocks struct {
	max int
	// mu guards what follows.
	mu         sync.Mutex
	young, old map[blockKey]*kept
	youngBytes int
	oldBytes   int
}

func newBlocks(maxBytes int) *blocks { return &blocks{max: maxBytes, young: map[blockKey]*kept{}} }

// get fills dst with what is kept of ids on a day, nil where nothing is.
func (b *blocks) get(tenant model.TenantID, day int32, ids []uint64, dst []*kept) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, id := range ids {
		key := blockKey{tenant, day, id}
		k, ok := b.young[key]
		if !ok {
			if k, ok = b.old[key]; ok {
				delete(b.old, key)
				b.oldBytes -= k.bytes()
				b.keep(key, k)
			}
		}
		dst[i] = k
	}
}

func (b *blocks) put(key blockKey, k *kept) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if before, ok := b.young[key]; ok {
		b.youngBytes -= before.bytes()
	}
	if before, ok := b.old[key]; ok {
		delete(b.old, key)
		b.oldBytes -= before.bytes()
	}
	b.keep(key, k)
}

// keep needs b.mu held.
func (b *blocks) keep(key blockKey, k *kept) {
	n := k.bytes()
	if b.youngBytes+n > b.max/2 {
		b.old, b.oldBytes = b.young, b.youngBytes
		b.young, b.youngBytes = map[blockKey]*kept{}, 0
	}
	b.young[key] = k
	b.youngBytes += n
}

// size returns the memory in use.
func (b *blocks) size() (entries, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.young) + len(b.old), b.youngBytes + b.oldBytes
}

// byTime sorts blocks by their first sample, so that decoding gives them in the order of time.
func byTime(list []pack.Small) {
	slices.SortFunc(list, func(a, b pack.Small) int {
		switch {
		case a.FirstMS < b.FirstMS:
			return -1
		case a.FirstMS > b.FirstMS:
			return 1
		}
		return 0
	})
}
