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

func differences(v []float64) []float64 {
	d := make([]float64, len(v)-1)
	for i := range d {
		d[i] = v[i+1] - v[i]
	}
	return d
}

// trend fits the line.
func (b *bins) trend() (trend, bool) {
	n := len(b.v)
	if n < minBins {
		return trend{}, false
	}
	tr := trend{sinceMS: b.startMS(0), untilMS: b.endMS, widthMS: b.widthMS, n: n, doubt: b.doubt, peak: b.peak}
	b.fit(&tr, b.v)
	tr.sawtooth = sawtooth(b.v)
	// Would the first two thirds have foretold the end?
	part := b.v[:n*2/3]
	tr.kept = true
	if len(part) >= minBins {
		early := tr
		b.fit(&early, part)
		ahead := float64(n - len(part))
		off := math.Abs(early.level + early.slope*ahead - tr.level)
		z := studentQuantile(.9, early.df)
		tr.kept = off <= z*math.Sqrt(early.wander*ahead+early.slopeErr*early.slopeErr*ahead*ahead+early.levelErr*early.levelErr+early.noise) || off <= .2*math.Abs(tr.slope)*ahead
	}
	return tr, true
}

// fit sets slope, level and their uncertainty from v.
func (b *bins) fit(tr *trend, v []float64) {
	n := len(v)
	x := make([]float64, n)
	for i := range x {
		x[i] = float64(i - n + 1)
	}
	tr.slope = theilSen(x, v)
	rest := make([]float64, n)
	for i := range v {
		rest[i] = v[i] - tr.slope*x[i]
	}
	short, long := variances(differences(rest))
	// What the bins wander at least: with few of them the estimate may come out as nothing.
	tr.wander = max(long, short/float64(n))
	tr.noise = max(short-long, 0) / 2
	tr.slopeErr = math.Sqrt(tr.wander / float64(n-1))
	tr.df = max(float64(n)/3, 3)
	// Where the line is now: the weights of Kalman's filter in its steady state for a level that wanders under noise. A level without noise
	// is its last value.
	gain := 1.0
	if q := tr.wander / max(tr.noise, 1e-300); q < 1e9 {
		gain = (math.Sqrt(q*q+4*q) - q) / 2
	}
	tr.level = median(slices.Clone(rest[:min(n, minBins)]))
	for _, r := range rest {
		tr.level += gain * (r - tr.level)
	}
	for i := range rest {
		rest[i] -= tr.level
	}
	tr.levelErr = math.Sqrt(tr.noise * gain)
	tail := slices.Clone(rest[n/2:])
	slices.Sort(tail)
	// What the values are above the line at their worst, if that comes from noise and not from a level that has moved.
	tr.peak = b.peak + max(min(quantile(tail, .9), 2*math.Sqrt(tr.noise)), 0)
}

// variances returns the variance of d, and its long-run variance (Newey and West, Econometrica 55, 1987, with weights of Bartlett over a quarter of the
// values): what sums of many of them vary by, for each.
func variances(d []float64) (short, long float64) {
	n := len(d)
	lags := max(n/4, 1)
	for k := 0; k <= lags && k < n; k++ {
		c := 0.0
		for i := k; i < n; i++ {
			c += d[i] * d[i-k]
		}
		c /= float64(n)
		if k == 0 {
			short, long = c, c
			continue
		}
		long += 2 * (1 - float64(k)/float64(lags+1)) * c
	}
	return short, max(long, 0)
}

// sawtooth reports whether values fell back at least twice by most of what they rise by.
func sawtooth(v []float64) bool {
	scale := slices.Max(v) - slices.Min(v)
	falls, low := 0, v[0]
	peak := v[0]
	for _, x := range v[1:] {
		if x > peak {
			peak = x
		}
		if peak-x > .4*scale && scale > 0 {
			falls++
			peak, low = x, x
		}
		low = min(low, x)
	}
	return falls >= 2 && low < slices.Max(v)
}

// studentProbability returns about P(T <= x) for Student's distribution (Wallace, Annals of Mathematical Statistics 30, 1959).
func studentProbability(x, df float64) float64 {
	z := x * (1 - 1/(4*df)) / math.Sqrt(1+x*x/(2*df))
	return .5 * math.Erfc(-z/math.Sqrt2)
}
