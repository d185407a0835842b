package quality

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// Interval is a mean with its bootstrap interval of 95 %.
type Interval struct {
	Mean, Low, High float64
	N               int
}

// String writes "0.812 [0.74, 0.88]".
func (i Interval) String() string { return fmt.Sprintf("%.3f [%.2f, %.2f]", i.Mean, i.Low, i.High) }

// resamples of the bootstrap: the ends of the interval then move by less than a hundredth from seed to seed.
const resamples = 2000

// Bootstrap returns the mean of values with the percentile interval of resampled means (Efron, Annals of Statistics 1979). The seed is fixed: the
// same values give the same interval.
func Bootstrap(values []float64) Interval {
	n := len(values)
	if n == 0 {
		return Interval{}
	}
	r := rand.New(rand.NewPCG(1, 2))
	means := make([]float64, resamples)
	for i := range means {
		for range n {
			means[i] += values[r.IntN(n)]
		}
		means[i] /= float64(n)
	}
	slices.Sort(means)
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return Interval{Mean: sum / float64(n), Low: means[resamples*25/1000], High: means[resamples*975/1000-1], N: n}
}

// Ranking are the measures of ranked answers.
type Ranking struct {
	AC1, AC3, AC5, Avg5 Interval
}

// Rank scores answers: ranks has for each case the place of the truth in the answer from 1, 0 when it is not there.
func Rank(ranks []int) Ranking {
	at := func(k int) Interval {
		v := make([]float64, len(ranks))
		for i, r := range ranks {
			if r >= 1 && r <= k {
				v[i] = 1
			}
		}
		return Bootstrap(v)
	}
	avg := make([]float64, len(ranks))
	for i, r := range ranks {
		if r >= 1 && r <= 5 {
			avg[i] = float64(6-r) / 5
		}
	}
	return Ranking{AC1: at(1), AC3: at(3), AC5: at(5), Avg5: Bootstrap(avg)}
}
