// Package pack turns the samples of one series into a block of small integers and back, without losing a bit, and into rollups.
// It is pure: the store reads and writes the columns (docs/formats/tables.md, table samples_packed).
//
// Most series are decimal numbers of few digits. A block finds the least power of ten that makes all its values integers and keeps
// the differences of those, which the column codec (T64, then ZSTD) stores in as many bits as they need; a series that does not
// change costs nothing. The idea of decimal mantissas is that of VictoriaMetrics' lib/decimal and of ALP (Afroozeh, Kuffo and Boncz,
// SIGMOD 2024, §3); ours keeps one exponent a block, verifies each value bit by bit and falls back to plain floats.
package pack

import "math"

const (
	// MaxSamples bounds a block, so that reading one row never means reading a day.
	MaxSamples = 4096
	// MaxSpanMS bounds the time a block covers. Readers widen their time range by it.
	MaxSpanMS = 2 * 60 * 60 * 1000
	dayMS     = 24 * 60 * 60 * 1000

	// maxScale is the largest power of ten tried: 10^maxScale and every mantissa below 2^53 are exact as floats.
	maxScale = 15
	// maxMantissa is 2^53: integers up to it convert to float64 and back exactly.
	maxMantissa = 1 << 53
)

var pow10 = [maxScale + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// Block is a run of samples of one series, ascending in time.
//
// Time i is FirstMS + i·StepMS + OffsetsMS[i]; no offsets means all zero. Value i is (Mantissa0 + the sum of the first i Deltas) /
// 10^Scale; no deltas means constant. If Floats is not empty it holds the values instead. A stale block has times only.
type Block struct {
	FirstMS   int64
	LastMS    int64
	Stale     bool
	Samples   uint32
	StepMS    uint32
	OffsetsMS []int32
	Scale     uint8
	Mantissa0 int64
	Deltas    []int64
	Floats    []float64
}

// Cut returns how many of the samples at times (ascending, Unix ms) make the next block: at least 1, at most MaxSamples, within
// MaxSpanMS and one UTC day.
func Cut(times []int64) int {
	n := min(len(times), MaxSamples)
	first := times[0]
	end := first + MaxSpanMS
	if d := (floorDiv(first, dayMS) + 1) * dayMS; d < end {
		end = d
	}
	if times[n-1] < end {
		return n
	}
	lo, hi := 1, n // times[lo-1] < end ≤ times[hi-1]
	for lo < hi {
		mid := (lo + hi) / 2
		if times[mid] < end {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Encoder makes blocks; it reuses its scratch space and is not safe for concurrent use. The zero value is ready.
type Encoder struct {
	mantissas []int64
}

// Encode returns the block of times (ascending, as Cut returned them) and values, of equal length. stale blocks ignore values. The
// block keeps neither slice.
func (e *Encoder) Encode(times []int64, values []float64, stale bool) Block {
	n := len(times)
	b := Block{FirstMS: times[0], LastMS: times[n-1], Samples: uint32(n), Stale: stale}
	b.encodeTimes(times)
	if stale {
		return b
	}
	scale, ok := e.scaleOf(values)
	if !ok {
		b.Floats = append([]float64(nil), values...)
		return b
	}
	b.Scale = scale
	b.Mantissa0 = e.mantissas[0]
	constant := true
	for _, m := range e.mantissas[1:] {
		if m != b.Mantissa0 {
			constant = false
			break
		}
	}
	if constant {
		return b
	}
	b.Deltas = make([]int64, n-1)
	for i := range b.Deltas {
		b.Deltas[i] = e.mantissas[i+1] - e.mantissas[i]
	}
	return b
}

func (b *Block) encodeTimes(times []int64) {
	n := len(times)
	if n == 1 {
		return
	}
	// The mean step keeps offsets small for senders that jitter; rounding keeps it exact for those that do not.
	step := (times[n-1] - times[0] + int64(n-1)/2) / int64(n-1)
	b.StepMS = uint32(step)
	for i, t := range times {
		if off := t - times[0] - int64(i)*step; off != 0 && b.OffsetsMS == nil {
			b.OffsetsMS = make([]int32, n)
		}
		if b.OffsetsMS != nil {
			b.OffsetsMS[i] = int32(t - times[0] - int64(i)*step)
		}
	}
}

// scaleOf fills e.mantissas and returns the scale under which every value is an integer; false when there is none.
func (e *Encoder) scaleOf(values []float64) (uint8, bool) {
	e.mantissas = e.mantissas[:0]
	scale := 0
	var prev float64
	var prevMantissa int64
	for i, v := range values {
		if i > 0 && v == prev && prevMantissa != 0 {
			e.mantissas = append(e.mantissas, prevMantissa)
			continue
		}
		m, ok := mantissa(v, scale)
		for !ok && scale < maxScale {
			scale++
			m, ok = mantissa(v, scale)
			if ok && !e.rescale(values[:i], scale) {
				return 0, false
			}
		}
		if !ok {
			return 0, false
		}
		e.mantissas = append(e.mantissas, m)
		prev, prevMantissa = v, m
	}
	return uint8(scale), true
}

// rescale computes the mantissas of values anew after the scale has grown.
func (e *Encoder) rescale(values []float64, scale int) bool {
	e.mantissas = e.mantissas[:0]
	for _, v := range values {
		m, ok := mantissa(v, scale)
		if !ok {
			return false
		}
		e.mantissas = append(e.mantissas, m)
	}
	return true
}

// mantissa returns v·10^scale when that is an integer that gives v back bit by bit.
func mantissa(v float64, scale int) (int64, bool) {
	r := math.RoundToEven(v * pow10[scale])
	if !(math.Abs(r) < maxMantissa) { // also NaN and infinities
		return 0, false
	}
	m := int64(r)
	if math.Float64bits(float64(m)/pow10[scale]) != math.Float64bits(v) {
		return 0, false
	}
	return m, true
}

// AppendTimes appends the times of b in Unix ms. A block whose columns do not fit together gives as many as are sure.
func (b *Block) AppendTimes(dst []int64) []int64 {
	for i := range int64(b.Samples) {
		t := b.FirstMS + i*int64(b.StepMS)
		if i < int64(len(b.OffsetsMS)) {
			t += int64(b.OffsetsMS[i])
		}
		dst = append(dst, t)
	}
	return dst
}

// AppendValues appends the values of b, one for each time; 0 for each time of a stale block.
func (b *Block) AppendValues(dst []float64) []float64 {
	n := int(b.Samples)
	if len(b.Floats) > 0 {
		return append(dst, b.Floats[:min(n, len(b.Floats))]...)
	}
	div := pow10[min(int(b.Scale), maxScale)]
	m := b.Mantissa0
	v := float64(m) / div
	for i := range n {
		if i > 0 && i <= len(b.Deltas) {
			if d := b.Deltas[i-1]; d != 0 {
				m += d
				v = float64(m) / div
			}
		}
		dst = append(dst, v)
	}
	return dst
}
