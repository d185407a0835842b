package eventtime

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// Finding is what a detector found, as far as the order of findings needs to know it.
type Finding struct {
	// OnsetMS is when, in event time, the signal left its normal.
	OnsetMS int64
	// ID is model.FindingID of its entity, signal and onset.
	ID uint64
	// Data is the finding itself, encoded by its detector.
	Data []byte
}

// Merge joins the findings of all shards into one list: by mark, within a mark by onset and id. It waits for the slowest shard.
type Merge struct {
	limit  int
	next   uint64 // The mark to be released next.
	queues [][]markFindings
	had    []uint64 // Last mark of each shard.
}

// markFindings is what one shard found at one mark.
type markFindings struct {
	seq  uint64
	list []Finding
}

// NewMerge returns a Merge of n shards that starts after a mark, 0 for the first, and lets no shard be limit marks ahead of the
// slowest.
func NewMerge(n, limit int, after uint64) *Merge {
	g := &Merge{limit: limit, next: after + 1, queues: make([][]markFindings, n), had: make([]uint64, n)}
	for i := range g.had {
		g.had[i] = after
	}
	return g
}

// Add takes what a shard found at a mark, also when that is nothing, and returns what is complete by it. A mark that the shard
// reported before is ignored: after a restart it repeats itself.
func (g *Merge) Add(shard int, mark uint64, found []Finding) ([]Finding, error) {
	if shard < 0 || shard >= len(g.queues) {
		return nil, fmt.Errorf("shard %d of %d", shard, len(g.queues))
	}
	switch had := g.had[shard]; {
	case mark <= had:
		return nil, nil
	case mark != had+1:
		return nil, fmt.Errorf("shard %d reports mark %d after %d: marks are missing", shard, mark, had)
	case mark-g.next >= uint64(g.limit):
		return nil, fmt.Errorf("shard %d is at mark %d while mark %d is not complete: too far ahead", shard, mark, g.next)
	}
	g.had[shard] = mark
	g.queues[shard] = append(g.queues[shard], markFindings{mark, slices.Clone(found)})
	var out []Finding
	for g.complete() {
		from := len(out)
		for i, q := range g.queues {
			out = append(out, q[0].list...)
			g.queues[i] = slices.Delete(q, 0, 1)
		}
		slices.SortFunc(out[from:], compareFindings)
		g.next++
	}
	return out, nil
}

func (g *Merge) complete() bool {
	for _, q := range g.queues {
		if len(q) == 0 {
			return false
		}
	}
	return len(g.queues) > 0
}

func compareFindings(a, b Finding) int {
	return cmp.Or(cmp.Compare(a.OnsetMS, b.OnsetMS), cmp.Compare(a.ID, b.ID), bytes.Compare(a.Data, b.Data))
}

// Snapshot returns the state as bytes.
func (g *Merge) Snapshot() []byte {
	b := binary.AppendUvarint([]byte{snapshotVersion}, g.next)
	b = binary.AppendUvarint(b, uint64(len(g.queues)))
	for i, q := range g.queues {
		b = binary.AppendUvarint(b, g.had[i])
		b = binary.AppendUvarint(b, uint64(len(q)))
		for _, m := range q {
			b = binary.AppendUvarint(b, m.seq)
			b = binary.AppendUvarint(b, uint64(len(m.list)))
			for _, f := range m.list {
				b = binary.AppendVarint(b, f.OnsetMS)
				b = binary.LittleEndian.AppendUint64(b, f.ID)
				b = appendString(b, string(f.Data))
			}
		}
	}
	return seal(b)
}

// RestoreMerge returns the Merge of a snapshot.
func RestoreMerge(data []byte, limit int) (*Merge, error) {
	r, err := open(data)
	if err != nil {
		return nil, err
	}
	next := r.uvarint()
	g := NewMerge(r.count(2), limit, 0)
	g.next = next
	for i := range g.queues {
		g.had[i] = r.uvarint()
		for range r.count(2) {
			m := markFindings{seq: r.uvarint()}
			for range r.count(10) {
				m.list = append(m.list, Finding{OnsetMS: r.varint(), ID: r.uint64(), Data: []byte(r.string())})
			}
			g.queues[i] = append(g.queues[i], m)
		}
		if g.had[i]-uint64(len(g.queues[i]))+1 != next {
			r.fail("marks of a shard are missing")
		}
	}
	return g, r.end()
}
