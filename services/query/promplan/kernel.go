package promplan

import (
	"math"
	"slices"

	"github.com/prometheus/prometheus/util/kahansum"
)

// missingBits stand for "no value": the staleness marker, which is never a value.
const missingBits = 0x7ff0000000000002

func missing() float64 { return math.Float64frombits(missingBits) }

func isMissing(v float64) bool { return math.Float64bits(v) == missingBits }

// samples are those of one series in the order of time, without staleness markers except for an instant selector.
type samples struct {
	times  []int64
	values []float64
	// resets are the positions of values below the one before.
	resets []int
}

// window is a run of samples within (endMS-rangeMS, endMS]: positions from lo to hi, hi excluded, never empty.
type window struct {
	*samples
	lo, hi         int
	endMS, rangeMS int64
}

// kernel computes one value from a window.
type kernel struct {
	// of returns the value, or the missing one.
	of func(w *window) float64
	// keepsName says that the metric's name stays in the result.
	keepsName bool
	// stale says that staleness markers are part of the window.
	stale bool
	// counter says that resets must be known; warns, that a name that is not a counter's deserves a note.
	counter, warns bool
}

// kernels by function; "" is that of an instant selector.
var kernels = map[string]kernel{
	"":                  {of: latest, keepsName: true, stale: true},
	"rate":              {of: rate, counter: true, warns: true},
	"increase":          {of: increase, counter: true, warns: true},
	"delta":             {of: delta},
	"irate":             {of: irate},
	"idelta":            {of: idelta},
	"sum_over_time":     {of: sumOverTime},
	"avg_over_time":     {of: avgOverTime},
	"min_over_time":     {of: minOverTime},
	"max_over_time":     {of: maxOverTime},
	"count_over_time":   {of: func(w *window) float64 { return float64(w.hi - w.lo) }},
	"present_over_time": {of: func(*window) float64 { return 1 }},
	"last_over_time":    {of: func(w *window) float64 { return w.values[w.hi-1] }, keepsName: true},
	"first_over_time":   {of: func(w *window) float64 { return w.values[w.lo] }, keepsName: true},
	"changes":           {of: changes},
	"resets":            {of: func(w *window) float64 { return float64(len(w.resetsWithin())) }, counter: true},
}

// prepare makes samples ready for a kernel.
func (k *kernel) prepare(s *samples) {
	if !k.stale {
		n := 0
		for i, v := range s.values {
			if !isMissing(v) {
				if n != i {
					s.times[n], s.values[n] = s.times[i], v
				}
				n++
			}
		}
		s.times, s.values = s.times[:n], s.values[:n]
	}
	s.resets = s.resets[:0]
	if k.counter {
		for i := 1; i < len(s.values); i++ {
			if s.values[i] < s.values[i-1] {
				s.resets = append(s.resets, i)
			}
		}
	}
}

// row computes the values of a series at the times of p's grid and reports whether there is any.
func (p *part) row(dst []float64, s *samples) bool {
	w := window{samples: s, rangeMS: p.rangeMS}
	times := s.times
	any := false
	end := p.grid.start - p.offsetMS
	for i := range dst {
		w.endMS = end + int64(i)*p.grid.step
		if p.fixedMS != nil {
			w.endMS = *p.fixedMS
		}
		for w.hi < len(times) && times[w.hi] <= w.endMS {
			w.hi++
		}
		for from := w.endMS - p.rangeMS; w.lo < w.hi && times[w.lo] <= from; w.lo++ {
		}
		if w.lo == w.hi {
			dst[i] = missing()
			continue
		}
		dst[i] = p.kernel.of(&w)
		any = any || !isMissing(dst[i])
	}
	return any
}

// latest is an instant selector: a marker says that there is nothing, and its bits are the missing value's.
func latest(w *window) float64 { return w.values[w.hi-1] }

// resetsWithin returns the positions in the window, its first one excluded, whose value is below the one before.
func (w *window) resetsWithin() []int {
	if len(w.resets) == 0 {
		return nil
	}
	from, _ := slices.BinarySearch(w.resets, w.lo+1)
	to, _ := slices.BinarySearch(w.resets, w.hi)
	return w.resets[from:to]
}

func rate(w *window) float64     { return w.extrapolated(true, true) }
func increase(w *window) float64 { return w.extrapolated(true, false) }
func delta(w *window) float64    { return w.extrapolated(false, false) }

// extrapolated is the difference between the last and the first value, with resets undone for counters, extended to the whole window.
// Source: Prometheus v3, promql/functions.go, extrapolatedRate; the operations and their order are the same, so that results are.
func (w *window) extrapolated(counter, perSecond bool) float64 {
	n := w.hi - w.lo
	if n < 2 {
		return missing()
	}
	first, last := w.times[w.lo], w.times[w.hi-1]
	value := w.values[w.hi-1] - w.values[w.lo]
	if counter {
		for _, i := range w.resetsWithin() {
			value += w.values[i-1]
		}
	}
	toStart := float64(first-(w.endMS-w.rangeMS)) / 1000
	toEnd := float64(w.endMS-last) / 1000
	sampled := float64(last-first) / 1000
	average := sampled / float64(n-1)
	threshold := average * 1.1
	if toStart >= threshold {
		toStart = average / 2
	}
	if counter {
		toZero := toStart
		if value > 0 && w.values[w.lo] >= 0 {
			toZero = sampled * (w.values[w.lo] / value)
		}
		if toZero < toStart {
			toStart = toZero
		}
	}
	if toEnd >= threshold {
		toEnd = average / 2
	}
	factor := 1.0
	if sampled != 0 {
		factor = (sampled + toStart + toEnd) / sampled
	}
	if perSecond {
		factor /= float64(w.rangeMS) / 1000
	}
	return value * factor
}

func irate(w *window) float64  { return w.lastStep(true) }
func idelta(w *window) float64 { return w.lastStep(false) }

// lastStep is the difference of the last two values. Source: Prometheus v3, promql/functions.go, instantValue.
func (w *window) lastStep(counter bool) float64 {
	if w.hi-w.lo < 2 {
		return missing()
	}
	a, b := w.values[w.hi-2], w.values[w.hi-1]
	interval := w.times[w.hi-1] - w.times[w.hi-2]
	if interval == 0 {
		return missing()
	}
	value := b
	if !counter || !(b < a) {
		value = b - a
	}
	if counter {
		value /= float64(interval) / 1000
	}
	return value
}

func sumOverTime(w *window) float64 {
	var sum, c float64
	for _, v := range w.values[w.lo:w.hi] {
		sum, c = kahansum.Inc(v, sum, c)
	}
	if math.IsInf(sum, 0) {
		return sum
	}
	return sum + c
}

// avgOverTime adds up as long as the sum fits, and goes on with a running mean when it does not. Source: Prometheus v3,
// promql/functions.go, funcAvgOverTime.
func avgOverTime(w *window) float64 {
	vs := w.values[w.lo:w.hi]
	sum, c := vs[0], 0.0
	for i, v := range vs[1:] {
		next, nextC := kahansum.Inc(v, sum, c)
		if math.IsInf(next, 0) {
			return runningMean(vs, i+1, sum, c)
		}
		sum, c = next, nextC
	}
	count := float64(len(vs))
	return sum/count + c/count
}

// runningMean goes on from the sum of the first n values.
func runningMean(vs []float64, n int, sum, c float64) float64 {
	mean := sum / float64(n)
	c /= float64(n)
	for i, v := range vs[n:] {
		count := float64(n + i + 1)
		q := (count - 1) / count
		mean, c = kahansum.Inc(v/count, q*mean, q*c)
	}
	return mean + c
}

func minOverTime(w *window) float64 {
	least := w.values[w.lo]
	for _, v := range w.values[w.lo:w.hi] {
		if v < least || math.IsNaN(least) {
			least = v
		}
	}
	return least
}

func maxOverTime(w *window) float64 {
	most := w.values[w.lo]
	for _, v := range w.values[w.lo:w.hi] {
		if v > most || math.IsNaN(most) {
			most = v
		}
	}
	return most
}

func changes(w *window) float64 {
	n := 0
	vs := w.values[w.lo:w.hi]
	for i := 1; i < len(vs); i++ {
		if vs[i] != vs[i-1] && !(math.IsNaN(vs[i]) && math.IsNaN(vs[i-1])) {
			n++
		}
	}
	return float64(n)
}
