package logstage

import "math"

// binomialTail returns the probability of at least k hits in n trials of probability p each.
// Exact but for rounding up to exactTrials, then by the normal approximation with a correction for whole numbers. O(n-k) up to there.
func binomialTail(k, n int, p float64) float64 {
	if k <= 0 {
		return 1
	}
	if k > n || p <= 0 {
		return 0
	}
	if p >= 1 {
		return 1
	}
	if n > exactTrials {
		mean := float64(n) * p
		return 0.5 * math.Erfc((float64(k)-0.5-mean)/math.Sqrt(2*mean*(1-p)))
	}
	lg := func(x int) float64 { v, _ := math.Lgamma(float64(x + 1)); return v }
	sum := 0.0
	for i := k; i <= n; i++ {
		sum += math.Exp(lg(n) - lg(i) - lg(n-i) + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return min(sum, 1)
}

// exactTrials bounds the work of a sum.
const exactTrials = 1000

// spreads returns how many standard deviations from the mean a normal variable is that exceeds it with probability p: what a probability
// is in the words of a score. Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.23; error below 0.0005.
func spreads(p float64) float64 {
	if p >= 0.5 {
		return 0
	}
	p = max(p, 1e-300)
	t := math.Sqrt(-2 * math.Log(p))
	return t - (2.515517+0.802853*t+0.010328*t*t)/(1+1.432788*t+0.189269*t*t+0.001308*t*t*t)
}
