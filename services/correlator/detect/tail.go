package detect

import "math"

// Bins of a tail: four an octave of score, from a quarter of a spread to 64 spreads. Below the first everything is alike, above the last
// a deviation's size says nothing more.
const (
	tailBins = 32
	tailLow  = 0.25
)

// tailMost is the most weight at which all counts are halved, tailLeast the least; between them it is tailDays of steps. At 15 s a half is a
// day, so that a nightly job is remembered from one night to the next; at 5 minutes it is most of a week.
const (
	tailMost  = 12_000
	tailLeast = 12_000
	tailDays  = 4
)

// tailBound is the weight at which the counts of a series with this interval are halved.
func tailBound(gapMS float32) int {
	return int(min(max(tailDays*dayMS/max(gapMS, judgeMS), tailLeast), tailMost))
}

// Beyond what was seen the tail goes on between two estimates, mixed in the logarithm: a Pareto tail with the mean excess of the logarithm (Hill), which is
// nearly always too careful, and a Weibull tail with the shape between two of its quantiles (1 is exponential), which is often too bold. Few points are drawn
// towards priors between those of a normal and of a Laplace distribution. The mix was chosen on made-up telemetry, normal to lognormal.
const (
	tailMix         = 0.25 // Weight of the Weibull tail.
	tailPrior       = 0.5  // Its shape before anything is known …
	tailHeavy       = 0.25 // … and the bounds of what is believed of it.
	tailLight       = 1.2
	tailExcess      = 0.30 // Mean excess before anything is known.
	tailPriorWeight = 10
	tailExact       = 20 // With as many past scores as high there is nothing to extrapolate.
)

// tail is the distribution of a series' own past scores: counts by bin, forgetting. It is conformal where there is data, and is
// extrapolated beyond.
type tail struct {
	n    uint16
	high uint8 // Bin from which on a score is worth a look: about the highest 3 %.
	bins [tailBins]uint16
}

// bin returns the bin of a score. The two highest bits of the mantissa split an octave in four.
func bin(z float64) int {
	if !(z > tailLow) {
		return 0
	}
	i := int(math.Float64bits(z)>>50) - int((1023-2)<<2)
	return min(max(i, 0), tailBins-1)
}

// binFloor is the lower end of a bin.
func binFloor(i int) float64 {
	return math.Ldexp(1+float64(i&3)/4, i>>2-2)
}

// binLogs has the natural logarithms of the ends of bins, worked out once by newLogs.
type binLogs [tailBins + 1]float64

func newLogs() *binLogs {
	var l binLogs
	for i := range l {
		l[i] = math.Log(binFloor(i))
	}
	return &l
}

// add counts a score; bound is the weight at which all are halved.
func (t *tail) add(b, bound int) {
	t.bins[b]++
	t.n++
	if t.n&31 == 0 || t.n < 64 {
		if int(t.n) >= bound {
			t.fade()
			return
		}
		t.settle()
	}
}

// settle finds the bin from which on a score is high.
func (t *tail) settle() {
	need, c := int(t.n)/33+1, 0
	i := tailBins - 1
	for ; i > 0; i-- {
		if c += int(t.bins[i]); c > need {
			break
		}
	}
	t.high = uint8(min(i+1, tailBins-1))
}

// p returns the probability of a score of at least z in quiet times: (k+1)/(n+1) where k past scores were as high, and beyond the highest
// few what their shape says. The result is in (0,1]. O(bins).
func (t *tail) p(z float64, logs *binLogs) float64 {
	b := bin(z)
	n := float64(t.n) + 1
	above := 0
	for i := b; i < tailBins; i++ {
		above += int(t.bins[i])
	}
	need := max(4, int(t.n)/33)
	if above >= min(need, tailExact) {
		return (float64(above) + 1) / n
	}
	// Two places of the tail: the highest bin such that enough scores are in it or above, and one with five times as many.
	c, hi, lo, cLo := 0, 0, 0, 0
	for i := tailBins - 1; i >= 0; i-- {
		c += int(t.bins[i])
		if cLo == 0 && c >= need {
			hi, cLo = i, c
		}
		if c >= 5*need || i == 0 {
			lo = i
			break
		}
	}
	pu := math.Min(0.9, (float64(cLo)+1)/n)
	shape := tailPrior
	if pl := math.Min(0.95, (float64(c)+1)/n); lo < hi && pl > pu {
		fit := math.Log(math.Log(pu)/math.Log(pl)) / (logs[hi] - logs[lo])
		w := float64(cLo) / (float64(cLo) + tailPriorWeight)
		shape = w*math.Min(math.Max(fit, tailHeavy), tailLight) + (1-w)*tailPrior
	}
	over := math.Max(math.Log(math.Max(z, tailLow))-logs[hi], 0)
	excess := 0.0
	for i := hi; i < tailBins; i++ {
		excess += float64(t.bins[i]) * ((logs[i]+logs[i+1])/2 - logs[hi])
	}
	beta := (excess + tailPriorWeight*tailExcess) / (float64(cLo) + tailPriorWeight)
	weibull, pareto := math.Log(pu)*math.Exp(shape*over), math.Log(pu)-over/beta
	tailP := math.Exp(tailMix*weibull + (1-tailMix)*pareto)
	// What was as high before, or nearly, happens as often as it happened, whatever the tail says.
	again := above
	if b > 0 && above+int(t.bins[b-1]) < tailExact {
		again += int(t.bins[b-1])
	}
	return math.Max(tailP, math.Max(float64(again)/n, 1e-15))
}

// fade halves all counts, when what is counted has changed its meaning.
func (t *tail) fade() {
	n := 0
	for i := range t.bins {
		t.bins[i] -= t.bins[i] / 2
		n += int(t.bins[i])
	}
	t.n = uint16(n)
	t.settle()
}

// merge adds the counts of an older tail.
func (t *tail) merge(old *tail) {
	total := int(t.n) + int(old.n)
	shift := 0
	for total>>shift >= tailMost {
		shift++
	}
	n := 0
	for i := range t.bins {
		t.bins[i] = uint16((int(t.bins[i]) + int(old.bins[i])) >> shift)
		n += int(t.bins[i])
	}
	t.n = uint16(n)
	t.settle()
}

func (t *tail) code(c *codec) {
	for i := range t.bins {
		c.u16(&t.bins[i])
	}
	if c.reading {
		n := 0
		for _, k := range t.bins {
			n += int(k)
		}
		if n > tailMost+64 {
			c.fail("counts of a tail")
			*t = tail{}
			return
		}
		t.n = uint16(n)
	}
	c.u8(&t.high)
	t.high = min(t.high, tailBins-1)
}
