package logql

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// PipelineError is a record that a metric query cannot count because a stage could not read it.
type PipelineError struct {
	Kind, Detail, Series string
}

// Error is worded as Loki's, for people search for it.
func (e *PipelineError) Error() string {
	return fmt.Sprintf("pipeline error: '%s' for series: '%s'.\nUse a label filter to intentionally skip this error. (e.g | __error__!=\"%s\").\n"+
		"To skip all potential errors you can match empty errors.(e.g __error__=\"\")\n"+
		"The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__=\"\" )\n", e.Kind, e.Series, e.Kind)
}

// windowSeries is one series while its records come in, in no order. Cells are columns by interval; an operation uses some.
type windowSeries struct {
	labels []Label
	count  []float64
	a, b   []float64 // sum, extreme, mean and squares, or first/last value
	at     []int64   // time of a
	values [][]timed // for quantiles and counters
}

type timed struct {
	ns int64
	v  float64
}

// window collects records for one range aggregation.
type window struct {
	v      *evaluator
	r      *RangeExpr
	group  *Grouping
	edges  []int64
	series map[string]*windowSeries
	order  []*windowSeries
	cells  int
	values int
	key    []byte
	ls     []Label
}

// rangeAgg evaluates r. outer, where it is not nil, is the grouping of a sum around it, which may as well be done here: far fewer series.
func (v *evaluator) rangeAgg(r *RangeExpr, outer *Grouping) ([]Series, error) {
	if err := v.checkTimes(r); err != nil {
		return nil, err
	}
	w := &window{v: v, r: r, group: r.Group, edges: v.edges(r), series: map[string]*windowSeries{}}
	if outer != nil {
		w.group = outer
	}
	if r.Op == "absent_over_time" {
		w.group = &Grouping{}
	}
	done, err := w.pushed()
	if err != nil {
		return nil, err
	}
	if !done {
		if err := w.read(); err != nil {
			return nil, err
		}
	}
	if r.Op == "absent_over_time" {
		return w.absent(), nil
	}
	out := make([]Series, 0, len(w.order))
	for _, s := range w.order {
		if values, any := w.finish(s); any {
			out = append(out, Series{Labels: s.labels, Values: values})
		}
	}
	return out, nil
}

// pushed lets the source count where lines are counted and the pipeline is nothing but filters that it knows.
func (w *window) pushed() (bool, error) {
	bytes := w.r.Op == "bytes_over_time" || w.r.Op == "bytes_rate"
	if w.r.Unwrap != nil || !w.r.Log.Hints().Exact || w.group != nil && w.group.Without {
		return false, nil
	}
	var by []string
	if w.group != nil {
		by = w.group.Labels
	}
	return w.v.src.Counts(w.v.ctx, CountSelect{Log: w.r.Log, Edges: w.edges, Bytes: bytes, By: by}, func(s *Stream, interval int, n float64) error {
		w.ls = w.ls[:0]
		for _, l := range s.Labels {
			if w.group == nil || slices.Contains(w.group.Labels, l.Name) {
				w.ls = append(w.ls, l)
			}
		}
		c, err := w.of()
		if err != nil {
			return err
		}
		c.count[interval] += n
		return nil
	})
}

func (w *window) read() error {
	p := NewPipeline(&LogExpr{Stages: append(slices.Clone(w.r.Log.Stages), w.unwrapStages()...)})
	p.r.wanted = w.wanted(p.stages)
	bytes := w.r.Op == "bytes_over_time" || w.r.Op == "bytes_rate"
	sel := Select{Log: w.r.Log, AfterNS: w.edges[0], UntilNS: w.edges[len(w.edges)-1], Line: bytes || w.r.Log.NeedsLine(), Meta: true}
	return w.v.src.Entries(w.v.ctx, sel, func(e *Entry) error {
		if e.TimeNS <= w.edges[0] || e.TimeNS > w.edges[len(w.edges)-1] || !p.process(e) {
			return nil
		}
		rec := &p.r
		value := 1.0
		switch {
		case w.r.Unwrap != nil:
			f := p.stages[len(w.r.Log.Stages)].(*unwrapStage)
			if !f.found {
				return nil
			}
			value = f.value
		case bytes:
			value = float64(len(rec.line))
		}
		if rec.err != "" {
			return w.pipelineError(rec)
		}
		i, _ := slices.BinarySearch(w.edges, e.TimeNS)
		return w.add(rec, i-1, e.TimeNS, value)
	})
}

// wanted returns the labels that anything looks at, nil for all: parsers then leave the others out, which is most of their work.
func (w *window) wanted(stages []Stage) map[string]bool {
	if w.group == nil || w.group.Without {
		return nil
	}
	out := map[string]bool{}
	for _, n := range w.group.Labels {
		out[n] = true
	}
	for _, s := range stages {
		switch s := s.(type) {
		case *LineFilter, *JSONStage, *LogfmtStage, *RegexpStage, *PatternStage, *UnpackStage, *DecolorizeStage:
		case *LabelFilter:
			s.names(out)
		case *unwrapStage:
			out[s.u.Label] = true
		default:
			return nil // templates and the like may look at any
		}
	}
	return out
}

func (w *window) pipelineError(r *record) error {
	kind, detail := r.err, r.detail
	var ls []Label
	r.each(func(name, value string) { ls = append(ls, Label{name, value}) })
	sortLabels(ls)
	text := "{"
	for i, l := range ls {
		if i > 0 {
			text += ", "
		}
		text += l.Name + "=" + strconv.Quote(shorten(l.Value))
	}
	return &errs.Error{Kind: errs.Invalid, Err: &PipelineError{Kind: kind, Detail: detail, Series: text + "}"}}
}

// unwrapStages are the conversion and the filters behind it.
func (w *window) unwrapStages() []Stage {
	if w.r.Unwrap == nil {
		return nil
	}
	return append([]Stage{&unwrapStage{u: w.r.Unwrap}}, w.r.After...)
}

// unwrapStage reads the sample of a record.
type unwrapStage struct {
	u     *Unwrap
	value float64
	found bool
}

func (s *unwrapStage) run(r *record) bool {
	text, ok := r.get(s.u.Label)
	s.found = ok && text != ""
	if !s.found {
		return true
	}
	var err error
	switch s.u.Conv {
	case "duration", "duration_seconds":
		d, e := parseDuration(text)
		s.value, err = d.Seconds(), e
	case "bytes":
		s.value, err = parseBytes(text)
	default:
		s.value, err = strconv.ParseFloat(text, 64)
	}
	if err != nil {
		r.fail("SampleExtractionErr", "label "+s.u.Label+": "+shorten(err.Error()))
		return true
	}
	r.delete(s.u.Label)
	return true
}

// String writes the stage.
func (s *unwrapStage) String() string { return "| unwrap " + s.u.Label }

// add counts a record in its series. Labels of structured metadata are part of a series only where the query names them: else every
// trace would be a series.
func (w *window) add(r *record, interval int, ns int64, v float64) error {
	w.ls = w.ls[:0]
	if g := w.group; g != nil && !g.Without {
		for _, n := range g.Labels {
			if value, ok := r.get(n); ok && value != "" {
				w.ls = append(w.ls, Label{n, value})
			}
		}
	} else {
		r.each(func(name, value string) {
			if name == errorLabel || name == detailsLabel || value == "" || g != nil && slices.Contains(g.Labels, name) {
				return
			}
			if _, meta := find(r.meta, name); meta && r.visible(name) {
				return
			}
			w.ls = append(w.ls, Label{name, value})
		})
	}
	sortLabels(w.ls)
	s, err := w.of()
	if err != nil {
		return err
	}
	return w.accumulate(s, interval, ns, v)
}

// of returns the series of w.ls.
func (w *window) of() (*windowSeries, error) {
	w.key = labelKey(w.key[:0], w.ls)
	if s := w.series[string(w.key)]; s != nil {
		return s, nil
	}
	lim := w.v.lim
	if len(w.order) >= lim.MaxSeries {
		return nil, errs.WithHint(errs.Exhausted, "add matchers, shorten the range, or aggregate with sum by (…)", "maximum number of series (%d) reached for a single query (max_query_series)", lim.MaxSeries)
	}
	n := len(w.edges) - 1
	if w.cells += n; w.cells > lim.MaxCells {
		return nil, errs.WithHint(errs.Exhausted, "increase the step, or aggregate with sum by (…)", "the query has more than %d values in its intermediate result (max_query_cells)", lim.MaxCells)
	}
	s := &windowSeries{labels: make([]Label, len(w.ls)), count: make([]float64, n)}
	for i, l := range w.ls { // the text belongs to the source
		s.labels[i] = Label{strings.Clone(l.Name), strings.Clone(l.Value)}
	}
	switch w.r.Op {
	case "sum_over_time", "min_over_time", "max_over_time":
		s.a = make([]float64, n)
	case "rate":
		if w.r.Unwrap != nil {
			s.a = make([]float64, n)
		}
	case "avg_over_time", "stdvar_over_time", "stddev_over_time":
		s.a, s.b = make([]float64, n), make([]float64, n)
	case "first_over_time", "last_over_time":
		s.a, s.at = make([]float64, n), make([]int64, n)
	case "quantile_over_time", "rate_counter":
		s.values = make([][]timed, n)
	}
	w.series[string(w.key)] = s
	w.order = append(w.order, s)
	return s, nil
}

func (w *window) accumulate(s *windowSeries, i int, ns int64, v float64) error {
	switch w.r.Op {
	case "bytes_over_time", "bytes_rate":
		s.count[i] += v
		return nil
	case "sum_over_time", "rate":
		if s.a != nil {
			s.a[i] += v
		}
	case "min_over_time":
		if s.count[i] == 0 || v < s.a[i] || math.IsNaN(s.a[i]) {
			s.a[i] = v
		}
	case "max_over_time":
		if s.count[i] == 0 || v > s.a[i] || math.IsNaN(s.a[i]) {
			s.a[i] = v
		}
	case "avg_over_time", "stdvar_over_time", "stddev_over_time":
		d := v - s.a[i]
		s.a[i] += d / (s.count[i] + 1)
		s.b[i] += d * (v - s.a[i])
	case "first_over_time":
		if s.count[i] == 0 || ns < s.at[i] {
			s.a[i], s.at[i] = v, ns
		}
	case "last_over_time":
		if s.count[i] == 0 || ns >= s.at[i] {
			s.a[i], s.at[i] = v, ns
		}
	case "quantile_over_time", "rate_counter":
		if w.values++; w.values > w.v.lim.MaxValues {
			return errs.WithHint(errs.Exhausted, "shorten the range or add matchers", "%s keeps more than %d values (max_query_values)", w.r.Op, w.v.lim.MaxValues)
		}
		s.values[i] = append(s.values[i], timed{ns, v})
	}
	s.count[i]++
	return nil
}
