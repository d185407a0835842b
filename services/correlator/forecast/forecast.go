// Package forecast says how a series will go on: when something runs out (Exhaust), and how large a load will be (Ahead). It is pure: values
// and times in, values and times out; no clock, no I/O, no goroutines, and the same input gives the same bits. It knows nothing of names: package
// outlook says which series run out and where their end is.
//
// It is not for detection: what is unusual now is package detect's business. It does not learn across series.
//
// Cost: a load over five weeks of hours and a week ahead takes some milliseconds and two megabytes, an exhaustion over a thousand points a few
// milliseconds. docs/forecasts.md describes both for users, docs/quality.md how good they are.
package forecast

import (
	"cmp"
	"math"
	"slices"
)

// Grid is a series at equal steps. NaN is missing.
type Grid struct {
	StartMS, StepMS int64
	Values          []float64
}

// TimeMS returns the time of value i, also beyond the end.
func (g *Grid) TimeMS(i int) int64 { return g.StartMS + int64(i)*g.StepMS }

// Seasons returns the lengths, in steps of stepMS, in which load repeats itself: a day and a week for steps below a day, a week for days, a year
// for weeks and months. Whether a season is there is decided on the data.
func Seasons(stepMS int64) []int {
	const hour, day, week, year = int64(3_600_000), 24 * 3_600_000, 7 * 24 * 3_600_000, 365 * 24 * 3_600_000
	var out []int
	switch {
	case stepMS <= 0:
	case stepMS <= 6*hour:
		out = []int{int(day / stepMS), int(week / stepMS)}
	case stepMS <= day:
		out = []int{int(week / stepMS)}
	case stepMS <= 35*day:
		out = []int{int(math.Round(float64(year) / float64(stepMS)))}
	}
	return out
}

// Config says what is asked for.
type Config struct {
	// Horizon is how many steps ahead.
	Horizon int
	// Seasons are lengths in steps, ascending; one that the past does not hold often enough is left out.
	Seasons []int
}

// Load is the outlook on a load: one value for each step after the end of the grid.
type Load struct {
	Median, Low80, High80, Low95, High95 []float64
	// Method names what was combined, the best first.
	Method string
	// Error is the mean absolute error of the combination over the rolling origins, divided by that of repeating the first season (of
	// the last value where there is none): below 1 is better than that.
	Error float64
	// Origins is on how many past forecasts Error and the intervals rest.
	Origins int
}

// Bounds on what one call works on.
const (
	// maxPast is how much past is looked at: ten weeks of hours, fifty years of weeks. More changes nothing, since recent seasons count most.
	maxPast = 2600
	// MinPast is the least number of values for any forecast.
	MinPast = 12
	// maxOrigins bounds the past forecasts that methods are judged by.
	maxOrigins = 20
	// combine is how many of the methods take part, power that of its error by which each counts less. On the development halves of M4's
	// hourly and weekly series the median of the best three was worse by a tenth; between three and seven methods, and powers from two to
	// four, the error differs by a fiftieth.
	combine = 5
	power   = 3
)

// Ahead forecasts the next cfg.Horizon values of g.
//
// Each method is run at up to 20 past origins; the five with the least mean absolute error there are combined, each with the inverse third power of its
// error as its weight, and the residuals of that combination at the same origins give the intervals (split conformal, see intervals). A method is tried on the values and, where all are
// positive, on their logarithms; of the two the better takes part.
//
// ok is false when there are fewer than MinPast values, or no horizon. Complexity: O(origins · methods · (past + horizon)).
// Source: brain.md's survey of M4 (Makridakis et al., International Journal of Forecasting 36, 2020): combinations win, trends must be damped.
func Ahead(g Grid, cfg Config) (out Load, ok bool) {
	y := g.Values
	if len(y) > maxPast {
		y = y[len(y)-maxPast:]
	}
	y = fill(y, cfg.Seasons)
	if len(y) < MinPast || cfg.Horizon <= 0 {
		return Load{}, false
	}
	p := newPast(y, cfg)
	all := p.tryAll()
	forecasts := p.combined(all)
	top := bestWithout(all, len(p.origins)-1)
	out.Method, out.Error, out.Origins = names(top), p.errorOf(forecasts)/p.scale(), len(p.origins)-1
	out.Median = slices.Clone(p.at(forecasts, len(p.origins)-1))
	p.intervals(forecasts, top[0].logs, &out)
	if slices.Min(y) >= 0 {
		for _, v := range [][]float64{out.Median, out.Low80, out.High80, out.Low95, out.High95} {
			for i := range v {
				v[i] = max(v[i], 0)
			}
		}
	}
	return out, true
}

// past is the known part of a series with the origins at which methods are tried.
type past struct {
	y []float64
	// seasons are those that the past holds at least twice before the earliest origin would be too early; ascending.
	seasons []int
	h       int
	// origins are ascending numbers of known values; the last is all of them, and the one forecast that is given away.
	origins []int
}

func newPast(y []float64, cfg Config) *past {
	p := &past{y: y, h: cfg.Horizon}
	n := len(y)
	for _, s := range cfg.Seasons {
		// Two whole seasons to know one from noise, and a part of one for judging.
		if s > 1 && 2*s+min(s, p.h)/2 <= n {
			p.seasons = append(p.seasons, s)
		}
	}
	// The least that methods need: two of the longest season, or what is left when half is kept for judging.
	least := MinPast / 2
	if k := len(p.seasons); k > 0 {
		least = 2 * p.seasons[k-1]
	}
	least = min(max(least, n/3), max(n-n/4, MinPast/2))
	// Not a divisor of a day, so that the origins lie at all times of it.
	stride := p.h/4 + 1
	known := min(p.h, n-least) // How much of the first one can be compared.
	for o := n - max(known, 1); o >= least && len(p.origins) < maxOrigins; o -= stride {
		p.origins = append(p.origins, o)
	}
	slices.Reverse(p.origins)
	p.origins = append(p.origins, n)
	return p
}

// scale returns the mean absolute error of repeating the first season, which errors are measured by.
func (p *past) scale() float64 {
	lag := 1
	if len(p.seasons) > 0 {
		lag = p.seasons[0]
	}
	sum := 0.0
	for i := lag; i < len(p.y); i++ {
		sum += math.Abs(p.y[i] - p.y[i-lag])
	}
	if sum == 0 {
		return math.SmallestNonzeroFloat32
	}
	return sum / float64(len(p.y)-lag)
}

// at returns the forecast at origin i of a flat list.
func (p *past) at(forecasts []float64, i int) []float64 { return forecasts[i*p.h : (i+1)*p.h] }

// errorOf returns the mean absolute error over the origins that can be compared; each origin counts the same.
func (p *past) errorOf(forecasts []float64) float64 { return mean(p.errorsOf(forecasts)) }

// errorsOf returns the mean absolute error at each origin but the last.
func (p *past) errorsOf(forecasts []float64) []float64 {
	out := make([]float64, len(p.origins)-1)
	for i, o := range p.origins[:len(p.origins)-1] {
		known := p.y[o:min(o+p.h, len(p.y))]
		for k, v := range known {
			out[i] += math.Abs(v - p.at(forecasts, i)[k])
		}
		out[i] /= float64(len(known))
	}
	return out
}

// tried is a variant of a method with what it said at the origins.
type tried struct {
	method    int
	name      string
	logs      bool
	forecasts []float64
	// err is the mean absolute error over the origins, errs those of each.
	err  float64
	errs []float64
}

// tryAll runs every method, on the values and, where all are positive, on their logarithms, and returns its variants, the best first.
func (p *past) tryAll() []tried {
	logs := p.logarithms()
	var out []tried
	for i, m := range methods() {
		out = p.try(out, i, m, p, false)
		if logs != nil {
			out = p.try(out, i, m, logs, true)
		}
	}
	slices.SortStableFunc(out, func(a, b tried) int { return cmp.Compare(a.err, b.err) })
	return out
}

// try appends the variants of a method on in, which is p or its logarithms, judged in p's units. Values are kept within what the past makes thinkable.
func (p *past) try(out []tried, index int, m method, in *past, logs bool) []tried {
	for _, f := range m.roll(in) {
		for i, o := range p.origins {
			low, high := thinkable(p.y[:o])
			f := p.at(f, i)
			for k, v := range f {
				if logs {
					v = math.Exp(v)
				}
				if math.IsNaN(v) {
					v = p.y[o-1]
				}
				f[k] = min(max(v, low), high)
			}
		}
		errs := p.errorsOf(f)
		out = append(out, tried{method: index, name: m.name, logs: logs, forecasts: f, errs: errs, err: mean(errs)})
	}
	return out
}

// thinkable returns the range of the past, widened by itself at both ends: a forecast beyond it is a method gone astray.
func thinkable(y []float64) (low, high float64) {
	low, high = slices.Min(y), slices.Max(y)
	return low - (high - low), high + (high - low)
}

// logarithms returns p over the logarithms of its values, nil when one of them is not positive.
func (p *past) logarithms() *past {
	if slices.Min(p.y) <= 0 {
		return nil
	}
	q := *p
	q.y = make([]float64, len(p.y))
	for i, v := range p.y {
		q.y[i] = math.Log(v)
	}
	return &q
}

// combined returns the weighted mean of the best methods at each origin. What is best is judged there by the other origins only, so that the
// errors of the combination are those that it would have had: judged by its own errors it would look better than it is.
func (p *past) combined(all []tried) []float64 {
	out := make([]float64, len(p.origins)*p.h)
	for i := range p.origins {
		best := bestWithout(all, i)
		total := 0.0
		for k := range best {
			total += best[k].weight
		}
		f := p.at(out, i)
		for _, b := range best {
			for k, v := range p.at(b.forecasts, i) {
				f[k] += b.weight / total * v
			}
		}
	}
	return out
}

// weighted is a variant with how much it counts.
type weighted struct {
	*tried
	weight float64
}

// bestWithout returns the best variants of as many methods as are combined, judged by the origins but one, the best first.
func bestWithout(all []tried, i int) []weighted {
	order := make([]weighted, len(all))
	for k := range all {
		order[k] = weighted{&all[k], all[k].errWithout(i)}
	}
	slices.SortStableFunc(order, func(a, b weighted) int { return cmp.Compare(a.weight, b.weight) })
	out := order[:0]
	least := order[0].weight
	for _, w := range order {
		if len(out) == combine || slices.ContainsFunc(out, func(o weighted) bool { return o.method == w.method }) {
			continue
		}
		// Relative to the best, whose error may be 0.
		out = append(out, weighted{w.tried, math.Pow((least+tiny)/(w.weight+tiny), power)})
	}
	return out
}

// errWithout returns the mean error over the origins but one; over all of them for the last, which has none.
func (t *tried) errWithout(i int) float64 {
	if i >= len(t.errs) || len(t.errs) < 2 {
		return t.err
	}
	n := float64(len(t.errs))
	return (t.err*n - t.errs[i]) / (n - 1)
}

// tiny keeps errors of 0 from dividing.
const tiny = 1e-12

func names(top []weighted) string {
	out := ""
	for i, t := range top {
		if i > 0 {
			out += ", "
		}
		out += t.name
		if t.logs {
			out += " of logarithms"
		}
	}
	return out
}

// fill returns y without its missing ends and with its gaps closed: short ones by a line, others by what was there a season before. The
// result is a copy.
func fill(y []float64, seasons []int) []float64 {
	from, to := 0, len(y)
	for from < to && math.IsNaN(y[from]) {
		from++
	}
	for to > from && math.IsNaN(y[to-1]) {
		to--
	}
	out := slices.Clone(y[from:to])
	for i := 0; i < len(out); i++ {
		if !math.IsNaN(out[i]) {
			continue
		}
		end := i
		for math.IsNaN(out[end]) {
			end++
		}
		lag := 0
		for _, s := range seasons {
			// A gap longer than a quarter of a season hides a part of its shape.
			if s <= i && 4*(end-i) > s {
				lag = s
			}
		}
		for k := i; k < end; k++ {
			if lag > 0 {
				out[k] = out[k-lag]
			} else {
				out[k] = out[i-1] + (out[end]-out[i-1])*float64(k-i+1)/float64(end-i+1)
			}
		}
		i = end
	}
	return out
}
