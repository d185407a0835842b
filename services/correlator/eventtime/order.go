package eventtime

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// Reason says why a sample was set aside.
type Reason uint8

// The reasons.
const (
	// Late is a sample at or before the watermark of its arrival. It may update profiles; it never opens findings.
	Late Reason = iota
	// TooFarAhead is one of more samples ahead of the watermark than are held for a series.
	TooFarAhead
	// Unannounced is a sample of a series whose labels never came.
	Unannounced
	// Unwatched is a sample of a series beyond the bounds.
	Unwatched
	reasons
)

// Point is one sample of a series that is known from the context.
type Point struct {
	TimeMS int64
	Value  float64
	Stale  bool
}

// Sink takes what an Order hands on.
type Sink interface {
	// Sample is a sample on time. Those of one series come in order of time, those of one entity within a mark by series.
	Sample(s *model.Series, p Point)
	// Aside is a sample that must not open findings. A replay from tables needs the list of them.
	Aside(id uint64, p Point, why Reason)
	// Gone says that a series was idle for so long that it is forgotten.
	Gone(s *model.Series)
	// Advance ends a mark: all samples up to its watermark have been handed on.
	Advance(k Mark)
}

// Limits bounds an Order.
type Limits struct {
	// MaxSeries bounds the series of a shard, MaxSeriesPerEntity those of one entity. The second one alone does not depend on the
	// number of shards, so it should be what bites.
	MaxSeries, MaxSeriesPerEntity int
	// MaxHeld bounds the samples of a series that wait for the watermark.
	MaxHeld int
	// IdleMS is the silence after which a series is forgotten. More than the hour after which gateways announce a series again.
	IdleMS int64
}

// DefaultLimits are those of the all-in-one.
func DefaultLimits() Limits {
	return Limits{MaxSeries: 200_000, MaxSeriesPerEntity: 20_000, MaxHeld: 1024, IdleMS: 2 * 3_600_000}
}

// Order holds samples until a mark passes them. The zero value is not usable; see NewOrder.
type Order struct {
	limits Limits
	mark   Mark
	byID   map[uint64]*slot
	sorted []*slot // Admitted slots by entity and id; every slot of byID is either here or in fresh.
	due    []int64 // By place in sorted: the watermark at which that slot has something to do. A mark reads only these.
	fresh  []*slot // Came since the last mark, in order of arrival; a mark admits them by entity and id.
	counts map[uint64]int
	aside  [reasons]uint64
}

// NewOrder returns an Order that waits for mark 1.
func NewOrder(l Limits) *Order {
	return &Order{limits: l, byID: map[uint64]*slot{}, counts: map[uint64]int{}}
}

// Series returns how many series are held.
func (o *Order) Series() int { return len(o.byID) }

// SetAside returns how many samples were set aside for a reason.
func (o *Order) SetAside(why Reason) uint64 { return o.aside[why] }

// Batch takes the samples of m.
func (o *Order) Batch(m *model.Metrics, sink Sink) {
	for i := range m.Announced {
		o.announce(&m.Announced[i])
	}
	stale, at := m.Stale, 0
	for i, id := range m.SeriesIDs {
		n := 1
		if len(m.Counts) > 0 {
			n = int(m.Counts[i])
		}
		s := o.slot(id)
		for ; n > 0; n-- {
			p := Point{TimeMS: m.TimesMS[at], Value: m.Values[at]}
			if len(stale) > 0 && int(stale[0]) == at {
				p.Stale, stale = true, stale[1:]
			}
			at++
			o.take(s, id, p, sink)
		}
	}
}

// Mark lets everything up to the mark's watermark pass. Marks come without gaps; one that was taken already is ignored, so that a
// message may be delivered again.
func (o *Order) Mark(k Mark, sink Sink) error {
	if k.Seq <= o.mark.Seq {
		return nil
	}
	if k.Seq != o.mark.Seq+1 && o.mark.Seq != 0 {
		return fmt.Errorf("mark %d after %d: marks are missing", k.Seq, o.mark.Seq)
	}
	k.WatermarkMS = max(k.WatermarkMS, o.mark.WatermarkMS)
	o.mark = k
	o.admit(sink)
	idle := false
	for i, due := range o.due {
		if due > k.WatermarkMS {
			continue
		}
		s := o.sorted[i]
		s.pass(k.WatermarkMS, sink)
		idle = idle || s.idle(o.limits.IdleMS) <= k.WatermarkMS
		o.due[i] = s.due(o.limits.IdleMS)
	}
	if idle {
		o.forget(sink)
	}
	sink.Advance(k)
	return nil
}

func (o *Order) announce(a *model.Series) {
	if s := o.slot(a.ID); s != nil && !s.announced {
		s.series, s.announced = *a, true
	}
}

// slot returns the slot of a series, a fresh one when it is new, nil when there can be none.
func (o *Order) slot(id uint64) *slot {
	if s := o.byID[id]; s != nil {
		return s
	}
	// Both bounds are constant between two marks, but the second is reached in order of arrival: it is a last resort.
	if len(o.sorted) >= o.limits.MaxSeries || len(o.fresh) >= o.limits.MaxSeries {
		return nil
	}
	s := &slot{series: model.Series{ID: id}, lastMS: math.MinInt64, place: -1}
	o.byID[id] = s
	o.fresh = append(o.fresh, s)
	return s
}

func (o *Order) take(s *slot, id uint64, p Point, sink Sink) {
	switch {
	case p.TimeMS <= o.mark.WatermarkMS:
		if s == nil || !s.released(p.TimeMS) { // What was released already came twice; that is no news.
			o.set(id, p, Late, sink)
		}
	case s == nil:
		o.set(id, p, Unwatched, sink)
	default:
		if out, ok := s.hold(p, o.limits.MaxHeld); ok {
			o.set(id, out, TooFarAhead, sink)
		}
		if s.place >= 0 && o.due[s.place] > p.TimeMS {
			o.due[s.place] = p.TimeMS
		}
	}
}

func (o *Order) set(id uint64, p Point, why Reason, sink Sink) {
	o.aside[why]++
	sink.Aside(id, p, why)
}

// admit makes the fresh slots that fit part of the sorted ones.
func (o *Order) admit(sink Sink) {
	if len(o.fresh) == 0 {
		return
	}
	slices.SortFunc(o.fresh, compareSlots)
	for _, s := range o.fresh {
		why := Unwatched
		switch entity := s.series.ShardHash; {
		case !s.announced:
			why = Unannounced
		case len(o.sorted) < o.limits.MaxSeries && o.counts[entity] < o.limits.MaxSeriesPerEntity:
			o.counts[entity]++
			if s.lastMS == math.MinInt64 {
				s.lastMS = o.mark.WatermarkMS
			}
			o.sorted = append(o.sorted, s)
			continue
		}
		for _, p := range s.held {
			o.set(s.series.ID, p, why, sink)
		}
		delete(o.byID, s.series.ID)
	}
	o.fresh = nil
	slices.SortFunc(o.sorted, compareSlots)
	o.index()
}

// index makes due and the places anew after sorted has changed.
func (o *Order) index() {
	o.due = slices.Grow(o.due[:0], len(o.sorted))
	for i, s := range o.sorted {
		s.place = int32(i)
		o.due = append(o.due, s.due(o.limits.IdleMS))
	}
}

func compareSlots(a, b *slot) int {
	return cmp.Or(cmp.Compare(a.series.ShardHash, b.series.ShardHash), cmp.Compare(a.series.ID, b.series.ID))
}

// forget drops the series that are idle. One that has samples waiting ahead of the watermark keeps its slot and nothing else: a
// replay reads ahead where the live run had not seen them yet, and both must forget at the same mark.
func (o *Order) forget(sink Sink) {
	o.sorted = slices.DeleteFunc(o.sorted, func(s *slot) bool {
		if s.idle(o.limits.IdleMS) > o.mark.WatermarkMS {
			return false
		}
		sink.Gone(&s.series)
		if len(s.held) > 0 {
			s.lastMS, s.n, s.filled = o.mark.WatermarkMS, 0, 0
			return false
		}
		delete(o.byID, s.series.ID)
		if o.counts[s.series.ShardHash]--; o.counts[s.series.ShardHash] == 0 {
			delete(o.counts, s.series.ShardHash)
		}
		return true
	})
	o.index()
}
