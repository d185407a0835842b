package forecast

import (
	"math"
)

// Stock is something that can run out, as it was: the level of what fills up, or of what is left.
type Stock struct {
	// TimesMS are ascending, at any distances; Values[i] belongs to TimesMS[i].
	TimesMS []int64
	Values  []float64
	// Limit is where the end is. Falling says that the values fall towards it: free bytes, with a limit of 0.
	Limit   float64
	Falling bool
	NowMS   int64
}

// State says what is to be said of a stock.
type State string

// The states.
const (
	StateReached  State = "reached"   // It is at its limit now.
	StateTrend    State = "trend"     // It goes towards the limit and gets there within what the past can tell.
	StateNone     State = "no_trend"  // No trend that can be told from chance, or so slow that the past cannot tell when.
	StateSawtooth State = "sawtooth"  // It rises again and again, and comes back by itself each time.
	StateShort    State = "too_short" // There is too little past, as after a change of level.
)

// Exhaustion is when a stock runs out.
type Exhaustion struct {
	State State
	// ReachMS is the date that is as likely too early as too late; it lies between EarliestMS and LatestMS with 80 %. All are 0 without
	// a trend, LatestMS also where it may never come.
	ReachMS, EarliestMS, LatestMS int64
	// Level is where the stock is now, smoothed; PerHour how it changes, with its interval of 80 %. In units of the values.
	Level, PerHour, PerHourLow, PerHourHigh float64
	// SinceMS is from when on the past counted: after the last change of level.
	SinceMS int64
	// Fast says that it is a sudden rise that the longer past did not have.
	Fast bool
	// Confidence is in [0,1]: how sure the trend is, how far it must be prolonged, and whether it would have foretold its own last part.
	Confidence float64
}

// Of exhaustion, in milliseconds where it is time.
const (
	hourMS = int64(3_600_000)
	dayMS  = 24 * hourMS
	// minSpanMS is the least past: an hour, less what an hour of samples lacks at its ends.
	minSpanMS = 50 * 60_000
	// fastSpanMS is what a sudden rise is looked for in.
	fastSpanMS = 3 * hourMS
	// dailyMS is from when on whole days are compared, by their worst value.
	dailyMS = 8 * dayMS
	// reachSpans is by how many lengths of its past a trend may be prolonged.
	reachSpans = 4
	// minBins is the least number of bins of a trend.
	minBins = 6
	// quietBins is into how many bins less than two days are cut.
	quietBins = 36
	// minEffect is the least growth over the past, as a share of the distance between limit and where the values are, that counts.
	minEffect = 0.005
	// maxSpanMS bounds the past.
	maxSpanMS = 90 * dayMS
)

// Exhaust says when s runs out.
//
// The past after the last change of level is cut into bins, each with its worst value: days where there are eight of them, hours without the profile
// of the day from two days on, 36 bins below. The slope is Theil–Sen's; its uncertainty and the wandering to come are taken from the long-run
// variance of the bins' differences, so that noise that comes back (a sawtooth, a daily swing) counts little and steps that stay count whole. The date is where the
// median crosses the limit, the interval where the 10 and 90 % lines do. A sudden rise in the last three hours takes its place when the past has no rise like it.
//
// O(n + bins²). s is not kept.
func Exhaust(s Stock) Exhaustion {
	t, v := s.clean()
	out := Exhaustion{State: StateShort}
	if len(t) < minBins || t[len(t)-1]-t[0] < minSpanMS {
		return out
	}
	limit := s.Limit
	if s.Falling {
		limit = -limit
	}
	slow, ok := slowTrend(t, v)
	if ok {
		out = slow.reach(limit, s.NowMS)
	}
	if fast, ok := fastTrend(t, v); ok {
		if f := fast.reach(limit, s.NowMS); f.State == StateTrend && f.ReachMS-s.NowMS < dayMS && (out.ReachMS == 0 || f.ReachMS < out.ReachMS) {
			out, out.Fast = f, true
		}
	}
	if v[len(v)-1] >= limit {
		out.State, out.ReachMS, out.EarliestMS, out.LatestMS, out.Confidence = StateReached, s.NowMS, s.NowMS, s.NowMS, 1
	}
	if s.Falling {
		out.Level, out.PerHour, out.PerHourLow, out.PerHourHigh = -out.Level, -out.PerHour, -out.PerHourHigh, -out.PerHourLow
	}
	return out
}

// clean returns the finite values within maxSpanMS of now, turned so that the limit is above.
func (s *Stock) clean() (t []int64, v []float64) {
	for i, ms := range s.TimesMS {
		x := s.Values[i]
		if ms > s.NowMS || ms < s.NowMS-maxSpanMS || math.IsNaN(x) || math.IsInf(x, 0) || len(t) > 0 && ms <= t[len(t)-1] {
			continue
		}
		if s.Falling {
			x = -x
		}
		t, v = append(t, ms), append(v, x)
	}
	return t, v
}

// trend is a line through bins.
type trend struct {
	sinceMS, untilMS int64
	widthMS          int64
	// level is the line at the end, peak what the worst values are above it, slope per bin.
	level, peak, slope float64
	// slopeErr and levelErr are standard errors; wander the long-run variance of a bin's difference; noise the variance around the line.
	slopeErr, levelErr, wander, noise float64
	df                                float64
	n                                 int
	sawtooth                          bool
	// kept says that the line through the first part of the past would have foretold the last part.
	kept bool
	// doubt is what else lowers the confidence, in (0,1].
	doubt float64
}

// slowTrend finds the trend of the past since the last change of level.
func slowTrend(t []int64, v []float64) (trend, bool) {
	for range maxShifts {
		span := t[len(t)-1] - t[0]
		if len(t) < minBins || span < minSpanMS {
			return trend{}, false
		}
		b := slowBins(t, v, span)
		if cut, ok := b.lastShift(); ok {
			i := 0
			for i < len(t) && t[i] < cut {
				i++
			}
			if i == len(t) {
				return trend{}, false
			}
			t, v = t[i:], v[i:]
			continue
		}
		return b.trend()
	}
	return trend{}, false
}

// maxShifts bounds how many changes of level are cut off one after the other.
const maxShifts = 8

// slowBins cuts the past into bins, by how much there is.
func slowBins(t []int64, v []float64, span int64) bins {
	switch {
	case span >= dailyMS:
		return worst(t, v, dayMS)
	case span >= 2*dayMS:
		return worst(t, v, hourMS).withoutDay()
	}
	b := worst(t, v, max(span/quietBins, 60_000))
	// Before a whole day was seen, a morning looks like a leak.
	if b.doubt = .8; span > 4*hourMS {
		b.doubt = .6
	}
	return b
}

// fastTrend finds a sudden rise in the last hours, unlike any before.
func fastTrend(t []int64, v []float64) (trend, bool) {
	end := t[len(t)-1]
	from := len(t)
	for from > 0 && t[from-1] > end-fastSpanMS {
		from--
	}
	if from == 0 || len(t)-from < minBins || end-t[from] < minSpanMS {
		return trend{}, false // All there is was looked at already.
	}
	b := worst(t[from:], v[from:], max((end-t[from])/quietBins, 60_000))
	if _, ok := b.lastShift(); ok {
		return trend{}, false
	}
	tr, ok := b.trend()
	if !ok {
		return tr, false
	}
	rise := v[len(v)-1] - v[from]
	// The largest rise within as much time before, by a window over the past.
	before, low := 0.0, 0
	for i := range from {
		for t[low] < t[i]-fastSpanMS {
			low++
		}
		for k := low; k < i; k += max((i-low)/16, 1) {
			before = max(before, v[i]-v[k])
		}
	}
	if rise < 1.5*before {
		return tr, false
	}
	if t[from]-t[0] < dayMS {
		tr.doubt = .6
	}
	return tr, true
}

// reach turns a line into a date.
func (tr *trend) reach(limit float64, nowMS int64) Exhaustion {
	perHour := float64(hourMS) / float64(tr.widthMS)
	z := studentQuantile(.9, tr.df)
	out := Exhaustion{
		State: StateNone, Level: tr.level, SinceMS: tr.sinceMS,
		PerHour: tr.slope * perHour, PerHourLow: (tr.slope - z*tr.slopeErr) * perHour, PerHourHigh: (tr.slope + z*tr.slopeErr) * perHour,
	}
	if tr.sawtooth {
		out.State = StateSawtooth
	}
	gap := limit - tr.level - tr.peak
	grown := tr.slope * float64(tr.n-1)
	if tr.slope-z*tr.slopeErr <= 0 || grown < minEffect*max(math.Abs(gap), math.Abs(limit)*minEffect) {
		return out
	}
	if gap <= 0 {
		gap = 0 // The line is there already, the last value is not: any moment.
	}
	// Prolonged by so many bins at most, counted from the end of the past.
	most := float64(reachSpans * tr.n)
	at := func(z float64) (float64, bool) {
		f := func(x float64) float64 {
			return tr.slope*x + z*math.Sqrt(tr.wander*x+tr.slopeErr*tr.slopeErr*x*x+tr.levelErr*tr.levelErr+tr.noise) - gap
		}
		if f(0) >= 0 {
			return 0, true
		}
		low, high := 0.0, 3*most
		if f(high) < 0 {
			return 0, false
		}
		for range 60 {
			if m := (low + high) / 2; f(m) < 0 {
				low = m
			} else {
				high = m
			}
		}
		return high, true
	}
	mid, ok := at(0)
	if !ok || mid > most {
		return out
	}
	early, _ := at(z)
	ms := func(x float64) int64 { return max(tr.untilMS+int64(x*float64(tr.widthMS)), nowMS) }
	out.State, out.ReachMS, out.EarliestMS = StateTrend, ms(mid), ms(early)
	if late, ok := at(-z); ok {
		out.LatestMS = ms(late)
	}
	sure := studentProbability(tr.slope/max(tr.slopeErr, 1e-300), tr.df)
	out.Confidence = (2*sure - 1) * tr.doubt * float64(tr.n) / (float64(tr.n) + mid/2)
	if !tr.kept {
		out.Confidence /= 2
	}
	return out
}
