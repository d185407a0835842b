package world

import (
	"math"
	"math/rand/v2"
)

// mostBusy caps utilisation in formulas of waiting: beyond it the backlog, which is kept from step to step, says how long one waits.
const mostBusy = 0.98

// waiting returns the mean time in queue of a station with c servers at utilisation rho, in service times. Source: Sakasegawa, An
// approximation formula L_q = αρ^β/(1−ρ), Annals of the Institute of Statistical Mathematics 29 (1977), for exponential times.
func waiting(c, rho float64) float64 {
	rho = min(max(rho, 0), mostBusy)
	c = max(c, 0.1)
	return math.Pow(rho, math.Sqrt(2*(c+1))-1) / (c * (1 - rho))
}

// fixedShare is the part of a response time that does not vary.
const fixedShare = 0.3

// tail returns the probability that something that takes mean on average takes longer than limit, as a shifted exponential.
func tail(mean, limit float64) float64 {
	fixed := fixedShare * mean
	if limit <= fixed {
		return 1
	}
	if mean <= 0 {
		return 0
	}
	return math.Exp(-(limit - fixed) / (mean - fixed))
}

// draw returns a time with the distribution that tail has.
func draw(rng *rand.Rand, mean float64) float64 {
	return mean * (fixedShare + (1-fixedShare)*rng.ExpFloat64())
}

// attempts returns how often a call is tried when each try fails with probability fail, and how often all tries fail.
func attempts(fail float64, retries int) (tries, final float64) {
	tries, final = 1, fail
	for range retries {
		tries += final
		final *= fail
	}
	return tries, final
}

// poisson draws a count with the given mean.
func poisson(rng *rand.Rand, mean float64) float64 {
	switch {
	case mean <= 0:
		return 0
	case mean > 30: // The normal approximation is within what a count of 30 shows.
		return max(0, math.Round(mean+math.Sqrt(mean)*rng.NormFloat64()))
	}
	n, p, limit := 0.0, rng.Float64(), math.Exp(-mean)
	for p > limit {
		p *= rng.Float64()
		n++
	}
	return n
}

// binomial draws how many of n have probability p.
func binomial(rng *rand.Rand, n, p float64) float64 {
	switch {
	case n <= 0 || p <= 0:
		return 0
	case p >= 1:
		return n
	case n <= 30:
		k := 0.0
		for range int(n) {
			if rng.Float64() < p {
				k++
			}
		}
		return k
	case n*p < 15:
		return min(n, poisson(rng, n*p))
	case n*(1-p) < 15:
		return n - min(n, poisson(rng, n*(1-p)))
	}
	return min(n, max(0, math.Round(n*p+math.Sqrt(n*p*(1-p))*rng.NormFloat64())))
}
