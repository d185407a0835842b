package forecast

import "slices"

// state is exponential smoothing with up to two seasons, a damped trend where there is no season, and an autoregression of the last error.
type state struct {
	level, trend, err float64
	short, long       []float64
	atShort, atLong   int
	a, b, d, w, phi   float64
	damping           float64
}

// smoothVariants is how many of the sets of parameters go on as variants: which of them is best is then judged as it is for methods.
const smoothVariants = 5

// smoothing is double seasonal exponential smoothing (Taylor, Journal of the Operational Research Society 54, 2003) with additive seasons and an
// autoregressive error, with the sets of parameters that have the least mean absolute error over the horizon at the origins.
func smoothing(p *past) [][]float64 {
	type variant struct {
		forecasts []float64
		err       float64
	}
	var best []variant
	buf := make([]float64, len(p.origins)*p.h)
	try := func(s state) {
		p.smooth(s, buf)
		e := p.errorOf(buf)
		if len(best) == smoothVariants && !(e < best[len(best)-1].err) {
			return
		}
		at, _ := slices.BinarySearchFunc(best, e, func(v variant, e float64) int {
			if v.err <= e {
				return -1
			}
			return 1
		})
		best = slices.Insert(best, at, variant{slices.Clone(buf), e})
		best = best[:min(len(best), smoothVariants)]
	}
	alphas := []float64{.01, .05, .15, .4, .8}
	gammas := []float64{.03, .12, .35}
	switch len(p.seasons) {
	case 0:
		for _, a := range alphas {
			for _, b := range []float64{0, .02, .1, .3} {
				for _, damping := range []float64{.9, .98} {
					try(state{a: a, b: b, damping: damping})
				}
			}
		}
	case 1:
		for _, a := range alphas {
			for _, d := range gammas {
				for _, phi := range []float64{0, .5, .9} {
					try(state{a: a, d: d, phi: phi})
				}
			}
		}
	default:
		for _, a := range alphas[:4] {
			for _, d := range append([]float64{0}, gammas...) {
				for _, w := range gammas {
					for _, phi := range []float64{0, .6, .9} {
						try(state{a: a, d: d, w: w, phi: phi})
					}
				}
			}
		}
	}
	out := make([][]float64, len(best))
	for i := range best {
		out[i] = best[i].forecasts
	}
	return out
}

// begin sets the first level and the first seasons of s from the first two cycles.
func (p *past) begin(s *state) {
	k := len(p.seasons)
	if k == 0 {
		s.level = p.y[0]
		return
	}
	first := p.y[:min(2*p.seasons[k-1], p.origins[0])]
	s.level = mean(first)
	s.short = cycle(first, p.seasons[0], s.level, nil)
	if k > 1 {
		s.long = cycle(first, p.seasons[k-1], s.level, s.short)
	}
}

// cycle returns the mean cycle of y around level, without what other, a shorter cycle, says already.
func cycle(y []float64, s int, level float64, other []float64) []float64 {
	out := make([]float64, s)
	n := make([]float64, s)
	for i, v := range y {
		v -= level
		if other != nil {
			v -= other[i%len(other)]
		}
		out[i%s] += v
		n[i%s]++
	}
	for i := range out {
		out[i] /= n[i]
	}
	return out
}

// smooth runs s over the past and fills all with its forecasts at the origins.
func (p *past) smooth(s state, all []float64) {
	p.begin(&s)
	at := 0
	for i, v := range p.y {
		for at < len(p.origins) && p.origins[at] == i {
			s.ahead(p.at(all, at))
			at++
		}
		s.see(v)
	}
	for ; at < len(p.origins); at++ {
		s.ahead(p.at(all, at))
	}
}

// see takes the next value in.
func (s *state) see(v float64) {
	e := v - s.level - s.damping*s.trend
	if s.short != nil {
		e -= s.short[s.atShort]
	}
	if s.long != nil {
		e -= s.long[s.atLong]
	}
	// What the last error let expect is no news.
	news := e - s.phi*s.err
	s.err = e
	s.level += s.damping*s.trend + s.a*news
	s.trend = s.damping*s.trend + s.b*s.a*news
	if s.short != nil {
		s.short[s.atShort] += s.d * news
		if s.atShort++; s.atShort == len(s.short) {
			s.atShort = 0
		}
	}
	if s.long != nil {
		s.long[s.atLong] += s.w * news
		if s.atLong++; s.atLong == len(s.long) {
			s.atLong = 0
		}
	}
}

// ahead fills out with what s expects next.
func (s *state) ahead(out []float64) {
	level, trend, e := s.level, s.trend, s.err
	a, b := s.atShort, s.atLong
	for k := range out {
		trend *= s.damping
		level += trend
		e *= s.phi
		v := level + e
		if s.short != nil {
			v += s.short[a]
			if a++; a == len(s.short) {
				a = 0
			}
		}
		if s.long != nil {
			v += s.long[b]
			if b++; b == len(s.long) {
				b = 0
			}
		}
		out[k] = v
	}
}
