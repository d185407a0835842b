package promplan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/schema"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"
	"golang.org/x/sync/errgroup"

	"github.com/faultline-io/faultline/services/model"
)

// FloatSeries is what a storage's series offer to be read without a call a sample.
type FloatSeries interface {
	storage.Series
	// Floats decodes the samples within the time that was selected, in the order of time, each time once, staleness markers included.
	// The slices belong to the iterator that is returned and are good until it is given to another call; the caller may change them.
	// ok is false where the series holds anything but floats.
	Floats(reuse chunkenc.Iterator) (it chunkenc.Iterator, times []int64, values []float64, ok bool)
}

// batchValues is how many values are computed before they are put together: eight megabytes.
const batchValues = 1 << 20

// parallelValues is from where on putting values together is worth several processors.
const parallelValues = 1 << 15

// errLeave says that a part has to be left to the engine.
var errLeave = errors.New("left to the engine")

// leave is errLeave with a reason.
type leave string

func (l leave) Error() string { return string(l) }
func (l leave) Unwrap() error { return errLeave }

// result is the value of a part: rows[i] are the values of series labels[i] at the times of grid.
type result struct {
	grid   grid
	labels []labels.Labels
	rows   [][]float64
	notes  annotations.Annotations
}

// evaluateParts computes the parts; the result of one that has to be left to the engine is nil. All parts load at the same time.
func (q *query) evaluateParts(ctx context.Context, parts []*part) ([]*result, error) {
	minMS, maxMS := parts[0].bounds()
	for _, p := range parts[1:] {
		lo, hi := p.bounds()
		minMS, maxMS = min(minMS, lo), max(maxMS, hi)
	}
	querier, err := q.known.Queryable.Querier(minMS, maxMS)
	if err != nil {
		return nil, err
	}
	defer querier.Close() //nolint:errcheck // reading has ended
	sets := make([]storage.SeriesSet, len(parts))
	for i, p := range parts {
		lo, hi := p.bounds()
		sets[i] = querier.Select(ctx, false, p.hints(lo, hi), p.vector.LabelMatchers...)
	}
	results := make([]*result, len(parts))
	for i, p := range parts {
		q.plan.Steps = append(q.plan.Steps, Step{Expr: p.expr.String(), Points: p.grid.points()})
		step := &q.plan.Steps[i]
		results[i], err = q.evaluate(ctx, p, sets[i], step)
		switch {
		case errors.Is(err, errLeave):
			step.Reason = err.Error()
		case err != nil:
			return nil, err
		default:
			step.Native = true
		}
	}
	return results, nil
}

func (p *part) hints(minMS, maxMS int64) *storage.SelectHints {
	h := &storage.SelectHints{Start: minMS, End: maxMS, Step: p.grid.step}
	if p.call != nil {
		h.Func, h.Range = p.call.Func.Name, p.rangeMS
	}
	if p.agg != nil {
		h.By, h.Grouping = !p.agg.Without, p.agg.Grouping
	}
	return h
}

func (q *query) evaluate(ctx context.Context, p *part, set storage.SeriesSet, step *Step) (*result, error) {
	began := time.Now()
	series, err := expand(p, set)
	step.LoadMS, step.Series = sinceMS(began), len(series)
	if err != nil {
		return nil, err
	}
	e := &evaluation{part: p, series: series, workers: min(q.engine.cfg.Workers, max(len(series), 1)), points: p.grid.points(), maxValues: q.engine.cfg.MaxSamples}
	began = time.Now()
	out, err := e.run(ctx)
	step.EvalMS, step.Samples = sinceMS(began), e.samples.Load()
	if err != nil {
		return nil, err
	}
	out.notes.Merge(set.Warnings())
	step.Groups = len(out.labels)
	return out, nil
}

func expand(p *part, set storage.SeriesSet) ([]FloatSeries, error) {
	var out []FloatSeries
	for set.Next() {
		s, ok := set.At().(FloatSeries)
		if !ok {
			return nil, leave("the storage does not decode floats in bulk")
		}
		out = append(out, s)
	}
	if err := set.Err(); err != nil {
		return nil, fmt.Errorf("expanding series: %w", err)
	}
	if p.kernel.keepsName {
		return out, nil
	}
	for _, s := range out {
		if ls := s.Labels(); ls.Has("__type__") || ls.Has("__unit__") {
			return nil, leave("series may become the same without __type__ and __unit__")
		}
	}
	return out, nil
}

// evaluation computes a part over its series, a batch at a time.
type evaluation struct {
	part      *part
	series    []FloatSeries
	workers   int
	points    int
	maxValues int
	samples   atomic.Int64
	grouping  []string
}

func (e *evaluation) run(ctx context.Context) (*result, error) {
	out := &result{grid: e.part.grid}
	var agg *aggregator
	if a := e.part.agg; a != nil {
		agg = newAggregator(a, e.points)
		e.grouping = slices.Sorted(slices.Values(a.Grouping))
	} else if len(e.series)*e.points > e.maxValues {
		return nil, leave(fmt.Sprintf("%d series at %d times are more values than a query may hold", len(e.series), e.points))
	}
	n := max(1, min(batchValues/max(e.points, 1), len(e.series)))
	rows := e.newRows(n)
	scratch := make([]scratch, e.workers)
	for from := 0; from < len(e.series); from += n {
		batch := e.series[from:min(from+n, len(e.series))]
		found := make([]bool, len(batch))
		if agg == nil {
			rows = e.newRows(len(batch)) // they are the result
		}
		if err := e.compute(ctx, batch, rows, found, scratch); err != nil {
			return nil, err
		}
		for i, s := range batch {
			if found[i] {
				e.note(out, s.Labels())
			}
		}
		if agg != nil {
			if err := e.aggregate(agg, batch, rows, found); err != nil {
				return nil, err
			}
			continue
		}
		for i, s := range batch {
			if found[i] {
				out.labels, out.rows = append(out.labels, e.resultLabels(s.Labels())), append(out.rows, rows[i])
			}
		}
	}
	if agg != nil {
		e.finish(agg, out)
	}
	return out, nil
}

func (e *evaluation) newRows(n int) [][]float64 {
	all := make([]float64, n*e.points)
	rows := make([][]float64, n)
	for i := range rows {
		rows[i] = all[i*e.points : (i+1)*e.points : (i+1)*e.points]
	}
	return rows
}

// scratch is the memory of a worker.
type scratch struct {
	it      chunkenc.Iterator
	samples samples
}

// compute fills rows with the values of the series of a batch. found tells which have any.
func (e *evaluation) compute(ctx context.Context, batch []FloatSeries, rows [][]float64, found []bool, memory []scratch) error {
	var next atomic.Int64
	work := func(m *scratch) error {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(batch) {
				return nil
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			var ok bool
			m.it, m.samples.times, m.samples.values, ok = batch[i].Floats(m.it)
			if err := m.it.Err(); err != nil {
				return err
			}
			if !ok {
				return leave("a series has native histograms")
			}
			e.samples.Add(int64(len(m.samples.times)))
			e.part.kernel.prepare(&m.samples)
			found[i] = e.part.row(rows[i], &m.samples)
		}
	}
	if len(memory) == 1 || len(batch) == 1 {
		return work(&memory[0])
	}
	var g errgroup.Group
	for i := range memory {
		g.Go(func() error { return work(&memory[i]) })
	}
	return g.Wait()
}

// aggregate adds the rows of a batch to their groups, each processor a part of the time: within a group the order of series stays.
func (e *evaluation) aggregate(agg *aggregator, batch []FloatSeries, rows [][]float64, found []bool) error {
	groups := make([]int, len(batch))
	for i, s := range batch {
		if !found[i] {
			groups[i] = -1
			continue
		}
		groups[i] = agg.group(e.resultLabels(s.Labels()), e.grouping)
		if len(agg.cells)*e.points > e.maxValues/(cellBytes/16) {
			return leave(fmt.Sprintf("more than %d groups at %d times are more than a query may hold", len(agg.cells)-1, e.points))
		}
	}
	add := func(lo, hi int) {
		for i, group := range groups {
			if group >= 0 {
				agg.add(group, lo, rows[i][lo:hi])
			}
		}
	}
	parts := e.workers
	if len(batch)*e.points < parallelValues {
		parts = 1
	}
	if parts == 1 {
		add(0, e.points)
		return nil
	}
	var g errgroup.Group
	for i := range parts {
		g.Go(func() error {
			add(i*e.points/parts, (i+1)*e.points/parts)
			return nil
		})
	}
	return g.Wait()
}

func (e *evaluation) finish(agg *aggregator, out *result) {
	rows := e.newRows(len(agg.labels))
	for g, cells := range agg.cells {
		any := false
		for i := range cells {
			rows[g][i] = cells[i].result(agg.expr.Op)
			any = any || !isMissing(rows[g][i])
		}
		if any {
			out.labels, out.rows = append(out.labels, agg.labels[g]), append(out.rows, rows[g])
		}
	}
}

// resultLabels returns the labels of a function's result.
func (e *evaluation) resultLabels(ls labels.Labels) labels.Labels {
	if e.part.kernel.keepsName {
		return ls
	}
	return ls.DropReserved(schema.IsMetadataLabel)
}

// note adds the engine's remark about rates of what is not named like a counter.
func (e *evaluation) note(out *result, ls labels.Labels) {
	if !e.part.kernel.warns || len(out.notes) > 0 { // the part names one metric, so once is enough
		return
	}
	name := ls.Get(model.LabelName)
	for _, suffix := range [...]string{"_total", "_sum", "_count", "_bucket"} {
		if strings.HasSuffix(name, suffix) {
			return
		}
	}
	if name != "" {
		out.notes.Add(annotations.NewPossibleNonCounterInfo(name, e.part.call.Args[0].PositionRange()))
	}
}

// points returns the values of a row that are there, for the engine's result.
func (r *result) points(i int) []promql.FPoint {
	out := make([]promql.FPoint, 0, len(r.rows[i]))
	for j, v := range r.rows[i] {
		if !isMissing(v) {
			out = append(out, promql.FPoint{T: r.grid.start + int64(j)*r.grid.step, F: v})
		}
	}
	return out
}
