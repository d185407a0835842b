package detect

import "math"

// ringBins is the hour of one-minute values that the search for causes reads; newest is how many judged steps wait for their minute.
const (
	ringBins = 60
	newest   = 8
)

// ring has the last values of a series: means by minute, or by its own interval where that is longer, and the steps of the minute that is not
// over. Empty minutes are NaN.
type ring struct {
	binMS  uint32 // Width of a bin; 0 before the first value.
	head   int64  // Number of the bin that is being filled: time divided by its width.
	bins   [ringBins]float32
	filled uint8 // Bins before head that have a value or are known to be empty.
	n      uint8 // Steps in newest.
	at     [newest]uint32
	values [newest]float32
	sum    float64 // Of the steps of this bin.
	steps  uint16
}

// add takes a step. gapMS is the interval of the series.
func (r *ring) add(ms int64, v float64, gapMS float32) {
	if r.binMS == 0 {
		r.binMS = binWidth(gapMS)
		r.head = ms / int64(r.binMS)
	} else if w := binWidth(gapMS); w > r.binMS || r.binMS > minuteMS && w*2 < r.binMS {
		*r = ring{binMS: w, head: ms / int64(w)} // Another interval: the past cannot be put on it.
	}
	at := ms / int64(r.binMS)
	if at < r.head {
		return
	}
	if at > r.head {
		r.advance(at)
	}
	if int(r.n) == newest {
		copy(r.at[:], r.at[1:])
		copy(r.values[:], r.values[1:])
		r.n--
	}
	r.at[r.n], r.values[r.n] = uint32(ms-r.head*int64(r.binMS)), float32(v)
	r.n++
	r.sum += v
	r.steps++
}

// advance closes the bin that was filled and opens another.
func (r *ring) advance(at int64) {
	mean := float32(math.NaN())
	if r.steps > 0 {
		mean = float32(r.sum / float64(r.steps))
	}
	for range min(at-r.head, ringBins+1) {
		r.bins[r.head%ringBins] = mean
		mean = float32(math.NaN())
		r.head++
		r.filled = min(r.filled+1, ringBins)
	}
	if r.head < at { // A gap longer than the ring.
		r.filled = 0
	}
	r.head, r.sum, r.steps, r.n = at, 0, 0, 0
}

// binWidth is a minute, or the interval in whole minutes where that is longer.
func binWidth(gapMS float32) uint32 {
	m := uint32(math.Round(float64(gapMS) / minuteMS))
	return max(m, 1) * minuteMS
}

// each calls f for the values since a time, oldest first.
func (r *ring) each(sinceMS int64, f func(ms int64, v float64)) {
	if r.binMS == 0 {
		return
	}
	for b := r.head - int64(r.filled); b < r.head; b++ {
		v := r.bins[((b%ringBins)+ringBins)%ringBins]
		if at := b * int64(r.binMS); at >= sinceMS && v == v {
			f(at, float64(v))
		}
	}
	for i := range r.n {
		if at := r.head*int64(r.binMS) + int64(r.at[i]); at >= sinceMS {
			f(at, float64(r.values[i]))
		}
	}
}

func (r *ring) code(c *codec) {
	c.u32(&r.binMS)
	c.i64(&r.head)
	c.u8(&r.filled)
	c.u8(&r.n)
	r.filled, r.n = min(r.filled, ringBins), min(r.n, newest)
	if r.binMS == 0 || r.head < 0 || r.head > math.MaxInt64/max(int64(r.binMS), 1) {
		if c.reading {
			*r = ring{}
		}
		return
	}
	for b := r.head - int64(r.filled); b < r.head; b++ {
		c.f32(&r.bins[((b%ringBins)+ringBins)%ringBins])
	}
	for i := range r.n {
		c.u32(&r.at[i])
		c.f32(&r.values[i])
	}
	c.f64(&r.sum)
	c.u16(&r.steps)
}
