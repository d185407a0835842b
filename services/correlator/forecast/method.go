package forecast

import "math"

// method is one way to go on. roll returns for each variant of it the forecasts at all origins of a past, one after the other, or nil when it needs
// more than there is. At each origin a variant must look at the values before it only.
type method struct {
	name string
	roll func(p *past) [][]float64
}

// methods lists the candidates. Each is there for a kind of series on which the others fail.
func methods() []method {
	return []method{
		{"last value", each(lastValue)},
		{"first season again", func(p *past) [][]float64 { return again(p, 0) }},
		{"second season again", func(p *past) [][]float64 { return again(p, 1) }},
		{"first season with its offset", func(p *past) [][]float64 { return offset(p, 0) }},
		{"second season with its offset", func(p *past) [][]float64 { return offset(p, 1) }},
		{"profile and level", each(profiled)},
		{"theta", each(theta)},
		{"robust trend and profile", each(robustTrend)},
		{"smoothing", smoothing},
		{"regression", regression},
		{"long regression", longRegression},
	}
}

// each makes a method of a function that fills out with what follows y.
func each(f func(p *past, y, out []float64) bool) func(p *past) [][]float64 {
	return func(p *past) [][]float64 {
		all := make([]float64, len(p.origins)*p.h)
		for i, o := range p.origins {
			if !f(p, p.y[:o], p.at(all, i)) {
				return nil
			}
		}
		return [][]float64{all}
	}
}

func lastValue(_ *past, y, out []float64) bool {
	for k := range out {
		out[k] = y[len(y)-1]
	}
	return true
}

// again repeats the last cycle of a season.
func again(p *past, which int) [][]float64 {
	if which >= len(p.seasons) {
		return nil
	}
	s := p.seasons[which]
	return each(func(_ *past, y, out []float64) bool {
		for k := range out {
			out[k] = y[len(y)-s+k%s]
		}
		return len(y) >= s
	})(p)
}

// offset repeats the last cycle of a season, and adds how far the values are off it now, fading as it did in the past: an autoregression of the
// seasonal differences (ARIMA (1,0,0)(0,1,0)).
func offset(p *past, which int) [][]float64 {
	if which >= len(p.seasons) {
		return nil
	}
	s := p.seasons[which]
	return each(func(_ *past, y, out []float64) bool {
		n := len(y)
		if n < s+MinPast {
			return false
		}
		d := make([]float64, n-s)
		for i := range d {
			d[i] = y[i+s] - y[i]
		}
		phi := fading(d)
		off := d[len(d)-1]
		for k := range out {
			off *= phi
			out[k] = y[n-s+k%s] + off
		}
		return true
	})(p)
}

// maxFading keeps what fades from staying for ever.
const maxFading = 0.995

// fading returns the first autocorrelation of d around zero, in [0, maxFading]. Values beyond four mean sizes are cut, so that one break does not decide.
func fading(d []float64) float64 {
	size := 0.0
	for _, v := range d {
		size += math.Abs(v)
	}
	cut := 4 * size / float64(max(len(d), 1))
	num, den := 0.0, 0.0
	for i := 1; i < len(d); i++ {
		a, b := min(max(d[i-1], -cut), cut), min(max(d[i], -cut), cut)
		num, den = num+a*b, den+a*a
	}
	if den == 0 {
		return 0
	}
	return min(max(num/den, 0), maxFading)
}

// Of a profile: how many of the last cycles it is made of, and how much less each one before counts.
const (
	profileCycles = 5
	profileDecay  = 0.7
)

// profile returns the shape of one cycle of s steps that ends with y: the mean of the last cycles around the mean of each, recent ones counting
// more. Position 0 is the step after the end of y.
func profile(y []float64, s int) []float64 {
	out := make([]float64, s)
	weight, total := 1.0, 0.0
	for c := 1; c <= profileCycles && c*s <= len(y); c++ {
		cycle := y[len(y)-c*s : len(y)-(c-1)*s]
		m := mean(cycle)
		for i, v := range cycle {
			out[i] += weight * (v - m)
		}
		total += weight
		weight *= profileDecay
	}
	for i := range out {
		out[i] /= total
	}
	return out
}

// longest returns the longest season of which y has two cycles; 0 for none.
func (p *past) longest(y []float64) int {
	for i := len(p.seasons) - 1; i >= 0; i-- {
		if 2*p.seasons[i] <= len(y) {
			return p.seasons[i]
		}
	}
	return 0
}

// profiled adds the profile of the longest season to the level of the last short one, and fades what the last value is off.
func profiled(p *past, y, out []float64) bool {
	s := p.longest(y)
	if s == 0 {
		return false
	}
	shape := profile(y, s)
	n := len(y)
	rest := make([]float64, min(2*s, n))
	for i := range rest {
		// Position of a value in the cycle that ends with y.
		rest[i] = y[n-len(rest)+i] - shape[(2*s-len(rest)+i)%s]
	}
	level := mean(rest[len(rest)-min(p.seasons[0], len(rest)):])
	for i := range rest {
		rest[i] -= level
	}
	phi, off := fading(rest), rest[len(rest)-1]
	for k := range out {
		off *= phi
		out[k] = level + shape[k%s] + off
	}
	return true
}

// deseasoned returns y without the profile of its longest season, and the profile; y itself and nil where there is none.
func (p *past) deseasoned(y []float64) (plain, shape []float64) {
	s := p.longest(y)
	if s == 0 {
		return y, nil
	}
	shape = profile(y, s)
	plain = make([]float64, len(y))
	n := len(y)
	for i := range y {
		plain[i] = y[i] - shape[((i-n)%s+s)%s]
	}
	return plain, shape
}

// theta is the Theta method (Assimakopoulos and Nikolopoulos, International Journal of Forecasting 16, 2000) in the form of Hyndman and Billah (2003): simple smoothing
// with half of the linear trend, on the deseasonalised series.
func theta(p *past, y, out []float64) bool {
	plain, shape := p.deseasoned(y)
	n := len(plain)
	sx, sxy, m := 0.0, 0.0, mean(plain)
	for i, v := range plain {
		x := float64(i) - float64(n-1)/2
		sx, sxy = sx+x*x, sxy+x*(v-m)
	}
	slope := sxy / sx / 2
	level, alpha, best := 0.0, 0.0, math.Inf(1)
	for _, a := range []float64{.05, .1, .2, .4, .6, .8, .95} {
		l, sse := plain[0], 0.0
		for _, v := range plain[1:] {
			e := v - l
			sse += e * e
			l += a * e
		}
		if sse < best {
			best, level, alpha = sse, l, a
		}
	}
	for k := range out {
		out[k] = level + slope*(float64(k)+1/alpha)
		if shape != nil {
			out[k] += shape[k%len(shape)]
		}
	}
	return true
}

// robustTrend goes on with the Theil–Sen slope of the means of short seasons from the median of the last of them.
func robustTrend(p *past, y, out []float64) bool {
	plain, shape := p.deseasoned(y)
	block := 1
	if len(p.seasons) > 0 {
		block = p.seasons[0]
	}
	// As far back as ten horizons: older slopes say little.
	from := max(len(plain)-max(10*p.h, 4*block), 0)
	var x, m []float64
	for i := len(plain) - block; i >= from; i -= block {
		x, m = append(x, float64(i)+float64(block-1)/2), append(m, mean(plain[i:i+block]))
	}
	if len(x) < 3 {
		return false
	}
	slope := theilSen(x, m)
	tail := append([]float64(nil), plain[len(plain)-min(max(block, 3), len(plain)):]...)
	center := float64(len(plain)-1) - float64(len(tail)-1)/2
	level := median(tail)
	for k := range out {
		out[k] = level + slope*(float64(len(plain)+k)-center)
		if shape != nil {
			out[k] += shape[k%len(shape)]
		}
	}
	return true
}
