package rootcause

import (
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// deviation is how far a series is from its own past.
type deviation struct {
	// level and spread are of the time before, low and high its 10 and 90 percent quantiles.
	level, spread, low, high float64
	// value is the observation that stands for the time after, z its distance from level in spreads, positive in the bad direction.
	value, z float64
	// dir is +1 when value is above level.
	dir int8
	// p is the calibrated probability of as much in quiet times; 1 when nothing can be said.
	p float64
	// onset is the time of the first sample that belongs to the deviation; 0 for none.
	onset int64
	// before and after count the samples; silent says that samples were expected after and none came.
	before, after int
	silent        bool
}

const (
	// minBefore and minAfter samples are needed to judge a series by its past.
	minBefore, minAfter = 5, 1
	// maxBefore bounds the past that is looked at; more does not move a median.
	maxBefore = 240
	// persistShare is the share of the samples after the onset that must deviate at least as much as the score says: a fault that is three
	// minutes long has to show in a window of four or five, and a single sample must not decide.
	persistShare = 0.4
	// tailFrom is where the empirical distribution of past windows ends and the power law begins.
	tailFrom = 0.05
	// tailPower is the exponent of the tail beyond it: three is the lightest power law whose variance is finite with a margin, and heavier
	// than what a normal distribution would claim. A deviation twice the 95 % quantile is one in 160.
	tailPower = 3
	// minQuantile is the least 95 % quantile of past windows, in spreads. A series that never moved gets no more certainty than this.
	minQuantile = 1.5
	// pooledBelow is the number of past windows below which the quantile of all series with the same role is used as well.
	pooledBelow = 12
)

// points are the samples of one series around the onset, without gaps.
type points struct {
	before, after []float64
	// times are those of after; step is the median distance of samples.
	times []int64
	step  int64
	// total is the sum of the values after, each times the seconds that it stands for.
	total float64
	// last is the time of the last sample before the onset.
	last int64
}

// cut splits a window at the onset and leaves out what is no number. The slices are valid until the next call.
func (s *scratch) cut(w *model.Window, onset, now, history int64) points {
	p := points{before: s.before[:0], after: s.after[:0], times: s.times[:0]}
	s.steps = s.steps[:0]
	prev := int64(math.MinInt64)
	disturbed := 0
	for i, t := range w.TimesMS {
		if t > now {
			break
		}
		v := w.Values[i]
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		if prev != math.MinInt64 && t > prev {
			s.steps = append(s.steps, t-prev)
		}
		prev = t
		switch {
		case t >= onset:
			p.after, p.times = append(p.after, v), append(p.times, t)
		case t >= onset-history:
			p.last = t
			if s.during(t) {
				disturbed++
				continue
			}
			p.before = append(p.before, v)
		}
	}
	if len(p.before) < minBefore && disturbed > 0 && len(s.incidents) > 0 {
		// Better a past with incidents than none.
		kept := s.incidents
		s.incidents = nil
		p = s.cut(w, onset, now, history)
		s.incidents = kept
		return p
	}
	if n := len(p.before); n > maxBefore {
		p.before = p.before[n-maxBefore:]
	}
	if len(s.steps) > 0 {
		slices.Sort(s.steps)
		p.step = s.steps[len(s.steps)/2]
	}
	for i, v := range p.after {
		p.total += v * span(p.times, i, p.step)
	}
	s.before, s.after, s.times = p.before, p.after, p.times
	return p
}

// span returns the seconds that sample i of a series stands for: up to the next one, or as long as the last one did, and no more than the usual
// step. The newest samples of a series may come at their own step behind older ones that are means of a minute.
func span(times []int64, i int, step int64) float64 {
	d := step
	switch {
	case i+1 < len(times):
		d = min(d, times[i+1]-times[i])
	case i > 0:
		d = min(d, times[i]-times[i-1])
	}
	return float64(max(d, 1)) / 1000
}

// scratch is reused from series to series.
type scratch struct {
	before, after, sorted, window, past []float64
	times, steps                        []int64
	// incidents are times that are no normal.
	incidents []Interval
}

// during reports whether an earlier incident was going on.
func (s *scratch) during(t int64) bool {
	for _, i := range s.incidents {
		if t >= i.FromMS && t < i.ToMS {
			return true
		}
	}
	return false
}

// deviate compares the time after the onset with the time before it. past is left in s.past, sorted, for the caller to pool.
func (s *scratch) deviate(p points, r rule, onset, now int64) deviation {
	d := deviation{p: 1, before: len(p.before), after: len(p.after)}
	s.past = s.past[:0]
	if d.before < minBefore {
		return d
	}
	s.sorted = append(s.sorted[:0], p.before...)
	slices.Sort(s.sorted)
	d.level, d.low, d.high = quantile(s.sorted, .5), quantile(s.sorted, .1), quantile(s.sorted, .9)
	// 2.563 is the distance of these two quantiles in standard deviations of a normal distribution.
	d.spread = max((d.high-d.low)/2.563, r.floor(d.level, s.sorted))
	if d.after < minAfter {
		// Three missing samples of a series that came regularly are silence.
		d.silent = p.step > 0 && now-max(onset, p.last) >= 3*p.step && p.last >= onset-2*p.step
		return d
	}
	d.z, d.dir = s.persistent(p.after, d.level, d.spread, r.direction)
	d.value = d.level + d.z*d.spread*float64(d.dir)
	d.z = min(d.z, model.MaxScore)
	stride := max(1, d.after/4)
	for i := 0; i+d.after <= len(p.before); i += stride {
		z, _ := s.persistent(p.before[i:i+d.after], d.level, d.spread, r.direction)
		s.past = append(s.past, z)
	}
	slices.Sort(s.past)
	d.onset = firstBreak(p, d)
	return d
}

// persistent returns the deviation that persistShare of vs reach or exceed in one direction, and that direction.
func (s *scratch) persistent(vs []float64, level, spread float64, direction int8) (float64, int8) {
	k := int(math.Ceil(persistShare*float64(len(vs)))) - 1
	best, dir := 0.0, int8(1)
	for _, sign := range [2]int8{1, -1} {
		if direction != 0 && direction != sign {
			continue
		}
		s.window = s.window[:0]
		for _, v := range vs {
			s.window = append(s.window, float64(sign)*(v-level)/spread)
		}
		slices.Sort(s.window)
		if z := s.window[len(s.window)-1-k]; z > best {
			best, dir = z, sign
		}
	}
	if best == 0 && direction != 0 {
		dir = direction
	}
	return best, dir
}

// firstBreak returns the time of the first of two consecutive samples (or the last one) that reach half of the deviation.
func firstBreak(p points, d deviation) int64 {
	if d.z <= 0 {
		return 0
	}
	reach := func(v float64) bool { return float64(d.dir)*(v-d.level)/d.spread >= d.z/2 }
	for i, v := range p.after {
		if reach(v) && (i+1 == len(p.after) || reach(p.after[i+1])) {
			return p.times[i]
		}
	}
	return p.times[0]
}

// tail returns the probability of a deviation of z or more, given the deviations of past windows in ascending order and the 95 % quantile that
// other series of the role have. Below the quantile it is the rank, above it a power law.
func tail(z float64, past []float64, pooled float64) float64 {
	q := max(minQuantile, pooled)
	if len(past) >= pooledBelow {
		q = max(minQuantile, quantile(past, 1-tailFrom))
	} else if len(past) > 0 {
		q = max(q, past[len(past)-1])
	}
	if z > q {
		return tailFrom * math.Pow(q/z, tailPower)
	}
	if z <= 0 {
		return 1
	}
	// Between no deviation and the quantile: linear in z, which is coarse and good enough for what is no evidence anyway.
	return 1 - (1-tailFrom)*z/q
}

// quantile returns the q-quantile of sorted values, with linear interpolation.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	f := at - float64(i)
	return sorted[i]*(1-f) + sorted[i+1]*f
}

// evidence is the weight of a probability: minus its decimal logarithm, at most six.
func evidence(p float64) float64 {
	if p >= 1 {
		return 0
	}
	return min(-math.Log10(p), maxEvidence)
}

// maxEvidence bounds what one series can say. Six is one in a million.
const maxEvidence = 6
