package forecast_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/correlator/forecast"
)

const day = 24 * hour

// stock makes a past that ends at 1000 days, of a function of days since its beginning.
func stock(days float64, step int64, f func(d float64, r *rand.Rand) float64, seed uint64) forecast.Stock {
	r := rand.New(rand.NewPCG(seed, 7))
	now := 1000 * day
	s := forecast.Stock{Limit: 100, NowMS: now}
	start := now - int64(days*float64(day))
	for t := start; t <= now; t += step {
		s.TimesMS, s.Values = append(s.TimesMS, t), append(s.Values, f(float64(t-start)/float64(day), r))
	}
	return s
}

// reached checks that the date of s is near so many days from now.
func reached(t *testing.T, name string, s forecast.Stock, inDays, tolerance float64) forecast.Exhaustion {
	t.Helper()
	e := forecast.Exhaust(s)
	got := float64(e.ReachMS-s.NowMS) / float64(day)
	if e.State != forecast.StateTrend || math.Abs(got-inDays) > tolerance || e.EarliestMS > e.ReachMS || e.LatestMS != 0 && e.LatestMS < e.ReachMS {
		t.Errorf("%s: %s in %.2f days, want %.2f: %+v", name, e.State, got, inDays, e)
	}
	return e
}

func TestFilling(t *testing.T) {
	linear := func(a, perDay, noise float64) func(float64, *rand.Rand) float64 {
		return func(d float64, r *rand.Rand) float64 { return a + perDay*d + noise*r.NormFloat64() }
	}
	e := reached(t, "a month", stock(30, hour, linear(20, 2, .5), 1), 10, 1)
	if e.Confidence < .6 || e.PerHourLow*24 > 2 || e.PerHourHigh*24 < 2 || math.Abs(e.Level-80) > 1.5 {
		t.Errorf("%+v", e)
	}
	reached(t, "three days", stock(3, hour, linear(20, 15, .5), 2), 35./15, .5)
	e = reached(t, "an hour", stock(1./24, 60_000, linear(50, 480, .3), 3), 30./480, .02)
	if e.Confidence > .8 {
		t.Errorf("an hour of past is believed too much: %+v", e)
	}
	s := stock(30, hour, linear(20, 2, .5), 4)
	for i := range s.Values {
		s.Values[i] = 100 - s.Values[i]
	}
	s.Limit, s.Falling = 0, true
	if e := reached(t, "falling", s, 10, 1); e.Level < 15 || e.Level > 25 || e.PerHour > 0 || e.PerHourLow > e.PerHourHigh {
		t.Errorf("%+v", e)
	}
	// A nightly job writes it all at once: a staircase is growth, and no change of level.
	reached(t, "staircase", stock(20, hour, func(d float64, _ *rand.Rand) float64 { return 20 + 3*math.Floor(d) }, 5), 20./3, 1.5)
	// With a daily swing of many times the growth of a day.
	reached(t, "swing", stock(6, hour, func(d float64, r *rand.Rand) float64 { return 50 + 2*d + 8*math.Sin(2*math.Pi*d) + .2*r.NormFloat64() }, 6), 15, 4)
	// A volume was enlarged ten days ago; the slope before counts no more.
	reached(t, "level", stock(30, hour, func(d float64, r *rand.Rand) float64 {
		if d < 20 {
			return 50 + 2.4*d + .2*r.NormFloat64()
		}
		return 20 + 4*(d-20) + .2*r.NormFloat64()
	}, 7), 10, 1.5)
	// Quiet for a month, and then within two hours most of the rest.
	e = reached(t, "sudden", stock(20, 5*60_000, func(d float64, r *rand.Rand) float64 {
		return 30 + .3*r.NormFloat64() + 400*max(0, d-20+2./24)
	}, 8), (70-400*2./24)/400, .04)
	if !e.Fast {
		t.Errorf("%+v", e)
	}
}

func TestNotFilling(t *testing.T) {
	none := func(name string, s forecast.Stock, want ...forecast.State) {
		t.Helper()
		e := forecast.Exhaust(s)
		for _, w := range want {
			if e.State == w {
				if e.ReachMS != 0 || e.Confidence != 0 {
					t.Errorf("%s: %+v", name, e)
				}
				return
			}
		}
		t.Errorf("%s: %+v, want %v", name, e, want)
	}
	flat := func(_ float64, r *rand.Rand) float64 { return 60 + 2*r.NormFloat64() }
	for seed := range uint64(10) {
		none("flat", stock(20, hour, flat, seed), forecast.StateNone)
	}
	none("constant", stock(20, hour, func(float64, *rand.Rand) float64 { return 60 }, 1), forecast.StateNone)
	none("shrinking", stock(20, hour, func(d float64, r *rand.Rand) float64 { return 60 - d + r.NormFloat64() }, 1), forecast.StateNone)
	none("too slow", stock(20, hour, func(d float64, _ *rand.Rand) float64 { return 60 + .1*d }, 1), forecast.StateNone)
	// Logs that are rotated, and garbage that is collected.
	none("daily rotation", stock(20, hour, func(d float64, _ *rand.Rand) float64 { return 20 + 60*(d-math.Floor(d)) }, 1), forecast.StateSawtooth)
	none("fast sawtooth", stock(2.6, 5*60_000, func(d float64, _ *rand.Rand) float64 { x := d*11 + .4; return 30 + 50*(x-math.Floor(x)) }, 1), forecast.StateSawtooth)
	none("daily swing", stock(15, hour, func(d float64, r *rand.Rand) float64 { return 50 + 30*math.Sin(2*math.Pi*(d-.8)) + r.NormFloat64() }, 1), forecast.StateNone, forecast.StateSawtooth)
	none("three days of swing", stock(3.3, hour, func(d float64, r *rand.Rand) float64 { return 50 + 30*math.Sin(2*math.Pi*(d-.8)) + r.NormFloat64() }, 1), forecast.StateNone, forecast.StateSawtooth)
	none("short", stock(.01, 60_000, flat, 1), forecast.StateShort)
	none("just changed", stock(20, hour, func(d float64, r *rand.Rand) float64 {
		return 30 + 40*math.Floor(max(0, d-19.9)*5) + .1*r.NormFloat64()
	}, 1), forecast.StateShort, forecast.StateNone)
	none("nothing", forecast.Stock{Limit: 1, NowMS: 5}, forecast.StateShort)
}

func TestReached(t *testing.T) {
	e := forecast.Exhaust(stock(20, hour, func(d float64, _ *rand.Rand) float64 { return 81 + d }, 1))
	if e.State != forecast.StateReached || e.ReachMS != 1000*day || e.Confidence != 1 {
		t.Errorf("%+v", e)
	}
}

// Random walks without a drift lead nowhere: what is said to be a trend must be rare, and the dates of walks with a drift must lie in the
// interval about as often as it says.
func TestWalks(t *testing.T) {
	said, within, dated := 0, 0, 0
	const n = 200
	for seed := range uint64(n) {
		r := rand.New(rand.NewPCG(seed, 3))
		x := 50.
		if e := forecast.Exhaust(stock(30, hour, func(float64, *rand.Rand) float64 { x += .3 * r.NormFloat64(); return x }, seed)); e.State == forecast.StateTrend {
			said++
		}
		x = 20
		step := func() { x += .06 + .25*r.NormFloat64() }
		s := stock(30, hour, func(float64, *rand.Rand) float64 { step(); return x }, seed)
		s.Limit = x + 20
		e := forecast.Exhaust(s)
		if e.State != forecast.StateTrend {
			continue
		}
		dated++
		at := s.NowMS
		for x < s.Limit {
			step()
			at += hour
		}
		if at >= e.EarliestMS-day/2 && (e.LatestMS == 0 || at <= e.LatestMS+day/2) {
			within++
		}
	}
	// A walk of a month does look like a drift in about one of six cases.
	if said > n/4 {
		t.Errorf("a trend in %d of %d walks", said, n)
	}
	if dated < n*3/4 || within < dated*7/10 {
		t.Errorf("%d of %d dated, %d within", dated, n, within)
	}
	t.Logf("a trend in %d of %d walks; with a drift %d dated, %d within", said, n, dated, within)
}

func TestUnits(t *testing.T) {
	s := stock(30, hour, func(d float64, r *rand.Rand) float64 { return 20 + 2*d + r.NormFloat64() }, 1)
	a := forecast.Exhaust(s)
	for i := range s.Values {
		s.Values[i] *= 1 << 20
	}
	s.Limit *= 1 << 20
	b := forecast.Exhaust(s)
	b.Level, b.PerHour, b.PerHourLow, b.PerHourHigh = b.Level/(1<<20), b.PerHour/(1<<20), b.PerHourLow/(1<<20), b.PerHourHigh/(1<<20)
	if diff := cmp.Diff(a, b); diff != "" {
		t.Error(diff)
	}
}

func TestOddStocks(t *testing.T) {
	for name, v := range map[string]float64{"NaN": math.NaN(), "infinite": math.Inf(1), "huge": 1e300, "negative": -1e300} {
		s := stock(20, hour, func(d float64, _ *rand.Rand) float64 {
			if int(d*24)%5 == 0 {
				return v
			}
			return 20 + d
		}, 1)
		e := forecast.Exhaust(s)
		if math.IsNaN(e.Level) || math.IsNaN(e.PerHour) || e.Confidence < 0 || e.Confidence > 1 || math.IsNaN(e.Confidence) {
			t.Errorf("%s: %+v", name, e)
		}
	}
	s := stock(20, hour, func(d float64, _ *rand.Rand) float64 { return d }, 1)
	s.TimesMS[3], s.TimesMS[200] = s.NowMS*2, 0 // Out of order, and of the future.
	if e := forecast.Exhaust(s); e.State != forecast.StateTrend && e.State != forecast.StateNone {
		t.Errorf("%+v", e)
	}
}

func BenchmarkExhaust(b *testing.B) {
	s := stock(60, hour, func(d float64, r *rand.Rand) float64 { return 20 + d + r.NormFloat64() }, 1)
	b.ReportAllocs()
	for b.Loop() {
		forecast.Exhaust(s)
	}
}
