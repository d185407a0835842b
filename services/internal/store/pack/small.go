package pack

import (
	"encoding/binary"
	"math"
)

// Small is a block for keeping in memory: its numbers take as many bytes as the largest of them needs, and a series that does not
// change takes none.
type Small struct {
	FirstMS   int64
	Mantissa0 int64
	Samples   uint32
	StepMS    uint32
	Scale     uint8
	Stale     bool
	// offsetBytes and deltaBytes are the widths: 0 for none, 1, 2, 4 or 8; floatBytes as deltaBytes means that there are values instead.
	offsetBytes, deltaBytes uint8
	data                    []byte
}

// floatBytes marks a block of plain values.
const floatBytes = 9

// smallBytes is the size of a Small without its data.
const smallBytes = 56

// Bytes returns about how much memory s takes.
func (s *Small) Bytes() int { return smallBytes + len(s.data) }

// LastMS returns the time of the last sample.
func (s *Small) LastMS() int64 {
	n := int64(s.Samples)
	if n == 0 {
		return s.FirstMS
	}
	t := s.FirstMS + (n-1)*int64(s.StepMS)
	switch last := s.data[max(n-1, 0)*int64(s.offsetBytes):]; s.offsetBytes {
	case 1:
		t += int64(int8(last[0]))
	case 2:
		t += int64(int16(binary.LittleEndian.Uint16(last)))
	case 4:
		t += int64(int32(binary.LittleEndian.Uint32(last)))
	}
	return t
}

// Small returns b in small form. A block whose columns do not fit together loses what AppendTimes and AppendValues would ignore.
func (b *Block) Small() Small {
	s := Small{FirstMS: b.FirstMS, Mantissa0: b.Mantissa0, Samples: b.Samples, StepMS: b.StepMS, Scale: b.Scale, Stale: b.Stale}
	n := int(b.Samples)
	offsets := b.OffsetsMS[:min(n, len(b.OffsetsMS))]
	var deltas []int64
	var floats []float64
	switch {
	case b.Stale:
	case len(b.Floats) > 0:
		floats = b.Floats[:min(n, len(b.Floats))]
	default:
		deltas = b.Deltas[:min(max(n-1, 0), len(b.Deltas))]
	}
	s.offsetBytes, s.deltaBytes = width(offsets), width(deltas)
	size := len(offsets)*int(s.offsetBytes) + len(deltas)*int(s.deltaBytes)
	if len(floats) > 0 {
		s.deltaBytes = floatBytes
		size += 8 * len(floats)
	}
	if size == 0 {
		return s
	}
	s.data = make([]byte, 0, size)
	// Fewer offsets than samples would shift what comes after them.
	if len(offsets) > 0 && len(offsets) < n {
		offsets = append(append(make([]int32, 0, n), offsets...), make([]int32, n-len(offsets))...)
	}
	s.data = appendInts(s.data, offsets, s.offsetBytes)
	s.data = appendInts(s.data, deltas, s.deltaBytes)
	for _, v := range floats {
		s.data = binary.LittleEndian.AppendUint64(s.data, math.Float64bits(v))
	}
	return s
}

// width returns how many bytes each of vs needs.
func width[T int32 | int64](vs []T) uint8 {
	var all uint64
	for _, v := range vs {
		all |= uint64(v) ^ uint64(int64(v)>>63) // the bits of v, or of its complement
	}
	switch {
	case len(vs) == 0:
		return 0
	case all < 1<<7:
		return 1
	case all < 1<<15:
		return 2
	case all < 1<<31:
		return 4
	}
	return 8
}

func appendInts[T int32 | int64](dst []byte, vs []T, width uint8) []byte {
	for _, v := range vs {
		switch width {
		case 1:
			dst = append(dst, byte(v))
		case 2:
			dst = binary.LittleEndian.AppendUint16(dst, uint16(v))
		case 4:
			dst = binary.LittleEndian.AppendUint32(dst, uint32(v))
		default:
			dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
		}
	}
	return dst
}

// AppendTimes appends the times of s in Unix ms.
func (s *Small) AppendTimes(dst []int64) []int64 {
	t, step, n := s.FirstMS, int64(s.StepMS), int(s.Samples)
	switch d := s.data; s.offsetBytes {
	case 1:
		for _, b := range d[:n] {
			dst = append(dst, t+int64(int8(b)))
			t += step
		}
	case 2:
		for i := range n {
			dst = append(dst, t+int64(int16(binary.LittleEndian.Uint16(d[2*i:]))))
			t += step
		}
	case 4:
		for i := range n {
			dst = append(dst, t+int64(int32(binary.LittleEndian.Uint32(d[4*i:]))))
			t += step
		}
	default:
		for range n {
			dst = append(dst, t)
			t += step
		}
	}
	return dst
}

// AppendValues appends the values of s, one for each time; 0 for each time of a stale block.
func (s *Small) AppendValues(dst []float64) []float64 {
	n := int(s.Samples)
	d := s.data[min(n*int(s.offsetBytes), len(s.data)):]
	if s.deltaBytes == floatBytes {
		for ; len(d) >= 8; d = d[8:] {
			dst = append(dst, math.Float64frombits(binary.LittleEndian.Uint64(d)))
		}
		return dst
	}
	div := pow10[min(int(s.Scale), maxScale)]
	m := s.Mantissa0
	v := float64(m) / div
	end := len(dst) + n
	dst = append(dst, v)
	switch s.deltaBytes {
	case 1:
		for _, b := range d {
			if b != 0 {
				m += int64(int8(b))
				v = float64(m) / div
			}
			dst = append(dst, v)
		}
	case 2:
		for ; len(d) >= 2; d = d[2:] {
			m += int64(int16(binary.LittleEndian.Uint16(d)))
			dst = append(dst, float64(m)/div)
		}
	case 4:
		for ; len(d) >= 4; d = d[4:] {
			m += int64(int32(binary.LittleEndian.Uint32(d)))
			dst = append(dst, float64(m)/div)
		}
	case 8:
		for ; len(d) >= 8; d = d[8:] {
			m += int64(binary.LittleEndian.Uint64(d))
			dst = append(dst, float64(m)/div)
		}
	}
	v = float64(m) / div
	for len(dst) < end {
		dst = append(dst, v)
	}
	return dst[:end]
}
