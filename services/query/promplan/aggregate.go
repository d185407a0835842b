package promplan

import (
	"math"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/kahansum"

	"github.com/faultline-io/faultline/services/model"
)

// cell is the state of one group at one time.
type cell struct {
	// value is the sum, the extreme, or the sum of squares; mean is the running mean; c is what Kahan's summation carries.
	value, mean, c float64
	// n is the number of values so far; 0 is none.
	n float64
	// running says that the sum would overflow, so that mean counts.
	running bool
}

// cellBytes is the size of a cell, for bounds.
const cellBytes = 40

// aggregator puts rows together by group. Rows of a group must come in the order of the engine's series, since sums depend on it.
type aggregator struct {
	expr   *parser.AggregateExpr
	points int
	groups map[uint64]int
	labels []labels.Labels
	cells  [][]cell
	lb     *labels.Builder
	buf    []byte
}

func newAggregator(expr *parser.AggregateExpr, points int) *aggregator {
	return &aggregator{expr: expr, points: points, groups: map[uint64]int{}, lb: labels.NewBuilder(labels.EmptyLabels())}
}

// group returns the number of the group of a series. grouping is that of the expression, sorted.
func (a *aggregator) group(metric labels.Labels, grouping []string) int {
	var key uint64
	switch {
	case a.expr.Without:
		key, a.buf = metric.HashWithoutLabels(a.buf, grouping...)
	case len(grouping) > 0:
		key, a.buf = metric.HashForLabels(a.buf, grouping...)
	}
	if i, ok := a.groups[key]; ok {
		return i
	}
	i := len(a.labels)
	a.groups[key] = i
	a.lb.Reset(metric)
	switch {
	case a.expr.Without:
		a.lb.Del(grouping...)
		a.lb.Del(model.LabelName)
	default:
		a.lb.Keep(grouping...)
	}
	a.labels = append(a.labels, a.lb.Labels())
	a.cells = append(a.cells, make([]cell, a.points))
	return i
}

// add takes in the values of a series from step lo on. Different steps may be added at the same time.
func (a *aggregator) add(group, lo int, row []float64) {
	cells := a.cells[group][lo : lo+len(row)]
	switch a.expr.Op {
	case parser.SUM:
		for i, v := range row {
			if isMissing(v) {
				continue
			}
			c := &cells[i]
			if c.n == 0 {
				c.value, c.n = v, 1
				continue
			}
			c.value, c.c = kahansum.Inc(v, c.value, c.c)
		}
	case parser.AVG:
		each(cells, row, (*cell).average)
	case parser.MIN:
		each(cells, row, func(c *cell, v float64) {
			if c.n == 0 || c.value > v || math.IsNaN(c.value) {
				c.value, c.n = v, 1
			}
		})
	case parser.MAX:
		each(cells, row, func(c *cell, v float64) {
			if c.n == 0 || c.value < v || math.IsNaN(c.value) {
				c.value, c.n = v, 1
			}
		})
	case parser.STDDEV, parser.STDVAR:
		each(cells, row, (*cell).deviate)
	default: // COUNT and GROUP
		each(cells, row, func(c *cell, _ float64) { c.n++ })
	}
}

func each(cells []cell, row []float64, f func(c *cell, v float64)) {
	for i, v := range row {
		if !isMissing(v) {
			f(&cells[i], v)
		}
	}
}

// average adds v up as long as the sum fits, and goes on with a running mean when it does not. Source: Prometheus v3,
// promql/engine.go, aggregation.
func (c *cell) average(v float64) {
	c.n++
	if c.n == 1 {
		c.value = v
		return
	}
	if !c.running {
		sum, carry := kahansum.Inc(v, c.value, c.c)
		if !math.IsInf(sum, 0) {
			c.value, c.c = sum, carry
			return
		}
		c.running = true
		c.mean = c.value / (c.n - 1)
		c.c /= c.n - 1
	}
	q := (c.n - 1) / c.n
	c.mean, c.c = kahansum.Inc(v/c.n, q*c.mean, q*c.c)
}

// deviate is Welford's step. Source: as for average.
func (c *cell) deviate(v float64) {
	c.n++
	if c.n == 1 {
		c.mean = v
		if math.IsNaN(v) || math.IsInf(v, 0) {
			c.value = math.NaN()
		}
		return
	}
	d := v - c.mean
	c.mean += d / c.n
	c.value += d * (v - c.mean)
}

// result returns the value of a cell.
func (c *cell) result(op parser.ItemType) float64 {
	if c.n == 0 {
		return missing()
	}
	switch op {
	case parser.SUM:
		return c.value + c.c
	case parser.AVG:
		if c.running {
			return c.mean + c.c
		}
		return c.value/c.n + c.c/c.n
	case parser.COUNT:
		return c.n
	case parser.GROUP:
		return 1
	case parser.STDVAR:
		return c.value / c.n
	case parser.STDDEV:
		return math.Sqrt(c.value / c.n)
	default: // MIN and MAX
		return c.value
	}
}
