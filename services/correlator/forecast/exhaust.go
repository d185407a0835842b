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
	// shortSpans is the same for less than two days of past, where a daily swing looks like a trend.
	shortSpans = 2
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
// of the day from two days on, 36 bins below. The line that goes on is the one, of several lengths of past, that would have foretold the past best at
// about the distance of the limit (see trend); what it missed there by is what the date may miss by. The date is where the line reaches the limit,
// the interval where the lines do that lie below and above it with 80 %. A sudden rise in the last three hours takes its place when the past has no rise
// like it.
//
// O(n + bins · lengths). s is not kept.
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
	slow, ok := slowTrend(t, v, limit)
	if ok {
		slow.sawtooth = sawtooth(v, limit)
		out = slow.reach(limit, s.NowMS)
	}
	if fast, ok := fastTrend(t, v, limit); ok {
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

// slowTrend finds the trend of the past since the last change of level.
func slowTrend(t []int64, v []float64, limit float64) (trend, bool) {
	for range maxShifts {
		span := t[len(t)-1] - t[0]
		if len(t) < minBins || span < minSpanMS {
			return trend{}, false
		}
		b := slowBins(t, v, span)
		cut, ok := b.lastShift()
		if !ok && b.widthMS > hourMS {
			// What was freed today does not show in the worst value of the day.
			fine := worst(t, v, hourMS)
			cut, ok = fine.lastShift()
		}
		if ok {
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
		return b.trend(limit)
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
func fastTrend(t []int64, v []float64, limit float64) (trend, bool) {
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
	tr, ok := b.trend(limit)
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
