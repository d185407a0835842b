package forecast

import (
	"math"
	"slices"
)

// median returns the median of v, which it sorts; NaN for none.
func median(v []float64) float64 {
	n := len(v)
	if n == 0 {
		return math.NaN()
	}
	slices.Sort(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}

// quantile returns the q-quantile of sorted values, between them by a line.
func quantile(sorted []float64, q float64) float64 {
	n := len(sorted)
	if n == 0 {
		return math.NaN()
	}
	x := min(max(q, 0), 1) * float64(n-1)
	i := int(x)
	if i+1 >= n {
		return sorted[n-1]
	}
	return sorted[i] + (sorted[i+1]-sorted[i])*(x-float64(i))
}

// maxPairs bounds the points of a Theil–Sen slope: 200 give 19,900 pairs, and its spread falls no more to speak of.
const maxPairs = 200

// theilSen returns the median slope of y over x (Sen, JASA 63, 1968): a quarter of the points may be anything. 0 for fewer than two.
func theilSen(x, y []float64) float64 {
	if len(x) > maxPairs {
		x, y = thin(x), thin(y)
	}
	slopes := make([]float64, 0, len(x)*(len(x)-1)/2)
	for i := range x {
		for j := i + 1; j < len(x); j++ {
			if x[j] != x[i] {
				slopes = append(slopes, (y[j]-y[i])/(x[j]-x[i]))
			}
		}
	}
	if len(slopes) == 0 {
		return 0
	}
	return median(slopes)
}

func thin(v []float64) []float64 {
	out := make([]float64, maxPairs)
	for i := range out {
		out[i] = v[i*(len(v)-1)/(maxPairs-1)]
	}
	return out
}

// mean returns the mean of v; 0 for none.
func mean(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s / float64(len(v))
}

// normalQuantile returns the p-quantile of the normal distribution.
func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

// studentQuantile returns about the p-quantile of Student's distribution with df degrees of freedom, by the expansion of Cornish and Fisher (Abramowitz
// and Stegun 26.7.5). It is within 2 % from four degrees on and p up to .99; fewer than three count as three.
func studentQuantile(p, df float64) float64 {
	df = max(df, 3)
	z := normalQuantile(p)
	z2 := z * z
	return z * (1 + (z2+1)/(4*df) + ((5*z2+16)*z2+3)/(96*df*df) + (((3*z2+19)*z2+17)*z2-15)/(384*df*df*df))
}
