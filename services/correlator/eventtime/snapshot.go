package eventtime

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// snapshotVersion is the first byte of a snapshot. A build reads its own version only: a state that cannot be read is worked out
// again from the history, which is slower and never wrong.
const snapshotVersion = 1

// ErrSnapshot is the kind of every refusal of a snapshot.
var ErrSnapshot = errors.New("snapshot cannot be used")

// Snapshot returns the state as bytes: the same state gives the same bytes. position is the caller's place in its input, given
// back by Restore, so that place and state cannot part.
func (o *Order) Snapshot(position uint64) []byte {
	b := []byte{snapshotVersion}
	b = binary.AppendUvarint(b, position)
	b = appendMark(b, o.mark)
	for _, n := range o.aside {
		b = binary.AppendUvarint(b, n)
	}
	fresh := slices.Clone(o.fresh)
	slices.SortFunc(fresh, compareSlots)
	for _, slots := range [][]*slot{o.sorted, fresh} {
		b = binary.AppendUvarint(b, uint64(len(slots)))
		for _, s := range slots {
			b = s.append(b)
		}
	}
	return seal(b)
}

// Restore returns the Order of a snapshot and the position that was given with it. The bounds are those of now; what is beyond
// them stays until it is idle.
func Restore(data []byte, l Limits) (*Order, uint64, error) {
	r, err := open(data)
	if err != nil {
		return nil, 0, err
	}
	o := NewOrder(l)
	position := r.uvarint()
	o.mark = r.mark()
	for i := range o.aside {
		o.aside[i] = r.uvarint()
	}
	o.sorted = o.restoreSlots(r, true)
	o.fresh = o.restoreSlots(r, false)
	o.index()
	return o, position, r.end()
}

func (o *Order) restoreSlots(r *reader, admitted bool) []*slot {
	n := r.count(20) // The least bytes of a slot.
	slots := make([]*slot, 0, n)
	for range n {
		s := r.slot()
		if r.err != nil {
			return nil
		}
		if o.byID[s.series.ID] != nil || admitted && len(slots) > 0 && compareSlots(slots[len(slots)-1], s) >= 0 {
			r.fail("series are not in order")
			return nil
		}
		o.byID[s.series.ID] = s
		if admitted {
			o.counts[s.series.ShardHash]++
		}
		slots = append(slots, s)
	}
	return slots
}

func (s *slot) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, s.series.ID)
	b = binary.LittleEndian.AppendUint64(b, s.series.ShardHash)
	b = append(b, flag(s.announced))
	b = binary.AppendUvarint(b, uint64(s.series.MetricID))
	b = appendString(b, s.series.Name)
	b = binary.AppendUvarint(b, uint64(len(s.series.Labels)))
	for _, l := range s.series.Labels {
		b = appendString(appendString(b, l.Name), l.Value)
	}
	b = binary.AppendVarint(b, s.lastMS)
	b = append(b, s.n, s.filled)
	for _, t := range s.passed[:s.filled] {
		b = binary.LittleEndian.AppendUint32(b, t)
	}
	b = binary.AppendUvarint(b, uint64(len(s.held)))
	for _, p := range s.held {
		b = binary.AppendVarint(b, p.TimeMS)
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(p.Value))
		b = append(b, flag(p.Stale))
	}
	return b
}

func (r *reader) slot() *slot {
	s := &slot{series: model.Series{ID: r.uint64(), ShardHash: r.uint64()}, place: -1}
	s.announced = r.byte() == 1
	s.series.MetricID = uint32(r.uvarint())
	s.series.Name = r.string()
	if n := r.count(2); n > 0 {
		s.series.Labels = make([]model.Label, n)
		for i := range s.series.Labels {
			s.series.Labels[i] = model.Label{Name: r.string(), Value: r.string()}
		}
	}
	s.lastMS = r.varint()
	s.n, s.filled = r.byte(), r.byte()
	if s.n >= remembered || s.filled > remembered || s.filled < remembered && s.n != s.filled {
		r.fail("places of released times")
		return s
	}
	for i := range s.passed[:s.filled] {
		s.passed[i] = r.uint32()
	}
	n := r.count(10)
	for i := range n {
		p := Point{TimeMS: r.varint(), Value: math.Float64frombits(r.uint64()), Stale: r.byte() == 1}
		if i > 0 && s.held[i-1].TimeMS >= p.TimeMS {
			r.fail("samples are not in order")
			return s
		}
		s.held = append(s.held, p)
	}
	return s
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendMark(b []byte, k Mark) []byte {
	b = binary.AppendUvarint(b, k.Seq)
	return binary.AppendVarint(binary.AppendVarint(b, k.AtMS), k.WatermarkMS)
}

// seal adds a checksum: a snapshot that was cut short must not pass for a small one.
func seal(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }

// reader reads a snapshot; after the first error everything it returns is zero.
type reader struct {
	b   []byte
	err error
}

func open(data []byte) (*reader, error) {
	if len(data) < 5 {
		return nil, fmt.Errorf("%d bytes: %w", len(data), ErrSnapshot)
	}
	body := data[:len(data)-4]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(data[len(body):]) {
		return nil, fmt.Errorf("checksum differs: %w", ErrSnapshot)
	}
	if body[0] != snapshotVersion {
		return nil, fmt.Errorf("version %d, this build reads %d: %w", body[0], snapshotVersion, ErrSnapshot)
	}
	return &reader{b: body[1:]}, nil
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %w", what, ErrSnapshot)
	}
	r.b = nil
}

func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.fail("bytes after the end")
	}
	return r.err
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.fail("ends early")
		return make([]byte, min(n, 8))
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) byte() byte     { return r.take(1)[0] }
func (r *reader) uint32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *reader) uint64() uint64 { return binary.LittleEndian.Uint64(r.take(8)) }

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail("bad number")
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail("bad number")
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads a number of things that take at least size bytes each, so that a wrong number cannot ask for memory.
func (r *reader) count(size int) int {
	n := r.uvarint()
	if n > uint64(len(r.b)/size) {
		r.fail("count beyond the end")
		return 0
	}
	return int(n)
}

func (r *reader) string() string {
	n := r.count(1)
	if n == 0 {
		return ""
	}
	return string(r.take(n))
}

func (r *reader) mark() Mark {
	return Mark{Seq: r.uvarint(), AtMS: r.varint(), WatermarkMS: r.varint()}
}
