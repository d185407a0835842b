package forecast_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/correlator/forecast"
)

const hour = int64(3_600_000)

// week is a load with a daily and a weekly shape, and noise.
func week(n int, seed uint64, noise float64) []float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	v := make([]float64, n)
	for i := range v {
		day := 100 + 40*math.Sin(2*math.Pi*float64(i)/24) + 15*math.Sin(4*math.Pi*float64(i)/24)
		if i/24%7 >= 5 {
			day *= .6
		}
		v[i] = day + noise*r.NormFloat64()
	}
	return v
}

func ahead(t *testing.T, v []float64, h int) forecast.Load {
	t.Helper()
	f, ok := forecast.Ahead(forecast.Grid{StepMS: hour, Values: v}, forecast.Config{Horizon: h, Seasons: forecast.Seasons(hour)})
	if !ok {
		t.Fatal("no forecast")
	}
	return f
}

func meanError(a, b []float64) float64 {
	s := 0.0
	for i := range a {
		s += math.Abs(a[i]-b[i]) / float64(len(a))
	}
	return s
}

// A weekly load is foretold to within its noise, and the intervals hold what they say: over many series the share within them is near 80 and 95 %.
func TestWeeklyLoad(t *testing.T) {
	in80, in95, n := 0.0, 0.0, 0.0
	for seed := range uint64(25) {
		all := week(5*168+168, seed, 5)
		f := ahead(t, all[:5*168], 168)
		came := all[5*168:]
		// The mean size of the noise is 4; a fifth more is what the shape may cost.
		if e := meanError(f.Median, came); e > 4*1.35 {
			t.Errorf("seed %d: mean error %.2f by %s", seed, e, f.Method)
		}
		for k, v := range came {
			n++
			if v >= f.Low80[k] && v <= f.High80[k] {
				in80++
			}
			if v >= f.Low95[k] && v <= f.High95[k] {
				in95++
			}
			if !(f.Low95[k] <= f.Low80[k] && f.Low80[k] <= f.Median[k] && f.Median[k] <= f.High80[k] && f.High80[k] <= f.High95[k]) {
				t.Fatalf("seed %d, step %d: the bands cross", seed, k)
			}
		}
		if f.Error > .9 {
			t.Errorf("seed %d: error %.2f of yesterday's", seed, f.Error)
		}
	}
	if in80 /= n; in80 < .75 || in80 > .92 {
		t.Errorf("%.3f within 80 %%", in80)
	}
	if in95 /= n; in95 < .92 {
		t.Errorf("%.3f within 95 %%", in95)
	}
}

// Other units say the same: the forecast of c·y + 0 is c times that of y, and the same input gives the same bits.
func TestScaleAndRepetition(t *testing.T) {
	v := week(600, 3, 4)
	a := ahead(t, v, 48)
	if diff := cmp.Diff(a, ahead(t, slices.Clone(v), 48)); diff != "" {
		t.Error(diff)
	}
	w := make([]float64, len(v))
	for i := range v {
		w[i] = 1024 * v[i] // A power of two, so that rounding is the same.
	}
	b := ahead(t, w, 48)
	for k := range a.Median {
		// Logarithms round, so not to the last bit.
		if math.Abs(b.Median[k]-1024*a.Median[k]) > 1e-6*math.Abs(b.Median[k]) || math.Abs(b.High80[k]-1024*a.High80[k]) > 1e-6*math.Abs(b.High80[k]) {
			t.Fatalf("step %d: %v and %v", k, a.Median[k], b.Median[k])
		}
	}
}

func TestOddInput(t *testing.T) {
	nan := math.NaN()
	g := func(v []float64, h int) (forecast.Load, bool) {
		return forecast.Ahead(forecast.Grid{StepMS: hour, Values: v}, forecast.Config{Horizon: h, Seasons: forecast.Seasons(hour)})
	}
	for name, v := range map[string][]float64{"nothing": nil, "few": {1, 2, 3}, "missing": slices.Repeat([]float64{nan}, 500)} {
		if _, ok := g(v, 24); ok {
			t.Error(name)
		}
	}
	constant := slices.Repeat([]float64{7}, 400)
	gaps := week(500, 1, 2)
	for i := 100; i < 160; i++ {
		gaps[i] = nan
	}
	gaps[0], gaps[499], gaps[300] = nan, nan, nan
	spikes := week(500, 1, 2)
	spikes[400] = 1e12
	zeros := make([]float64, 300)
	steps := append(slices.Repeat([]float64{1}, 200), slices.Repeat([]float64{1e9}, 200)...)
	for name, v := range map[string][]float64{"constant": constant, "gaps": gaps, "spikes": spikes, "zeros": zeros, "steps": steps, "short": week(14, 1, 1), "two days": week(48, 1, 1)} {
		f, ok := g(v, 48)
		if !ok {
			t.Errorf("%s: no forecast", name)
			continue
		}
		for _, b := range [][]float64{f.Median, f.Low80, f.High80, f.Low95, f.High95} {
			for k, x := range b {
				if len(b) != 48 || math.IsNaN(x) || math.IsInf(x, 0) || x < 0 {
					t.Fatalf("%s: step %d is %v", name, k, x)
				}
			}
		}
	}
	if f, _ := g(constant, 24); math.Abs(f.Median[23]-7) > 1e-9 || math.Abs(f.High95[23]-f.Low95[23]) > 1e-9 {
		t.Errorf("constant: %+v", f)
	}
	if f, _ := g(gaps, 24); meanError(f.Median, week(523, 1, 0)[499:]) > 8 {
		t.Errorf("gaps: %v", f.Median)
	}
}

func TestSeasons(t *testing.T) {
	for step, want := range map[int64][]int{hour: {24, 168}, 300_000: {288, 2016}, 24 * hour: {7}, 7 * 24 * hour: {52}, 0: nil, 400 * 24 * hour: nil} {
		if diff := cmp.Diff(want, forecast.Seasons(step)); diff != "" {
			t.Errorf("%d: %s", step, diff)
		}
	}
}

func BenchmarkAhead(b *testing.B) {
	v := week(5*168, 1, 5)
	b.ReportAllocs()
	for b.Loop() {
		forecast.Ahead(forecast.Grid{StepMS: hour, Values: v}, forecast.Config{Horizon: 168, Seasons: forecast.Seasons(hour)})
	}
}
