package forecast

import (
	"math"
	"slices"
)

// Of the regression.
const (
	// ridge is how many observations the prior weighs, which is to repeat the seasons: little against hundreds, much against twenty.
	ridge = 4
	// minRows is how many rows there must be for each weight.
	minRows = 5
)

// regression uses near values and those around a season ago.
func regression(p *past) [][]float64 { return p.regress(p.lags()) }

// longRegression uses all values of a short season and those whole seasons ago: shapes that move, for which the past must be long.
func longRegression(p *past) [][]float64 {
	if len(p.seasons) == 0 || p.seasons[0] > longestShape {
		return nil
	}
	return p.regress(p.longLags())
}

// longestShape bounds the weights of the long regression; with more, solving costs more than all other methods together.
const longestShape = 60

// regress is a linear autoregression, fitted anew at each origin by ridge regression towards repeating the seasons, and run forward step by step.
func (p *past) regress(lags []int) [][]float64 {
	prior := p.prior(lags)
	m := newGram(len(lags) + 1)
	maxLag := lags[len(lags)-1]
	if p.origins[0]-maxLag < minRows*m.n {
		return nil
	}
	center := mean(p.y[:p.origins[0]])
	spread := 0.0
	for _, v := range p.y[:p.origins[0]] {
		spread += (v - center) * (v - center)
	}
	if spread = math.Sqrt(spread / float64(p.origins[0])); spread == 0 {
		return nil
	}
	z := make([]float64, len(p.y), len(p.y)+p.h)
	for i, v := range p.y {
		z[i] = (v - center) / spread
	}
	x := make([]float64, m.n)
	row := func(z []float64) {
		for j, l := range lags {
			x[j] = z[len(z)-l]
		}
		x[len(lags)] = 1
	}
	all := make([]float64, len(p.origins)*p.h)
	run := make([]float64, 0, len(p.y)+p.h)
	t := maxLag
	for i, o := range p.origins {
		for ; t < o; t++ {
			row(z[:t])
			m.add(x, z[t])
		}
		weights := m.solve(prior, ridge)
		if weights == nil {
			return nil
		}
		run = append(run[:0], z[:o]...)
		for k := range p.h {
			row(run)
			v := 0.0
			for j, w := range weights {
				v += w * x[j]
			}
			// Standardised values beyond this come from weights that explode.
			v = min(max(v, -100), 100)
			run = append(run, v)
			p.at(all, i)[k] = v*spread + center
		}
	}
	return [][]float64{all}
}

// lags returns the lags of the regression, ascending.
func (p *past) lags() []int {
	lags := []int{1, 2, 3}
	switch len(p.seasons) {
	case 0:
		lags = append(lags, 4)
	case 1:
		s := p.seasons[0]
		lags = append(lags, s-1, s, s+1)
	default:
		s, l := p.seasons[0], p.seasons[1]
		lags = append(lags, s-1, s, s+1, 2*s, l-1, l, l+1)
	}
	slices.Sort(lags)
	lags = slices.Compact(lags)
	lags = slices.DeleteFunc(lags, func(l int) bool { return l < 1 })
	return lags
}

// longLags returns the lags of the long regression, ascending.
func (p *past) longLags() []int {
	var lags []int
	s := p.seasons[0]
	for l := 1; l <= s+1; l++ {
		lags = append(lags, l)
	}
	if len(p.seasons) > 1 {
		week := p.seasons[1]
		for l := 2 * s; l < week-1; l += s {
			lags = append(lags, l)
		}
		lags = append(lags, week-1, week, week+1)
	}
	return lags
}

// prior returns the weight that each lag has before any data; the last is that of the constant.
func (p *past) prior(lags []int) []float64 {
	prior := make([]float64, len(lags)+1)
	for i, l := range lags {
		if slices.Contains(p.seasons, l) {
			prior[i] = 1 / float64(len(p.seasons))
		}
	}
	if len(p.seasons) == 0 {
		prior[0] = 1
	}
	return prior
}

// gram holds the sums of a least squares problem.
type gram struct {
	n  int
	xx []float64 // n×n, the lower triangle.
	xy []float64
}

func newGram(n int) *gram { return &gram{n: n, xx: make([]float64, n*n), xy: make([]float64, n)} }

func (g *gram) add(x []float64, y float64) {
	for i, a := range x {
		for j := range i + 1 {
			g.xx[i*g.n+j] += a * x[j]
		}
		g.xy[i] += a * y
	}
}

// solve returns the weights that minimise the squared error plus strength times the squared distance from prior, by Cholesky's decomposition; nil when
// the sums are not those of anything.
func (g *gram) solve(prior []float64, strength float64) []float64 {
	n := g.n
	l := slices.Clone(g.xx)
	w := slices.Clone(g.xy)
	for i := range n {
		l[i*n+i] += strength
		w[i] += strength * prior[i]
	}
	for i := range n {
		for j := range i + 1 {
			s := l[i*n+j]
			for k := range j {
				s -= l[i*n+k] * l[j*n+k]
			}
			if i != j {
				l[i*n+j] = s / l[j*n+j]
				continue
			}
			if !(s > 0) {
				return nil
			}
			l[i*n+i] = math.Sqrt(s)
		}
	}
	for i := range n {
		for k := range i {
			w[i] -= l[i*n+k] * w[k]
		}
		w[i] /= l[i*n+i]
	}
	for i := n - 1; i >= 0; i-- {
		for k := i + 1; k < n; k++ {
			w[i] -= l[k*n+i] * w[k]
		}
		w[i] /= l[i*n+i]
	}
	return w
}
