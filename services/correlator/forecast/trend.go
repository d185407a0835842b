package forecast

import (
	"math"
	"slices"
)

// trend is a line that goes on from the end of bins, and how far off such lines were.
type trend struct {
	sinceMS, untilMS, widthMS int64
	// n is the number of bins, slope the growth for each, level where the line is at the end, peak what the worst hour of a day is above it.
	n                  int
	slope, level, peak float64
	// spread has the root mean square of what such lines missed by, one bin ahead first. df are its degrees of freedom.
	spread []float64
	df     float64
	// sawtooth says that the values fell back again and again; doubt is what else lowers the confidence, in (0,1].
	sawtooth bool
	doubt    float64
}

// Of lines.
const (
	// anchored is how many of the last bins say where a line is, where one alone is too noisy.
	anchored = 5
	// linePoints bounds the points of a line whose slope is looked for: 16 give 120 pairs.
	linePoints = 16
	// rateDoubt is the least that a slope is unsure by, as a share of it: the past may have been a straight line by chance.
	rateDoubt = .03
	// sawtoothFall is the part of the range that a value must fall by, sawtoothShare the least range beside what is left to the limit.
	sawtoothFall, sawtoothShare = .4, .1
)

// candidate is a way to draw a line: through so many steps of the past, beginning at the last value or at the middle of some.
type candidate struct {
	steps  int
	smooth bool
}

// candidates returns the ways for n bins, all of which leave a third of them for judging.
func candidates(n int) []candidate {
	var out []candidate
	most := n - 1 - n/3
	for w := 1; ; w = max(w+1, w*2) {
		w = min(w, most)
		out = append(out, candidate{w, false})
		if w >= anchored {
			out = append(out, candidate{w, true})
		}
		if w == most {
			return out
		}
	}
}

// line returns level and slope of the line that c draws through v.
func (c candidate) line(v []float64) (level, slope float64) {
	part := v[len(v)-1-c.steps:]
	slope = part[c.steps] - part[0]
	if c.steps > 1 {
		slope = slopeOf(part)
	}
	level = v[len(v)-1]
	if c.smooth {
		var last [anchored]float64
		for i := range last {
			last[i] = v[len(v)-1-i] + slope*float64(i)
		}
		level = median(last[:])
	}
	return level, slope
}

// slopeOf returns the Theil–Sen slope of values at equal steps, through at most linePoints of them.
func slopeOf(v []float64) float64 {
	n := min(len(v), linePoints)
	var at [linePoints]int
	for i := range n {
		at[i] = i * (len(v) - 1) / (n - 1)
	}
	var buf [linePoints * (linePoints - 1) / 2]float64
	slopes := buf[:0]
	for i := range n {
		for j := i + 1; j < n; j++ {
			slopes = append(slopes, (v[at[j]]-v[at[i]])/float64(at[j]-at[i]))
		}
	}
	return median(slopes)
}

// misses returns what the lines of c missed by at the past ends, for each lead from 1 to most.
func (c candidate) misses(v []float64, most int) [][]float64 {
	out := make([][]float64, most)
	for o := c.first(); o < len(v); o++ {
		level, slope := c.line(v[:o])
		for k := 0; k < most && o+k < len(v); k++ {
			out[k] = append(out[k], v[o+k]-level-slope*float64(k+1))
		}
	}
	return out
}

// first is the least number of values for a line.
func (c candidate) first() int {
	if c.smooth {
		return max(c.steps+1, anchored)
	}
	return c.steps + 1
}

// trend finds the line that would have foretold the bins best, at about the distance of limit.
func (b *bins) trend(limit float64) (trend, bool) {
	n := len(b.v)
	if n < minBins {
		return trend{}, false
	}
	tr := trend{sinceMS: b.startMS(0), untilMS: b.endMS, widthMS: b.widthMS, n: n, doubt: b.doubt, peak: b.peak}
	all := candidates(n)
	// The distance by the slope over half of the past; a third of the past where that does not lead there.
	_, slope := candidate{steps: max((n-1)/2, 1)}.line(b.v)
	lead := n / 3
	if gap := limit - b.v[n-1]; slope > 0 && gap < slope*float64(lead) {
		lead = max(int(math.Ceil(gap/slope)), 1)
	}
	least := math.Inf(1)
	var misses [][]float64
	for _, c := range all {
		m := c.misses(b.v, n/3)
		// The same number of ends for all, the latest ones: a short line has more of them.
		known := m[lead-1]
		known = known[len(known)-min(len(known), max(n/3, 2)):]
		if e := meanSize(known); len(known) > 0 && e < least {
			least, misses = e, m
			tr.level, tr.slope = c.line(b.v)
		}
	}
	if misses == nil {
		return tr, false
	}
	for k, m := range misses {
		if len(m) == 0 {
			break
		}
		s := 0.0
		for _, x := range m {
			s += x * x
		}
		s = max(math.Sqrt(s/float64(len(m))), rateDoubt*math.Abs(tr.slope)*float64(k+1))
		if k > 0 {
			s = max(s, tr.spread[k-1]) // What is further ahead is not surer.
		}
		tr.spread = append(tr.spread, s)
	}
	// Errors of one distance overlap, so they count once for each time it fits into the past.
	tr.df = max(float64(n)/float64(lead)-1, 3)
	return tr, true
}

func meanSize(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += math.Abs(x)
	}
	return s / float64(max(len(v), 1))
}

// spreadAt returns the spread x bins ahead: between those that were measured by a line, beyond them in proportion to the distance.
func (tr *trend) spreadAt(x float64) float64 {
	n := len(tr.spread)
	switch {
	case x >= float64(n):
		return tr.spread[n-1] * x / float64(n)
	case x <= 1:
		return tr.spread[0] * x
	}
	i := int(x) - 1
	return tr.spread[i] + (tr.spread[i+1]-tr.spread[i])*(x-float64(i+1))
}

// reach turns the line into a date.
func (tr *trend) reach(limit float64, nowMS int64) Exhaustion {
	perHour := float64(hourMS) / float64(tr.widthMS)
	z := studentQuantile(.9, tr.df)
	far := float64(len(tr.spread))
	doubt := tr.spreadAt(far) / far
	out := Exhaustion{
		State: StateNone, Level: tr.level, SinceMS: tr.sinceMS,
		PerHour: tr.slope * perHour, PerHourLow: (tr.slope - z*doubt) * perHour, PerHourHigh: (tr.slope + z*doubt) * perHour,
	}
	if tr.sawtooth {
		out.State = StateSawtooth
	}
	// The line may be there already where the last value is not: any moment, then.
	gap := max(limit-tr.level-tr.peak, 0)
	most := float64(reachSpans * tr.n)
	if int64(tr.n)*tr.widthMS < 2*dayMS {
		most = float64(shortSpans * tr.n)
	}
	mid := gap / max(tr.slope, math.SmallestNonzeroFloat64)
	grown := tr.slope * float64(tr.n-1)
	if tr.slope <= 0 || mid > most || grown < minEffect*max(gap, math.Abs(limit)*minEffect) {
		return out
	}
	// No trend where the interval of what will have come by then holds nothing at all.
	at := min(max(mid, 1), far)
	if tr.slope*at-z*tr.spreadAt(at) <= 0 {
		return out
	}
	ms := func(x float64) int64 { return max(tr.untilMS+int64(x*float64(tr.widthMS)), nowMS) }
	out.State, out.ReachMS = StateTrend, ms(mid)
	early, _ := tr.crossing(gap, z, mid)
	out.EarliestMS = ms(early)
	if late, ok := tr.crossing(gap, -z, 3*most); ok {
		out.LatestMS = ms(late)
	}
	sure := 2*studentProbability(tr.slope*at/max(tr.spreadAt(at), math.SmallestNonzeroFloat64), tr.df) - 1
	out.Confidence = sure * tr.doubt * float64(tr.n) / (float64(tr.n) + mid/2)
	return out
}

// crossing returns how many bins ahead the line with z spreads reaches gap; ok is false when that is further than most.
func (tr *trend) crossing(gap, z, most float64) (x float64, ok bool) {
	f := func(x float64) float64 { return tr.slope*x + z*tr.spreadAt(x) - gap }
	if f(most) < 0 {
		return most, false
	}
	low, high := 0.0, most
	for range 60 {
		if m := (low + high) / 2; f(m) < 0 {
			low = m
		} else {
			high = m
		}
	}
	return high, true
}

// differences returns the steps of v.
func differences(v []float64) []float64 {
	d := make([]float64, len(v)-1)
	for i := range d {
		d[i] = v[i+1] - v[i]
	}
	return d
}

// sawtooth reports whether values rise little by little and fall at once, at least twice, by something that is not little beside what is left.
func sawtooth(v []float64, limit float64) bool {
	low, high := slices.Min(v), slices.Max(v)
	scale := high - low
	if !(scale > sawtoothShare*(limit-low)) {
		return false
	}
	d := differences(v)
	slices.Sort(d)
	if len(d) < 4 {
		return false
	}
	// Of noise the largest steps are alike in both directions. The second largest count: one may be anything.
	fall, rise := -d[1], d[len(d)-2]
	return fall > sawtoothFall*scale && fall > 2*rise
}

// studentProbability returns about P(T <= x) for Student's distribution (Wallace, Annals of Mathematical Statistics 30, 1959).
func studentProbability(x, df float64) float64 {
	z := x * (1 - 1/(4*df)) / math.Sqrt(1+x*x/(2*df))
	return .5 * math.Erfc(-z/math.Sqrt2)
}
