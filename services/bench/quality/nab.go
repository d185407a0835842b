package quality

import (
	"math"
	"math/rand/v2"
	"slices"
)

// NABProfile weighs false and missed detections.
type NABProfile struct {
	Name string
	// FalsePositive and FalseNegative are the costs; a true one is worth 1.
	FalsePositive, FalseNegative float64
}

// NABProfiles are the three of the Numenta Anomaly Benchmark.
func NABProfiles() []NABProfile {
	return []NABProfile{{"standard", 0.11, 1}, {"low FP", 0.22, 1}, {"low FN", 0.11, 2}}
}

// nabSigmoid is the worth of a detection at a place relative to a window: 1 at its beginning, 0 at its end, -1 far behind it.
func nabSigmoid(y float64) float64 {
	if y > 3 {
		return -1
	}
	return 2/(1+math.Exp(5*y)) - 1
}

// NABProbation returns how many rows of a file do not count: 15 %, of 5,000 rows at most.
func NABProbation(rows int) int { return min(int(0.15*float64(rows)), 750) }

// NABSum is the sum over the windows and detections of one case: only the first detection in a window counts, those outside cost more the
// further they are behind the last window.
// Source: Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms", ICMLA 2015.
func NABSum(c AnomalyCase, detections []int, p NABProfile) float64 {
	probation := NABProbation(len(c.TimesMS))
	found := make([]bool, len(c.Windows))
	sum := 0.0
	for _, i := range detections {
		if i < probation {
			continue
		}
		last, in := -1, false
		for k, w := range c.Windows {
			if i >= w[0] && i <= w[1] {
				in = true
				if !found[k] {
					found[k] = true
					y := -float64(w[1]-i+1) / float64(w[1]-w[0]+1)
					sum += nabSigmoid(y) / nabSigmoid(-1)
				}
			}
			if w[1] < i {
				last = k
			}
		}
		switch {
		case in:
		case last < 0:
			sum -= p.FalsePositive
		default:
			w := c.Windows[last]
			sum += p.FalsePositive * nabSigmoid(float64(i-w[1])/math.Max(float64(w[1]-w[0]), 1))
		}
	}
	for _, f := range found {
		if !f {
			sum -= p.FalseNegative
		}
	}
	return sum
}

// NABScore puts the sums of all cases on the scale on which no detection at all is 0 and a perfect one 100.
func NABScore(sum float64, windows int, p NABProfile) float64 {
	n := float64(windows)
	return 100 * (sum + p.FalseNegative*n) / ((1 + p.FalseNegative) * n)
}

// BootstrapNAB returns the interval of 95 % of a score over resampled files.
func BootstrapNAB(sums []float64, windows []int, p NABProfile) (low, high float64) {
	r := rand.New(rand.NewPCG(1, 2))
	scores := make([]float64, 0, resamples)
	for range resamples {
		sum, n := 0.0, 0
		for range sums {
			i := r.IntN(len(sums))
			sum, n = sum+sums[i], n+windows[i]
		}
		if n > 0 {
			scores = append(scores, NABScore(sum, n, p))
		}
	}
	if len(scores) == 0 {
		return 0, 0
	}
	slices.Sort(scores)
	return scores[len(scores)/40], scores[len(scores)-1-len(scores)/40]
}
