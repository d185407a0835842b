package warm

import (
	"context"
	"slices"
	"sort"
	"time"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/pack"
)

// maxLookups bounds the entries that one question looks up: above it, looking would take longer than reading.
const maxLookups = 400_000

// openEnd is how close to now a range may end to be read until the end of its day, so that the next question, a little later, is answered.
const openEnd = time.Hour

// Samples calls f as the tables' reader does. Packed blocks come from memory where they are kept.
//
// What is not packed is read first, and the parts are looked at after it: a sample on its way is read twice, never missed. What is
// being packed while the parts are looked at is read then, and the parts are looked at again.
func (r *Reader) Samples(ctx context.Context, q clickhouse.SampleQuery, f func(c clickhouse.Chunk) error) error {
	if r.off() {
		return r.MetricReader.Samples(ctx, q, f)
	}
	ids := q.IDs
	if q.All {
		ids = r.index.ids(q.Tenant, q.Metrics)
	}
	m, err := r.lately(ctx)
	if err != nil {
		return err
	}
	if m == nil || len(ids) == 0 {
		return r.MetricReader.Samples(ctx, q, f)
	}
	if days := daysOf(m, q.MinMS, q.MaxMS); len(days)*len(ids) > maxLookups {
		statsOf(ctx).statement()
		return r.MetricReader.Samples(ctx, q, f)
	}
	if m.Recent || m.Packing {
		before, err := r.settled(ctx, q, m)
		if err != nil {
			return err
		}
		if m = before; m == nil {
			if m, err = r.unpacked(ctx, q, f); err != nil {
				return err
			}
		}
		if m == nil {
			return r.MetricReader.Samples(ctx, q, f)
		}
	}
	var fetches []*fetch
	for _, day := range daysOf(m, q.MinMS, q.MaxMS) {
		more, err := r.day(ctx, q, ids, day, m.Packed[day], f)
		if err != nil {
			return err
		}
		for _, x := range more {
			if n := len(fetches); n == 0 || !fetches[n-1].join(x) {
				fetches = append(fetches, x)
			}
		}
	}
	for _, x := range fetches {
		if err := x.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// unpacked reads what is not packed and returns the parts as they are after that.
func (r *Reader) unpacked(ctx context.Context, q clickhouse.SampleQuery, f func(c clickhouse.Chunk) error) (*clickhouse.MetricParts, error) {
	stats := statsOf(ctx)
	counted := func(c clickhouse.Chunk) error {
		stats.recent(int(c.Samples))
		return f(c)
	}
	stats.statement()
	if err := r.RecentSamples(ctx, q, counted); err != nil {
		return nil, err
	}
	m, err := r.fresh(ctx)
	if err != nil || m == nil || !m.Packing {
		return m, err
	}
	stats.statement()
	if err := r.PackingSamples(ctx, q, counted); err != nil {
		return nil, err
	}
	return r.fresh(ctx)
}

// daysOf returns the days with packed rows that [minMS, maxMS] touches, in order.
func daysOf(m *clickhouse.MetricParts, minMS, maxMS int64) []int32 {
	var days []int32
	for day := range m.Packed {
		if first := int64(day) * clickhouse.DayMS; first <= maxMS && first+clickhouse.DayMS > minMS {
			days = append(days, day)
		}
	}
	slices.Sort(days)
	return days
}

// need is what has to be read for some series: the blocks whose first sample is in [firstMS, toMS] and whose last one is in [fromMS,
// lastMS]. With what is kept of them already, they are all that overlap [newFromMS, newToMS].
type need struct {
	firstMS, fromMS, toMS, lastMS int64
	newFromMS, newToMS            int64
	// extends says that the blocks come to those that are kept.
	extends bool
}

// maxNeeds is how many different needs are read by a statement each; more are read as one.
const maxNeeds = 4

// day gives f what is kept of a day and overlaps the question's range, and returns what has to be read.
func (r *Reader) day(ctx context.Context, q clickhouse.SampleQuery, ids []uint64, day int32, state clickhouse.PartitionState, f func(c clickhouse.Chunk) error) ([]*fetch, error) {
	first := int64(day) * clickhouse.DayMS
	last := first + clickhouse.DayMS - 1
	lo, hi := max(q.MinMS, first), min(q.MaxMS, last)
	entries := make([]*kept, len(ids))
	r.blocks.get(q.Tenant, day, ids, entries)
	wanted := map[need][]int{}
	until := hi
	if r.deps.Now().Add(-openEnd).UnixMilli() < hi {
		until = last
	}
	whole := need{firstMS: max(lo-pack.MaxSpanMS, first), fromMS: lo, toMS: until, lastMS: last, newFromMS: lo, newToMS: until}
	served := 0
	for i, k := range entries {
		if k != nil && k.state == state && k.covers(lo, hi) {
			n, err := give(ids[i], k, lo, hi, f)
			if err != nil {
				return nil, err
			}
			served += n
			continue
		}
		n := whole
		if k != nil && k.state == state {
			n = extension(k, whole, first)
		}
		wanted[n] = append(wanted[n], i)
	}
	statsOf(ctx).blocks(served, 0, 0)
	if len(wanted) > maxNeeds {
		all := []int{}
		for _, list := range wanted {
			all = append(all, list...)
		}
		wanted = map[need][]int{whole: all}
	}
	var out []*fetch
	for n, list := range wanted {
		out = append(out, &fetch{reader: r, q: q, need: n, days: []fetchedDay{{day, state, n}}, ids: ids, list: list, entries: entries, f: f})
	}
	return out, nil
}

// extension returns what is missing beside k, where it is on one side of it; else the whole of both.
func extension(k *kept, whole need, dayMS int64) need {
	lo, hi := whole.newFromMS, whole.newToMS
	switch {
	case k.fromMS <= lo && k.toMS >= lo-1: // to the right: those that begin after what is kept
		return need{firstMS: k.toMS + 1, fromMS: k.toMS + 1, toMS: hi, lastMS: whole.lastMS, newFromMS: k.fromMS, newToMS: hi, extends: true}
	case k.toMS >= hi && k.fromMS <= hi+1: // to the left: those that end before it
		return need{firstMS: max(lo-pack.MaxSpanMS, dayMS), fromMS: lo, toMS: hi, lastMS: k.fromMS - 1, newFromMS: lo, newToMS: k.toMS, extends: true}
	case k.fromMS > hi || k.toMS < lo: // elsewhere: the range in between may be long, so what was kept is let go
		return whole
	}
	lo, hi = min(lo, k.fromMS), max(hi, k.toMS)
	return need{firstMS: max(lo-pack.MaxSpanMS, dayMS), fromMS: lo, toMS: hi, lastMS: whole.lastMS, newFromMS: lo, newToMS: hi}
}

// give calls f with the blocks of k that overlap [lo, hi].
func give(id uint64, k *kept, lo, hi int64, f func(c clickhouse.Chunk) error) (int, error) {
	n := 0
	for i := range k.blocks {
		b := &k.blocks[i]
		if b.FirstMS > hi {
			break
		}
		if b.LastMS() < lo {
			continue
		}
		n++
		if err := f(clickhouse.SmallChunk(id, b)); err != nil {
			return n, err
		}
	}
	return n, nil
}

// fetch reads what is needed of some series, gives it to f, and keeps it by day.
type fetch struct {
	reader  *Reader
	q       clickhouse.SampleQuery
	need    need
	days    []fetchedDay
	ids     []uint64
	list    []int
	entries []*kept
	f       func(c clickhouse.Chunk) error
}

// fetchedDay is a day of a fetch: need is what is kept of it afterwards.
type fetchedDay struct {
	day   int32
	state clickhouse.PartitionState
	need  need
}

// join makes one fetch of two that follow each other in time and are about the same series: a statement costs more than a day of blocks.
func (x *fetch) join(next *fetch) bool {
	if x.need.extends || next.need.extends || len(x.list) != len(next.list) || next.need.fromMS%clickhouse.DayMS != 0 || !slices.Equal(x.list, next.list) {
		return false
	}
	if end := (int64(x.days[len(x.days)-1].day) + 1) * clickhouse.DayMS; x.need.toMS != end-1 {
		return false // an end within its day: what is after it would be read too
	}
	x.need.toMS, x.need.lastMS = next.need.toMS, next.need.lastMS
	x.days = append(x.days, next.days...)
	return true
}

func (x *fetch) run(ctx context.Context) error {
	q := x.q
	q.MinMS, q.MaxMS = x.need.fromMS, x.need.toMS
	q.All = q.All && len(x.list) == len(x.ids)
	owner := make(map[uint64]int32, len(x.list))
	q.IDs = make([]uint64, len(x.list))
	for i, at := range x.list {
		q.IDs[i] = x.ids[at]
		owner[x.ids[at]] = int32(i)
	}
	read := make([][]pack.Small, len(x.list))
	bytes, blocks := len(x.list)*len(x.days)*keptBytes, 0
	// More than a quarter of the memory at once would drive out the rest: such a question is answered and not remembered.
	most := x.reader.cfg.BlockBytes / 4
	stats := statsOf(ctx)
	stats.statement()
	err := x.reader.PackedSamples(ctx, q, x.need.firstMS, x.need.lastMS, func(c clickhouse.Chunk) error {
		i, ok := owner[c.SeriesID]
		if !ok {
			return nil
		}
		blocks++
		s := c.Small()
		if bytes += s.Bytes(); bytes <= most {
			read[i] = append(read[i], s)
		}
		return x.f(c)
	})
	stats.blocks(0, blocks, bytes)
	if err != nil {
		return err
	}
	for i, at := range x.list {
		if err := x.finish(x.ids[at], x.entries[at], read[i], bytes <= most); err != nil {
			return err
		}
	}
	return nil
}

// finish gives f what was kept of a series before, where the fetch came to it, and keeps both.
func (x *fetch) finish(id uint64, before *kept, read []pack.Small, keep bool) error {
	if !x.need.extends {
		before = nil
	}
	if before != nil {
		if _, err := give(id, before, x.q.MinMS, x.q.MaxMS, x.f); err != nil {
			return err
		}
	}
	if !keep {
		return nil
	}
	byTime(read)
	for _, d := range x.days {
		end := (int64(d.day) + 1) * clickhouse.DayMS
		n := sort.Search(len(read), func(i int) bool { return read[i].FirstMS >= end })
		k := &kept{state: d.state, fromMS: d.need.newFromMS, toMS: d.need.newToMS, blocks: slices.Clone(read[:n])}
		if before != nil && len(before.blocks) > 0 {
			k.blocks = slices.Concat(before.blocks, read[:n])
			byTime(k.blocks)
		}
		x.reader.blocks.put(blockKey{x.q.Tenant, d.day, id}, k)
		read = read[n:]
	}
	return nil
}
