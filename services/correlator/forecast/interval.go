package forecast

import (
	"math"
	"slices"
)

// intervals sets the intervals of 80 and 95 % around the last of the combined forecasts.
//
// Split conformal: the residuals of the same combination at the past origins are what errors will be like. The errors of one origin hang together, so
// they count as few: each residual is divided by the mean size of its step ahead (smoothed over near steps), the signed quantiles are taken over all
// of them together, and widened as Student's distribution is against the normal one with as many degrees of freedom as there are stretches of one
// horizon that do not overlap. logs says that residuals are those of logarithms, so that intervals are shares.
// Source: Lei et al., "Distribution-Free Predictive Inference for Regression", JASA 113, 2018; differs: scaled by the step ahead, and widened for
// dependence, since exchangeability does not hold between neighbours.
func (p *past) intervals(forecasts []float64, logs bool, out *Load) {
	f, inverse := func(v float64) float64 { return v }, func(v float64) float64 { return v }
	if logs {
		// One of the combined methods may have gone below zero, where there is no logarithm.
		floor := slices.Min(p.y) / 10
		f, inverse = func(v float64) float64 { return math.Log(max(v, floor)) }, math.Exp
	}
	last := len(p.origins) - 1
	sizes := make([]float64, p.h)
	counts := make([]float64, p.h)
	type residual struct {
		k int
		v float64
	}
	var all []residual
	for i, o := range p.origins[:last] {
		for k, v := range p.y[o:min(o+p.h, len(p.y))] {
			r := residual{k, f(v) - f(p.at(forecasts, i)[k])}
			all = append(all, r)
			sizes[k] += math.Abs(r.v)
			counts[k]++
		}
	}
	sizes = smoothSizes(sizes, counts)
	scaled := make([]float64, 0, len(all))
	for _, r := range all {
		if sizes[r.k] > 0 {
			scaled = append(scaled, r.v/sizes[r.k])
		}
	}
	slices.Sort(scaled)
	df := p.stretches()
	band := func(share float64) (low, high []float64) {
		low, high = make([]float64, p.h), make([]float64, p.h)
		tail := (1 - share) / 2
		wide := studentQuantile(1-tail, df) / normalQuantile(1-tail)
		a, b := min(quantile(scaled, tail), 0)*wide, max(quantile(scaled, 1-tail), 0)*wide
		for k, m := range p.at(forecasts, last) {
			if len(scaled) == 0 {
				low[k], high[k] = m, m
				continue
			}
			low[k], high[k] = inverse(f(m)+a*sizes[k]), inverse(f(m)+b*sizes[k])
		}
		return low, high
	}
	out.Low80, out.High80 = band(.80)
	out.Low95, out.High95 = band(.95)
}

// stretches returns how many times the horizon fits into the time that the origins cover.
func (p *past) stretches() float64 {
	k := len(p.origins) - 1
	if k == 0 {
		return 0
	}
	return float64(min(p.origins[k-1]+p.h, len(p.y))-p.origins[0]) / float64(p.h)
}

// smoothSizes returns the mean sizes by step ahead, each taken together with an eighth of the horizon to both sides.
func smoothSizes(sums, counts []float64) []float64 {
	h := len(sums)
	out := make([]float64, h)
	w := max(h/8, 1)
	for k := range out {
		s, n := 0.0, 0.0
		for j := max(k-w, 0); j <= min(k+w, h-1); j++ {
			s, n = s+sums[j], n+counts[j]
		}
		switch {
		case n > 0:
			out[k] = s / n
		case k > 0:
			out[k] = out[k-1]
		}
	}
	return out
}
