package forecast

import (
	"math"
	"slices"
)

// bins is a past cut into equal pieces, each with its largest value.
type bins struct {
	endMS, widthMS int64
	v              []float64
	// peak is what was taken off as the profile of the day, at its highest.
	peak  float64
	doubt float64
}

// worst cuts the past into bins of a width, counted back from its end so that the last is whole; a bin without values has that before it.
func worst(t []int64, v []float64, width int64) bins {
	end := t[len(t)-1]
	n := int((end-t[0])/width) + 1
	out := bins{endMS: end, widthMS: width, v: make([]float64, n), doubt: 1}
	for i := range out.v {
		out.v[i] = math.NaN()
	}
	for i, ms := range t {
		k := n - 1 - int((end-ms)/width)
		if !(out.v[k] >= v[i]) {
			out.v[k] = v[i]
		}
	}
	// The first bin is hardly ever whole, and so its largest value is not that of a whole one.
	if n > minBins {
		out.v = out.v[1:]
	}
	for i := 1; i < len(out.v); i++ {
		if math.IsNaN(out.v[i]) {
			out.v[i] = out.v[i-1]
		}
	}
	for len(out.v) > 0 && math.IsNaN(out.v[0]) {
		out.v = out.v[1:]
	}
	return out
}

// startMS returns when bin i begins.
func (b *bins) startMS(i int) int64 { return b.endMS - int64(len(b.v)-i)*b.widthMS }

// withoutDay takes the profile of the day off hourly bins: what is left of the slope is that from day to day.
func (b bins) withoutDay() bins {
	const day = 24
	n := len(b.v)
	if n < 2*day {
		return b
	}
	d := make([]float64, n-day)
	for i := range d {
		d[i] = b.v[i+day] - b.v[i]
	}
	slope := median(d) / day
	hours := make([][]float64, day)
	for i, v := range b.v {
		hours[i%day] = append(hours[i%day], v-slope*float64(i))
	}
	shape := make([]float64, day)
	for i := range shape {
		shape[i] = median(hours[i])
	}
	center := mean(shape)
	out := b
	out.v = make([]float64, n)
	for i, v := range b.v {
		out.v[i] = v - shape[i%day] + center
	}
	out.peak = slices.Max(shape) - center
	return out
}

// lastShift returns the end of the last bin in which the level changed once and for all: a step far beyond all others, that nothing like it follows
// or precedes. A staircase is no change of level, and neither is a sawtooth.
func (b *bins) lastShift() (int64, bool) {
	n := len(b.v)
	if n < minBins {
		return 0, false
	}
	d := differences(b.v)
	m := median(slices.Clone(d))
	size := make([]float64, len(d))
	for i, x := range d {
		size[i] = math.Abs(x - m)
	}
	sorted := slices.Clone(size)
	slices.Sort(sorted)
	at := len(size) - 1
	for i := range size {
		if size[i] == sorted[len(sorted)-1] {
			at = i
		}
	}
	spread := 1.4826 * quantile(sorted, .5)
	next := sorted[len(sorted)-2]
	scale := slices.Max(b.v) - slices.Min(b.v)
	// Three times the next largest: of a staircase or a sawtooth there are others like it.
	if size[at] < 6*spread || size[at] < 3*next || size[at] < .2*scale || size[at] == 0 {
		return 0, false
	}
	return b.startMS(at+1) + b.widthMS, true
}
