package otlp

import (
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/wire"
	"github.com/faultline-io/faultline/services/model"
)

// staleNaN is Prometheus' staleness marker, as intake.Metrics.Sample takes it.
var staleNaN = math.Float64frombits(0x7ff0000000000002)

// flagNoRecordedValue says that a series ended or has no value at this time.
const flagNoRecordedValue = 1

// point is one data point of any kind, reused between points.
type point struct {
	ms        int64
	value     float64
	hasValue  bool
	stale     bool
	count     uint64
	sum       float64
	hasSum    bool
	attrs     []model.Label
	exemplars [][]byte
	counts    []uint64
	bounds    []float64

	quantile  []float64
	scale     int32
	zero      uint64
	zeroWidth float64
	pos, neg  dense
	// labels are the point's labels without the name.
	labels []model.Label
}

// dense is one side of an exponential histogram.
type dense struct {
	offset int32
	counts []uint64
}

func (p *point) reset() {
	*p = point{
		attrs: p.attrs[:0], exemplars: p.exemplars[:0], counts: p.counts[:0], bounds: p.bounds[:0],
		quantile: p.quantile[:0], pos: dense{counts: p.pos.counts[:0]}, neg: dense{counts: p.neg.counts[:0]}, labels: p.labels[:0],
	}
}

// onePoint reads a data point of a metric of the given kind and adds its series.
func (w *metricWalk) onePoint(kind int, data []byte) error {
	p := &w.point
	p.reset()
	var err error
	switch kind {
	case fieldGauge, fieldSum:
		err = p.readNumber(data)
	case fieldHistogram:
		err = p.readHistogram(data)
	case fieldExponential:
		err = p.readExponential(data)
	case fieldSummary:
		err = p.readSummary(data)
	}
	if err != nil {
		return err
	}
	if reason := w.req.Window.Reason(p.ms); reason != "" {
		w.req.Reject(model.SignalMetrics, reason, 1)
		return nil
	}
	w.labels(p.attrs, w.base)
	var reason string
	switch kind {
	case fieldGauge, fieldSum:
		reason = w.addNumber(kind == fieldSum)
	case fieldHistogram:
		reason = w.addHistogram()
	case fieldExponential:
		reason = w.addExponential()
	case fieldSummary:
		reason = w.addSummary()
	}
	if reason != "" {
		w.req.Reject(model.SignalMetrics, reason, 1)
		return nil
	}
	w.newestMS = max(w.newestMS, p.ms)
	return nil
}

// labels computes point.labels: attrs under their label names, and base for what they leave open; job and instance of base always
// win, as in Prometheus. Attributes whose names collide are joined by semicolons in the order of their keys.
func (w *metricWalk) labels(attrs, base []model.Label) {
	p := &w.point
	p.labels = p.labels[:0]
	sorted := false
	for i := 0; i < len(attrs); i++ {
		name := w.r.names.labelName(attrs[i].Name)
		if name == "" || name == model.LabelName {
			continue
		}
		if at := find(p.labels, name); at >= 0 {
			if !sorted {
				sorted = true
				slices.SortStableFunc(attrs, func(a, b model.Label) int { return strings.Compare(a.Name, b.Name) })
				p.labels, i = p.labels[:0], -1
				continue
			}
			p.labels[at].Value += ";" + attrs[i].Value
			continue
		}
		p.labels = append(p.labels, model.Label{Name: name, Value: attrs[i].Value})
	}
	for i := range base {
		at := find(p.labels, base[i].Name)
		switch {
		case at < 0:
			p.labels = append(p.labels, base[i])
		case i >= len(base)-2 && base[i].Value != "": // job and instance
			p.labels[at].Value = base[i].Value
		}
	}
}

func find(labels []model.Label, name string) int {
	for i := range labels {
		if labels[i].Name == name {
			return i
		}
	}
	return -1
}

// begin starts the series of the current point called name, with one label more when extra is not empty.
func (w *metricWalk) begin(name, extra, value string) string {
	l := &w.b.Labels
	l.Reset()
	for i := range w.point.labels {
		if w.point.labels[i].Name != extra {
			l.Add(w.point.labels[i].Name, w.point.labels[i].Value)
		}
	}
	if extra != "" {
		l.Add(extra, value)
	}
	l.Add(model.LabelName, name)
	return w.b.Begin()
}

// add adds one sample of the series that begin started, accumulated when the metric is of deltas.
func (w *metricWalk) add(v float64, cumulate bool) string {
	p := &w.point
	switch {
	case p.stale:
		v = staleNaN
	case cumulate && w.metric.delta:
		var reason string
		if v, reason = w.delta.add(w.b.ID(), p.ms, v); reason != "" {
			return reason
		}
	}
	w.b.Sample(p.ms, v)
	return ""
}

func (w *metricWalk) addNumber(sum bool) string {
	p := &w.point
	if !p.hasValue && !p.stale {
		return limits.InvalidData
	}
	if reason := w.begin(w.metric.family, "", ""); reason != "" {
		return reason
	}
	if reason := w.add(p.value, sum); reason != "" {
		return reason
	}
	w.addExemplars(math.Inf(-1), math.Inf(1))
	return ""
}

// addHistogram adds an explicit histogram as classic series.
func (w *metricWalk) addHistogram() string {
	p := &w.point
	if len(p.counts) > 0 && len(p.counts) != len(p.bounds)+1 {
		return limits.InvalidData
	}
	family := w.metric.family
	if p.hasSum {
		if reason := w.series(family+"_sum", "", "", p.sum); reason != "" {
			return reason
		}
	}
	if reason := w.series(family+"_count", "", "", float64(p.count)); reason != "" {
		return reason
	}
	var below uint64
	lower := math.Inf(-1)
	for i, bound := range p.bounds {
		if i >= len(p.counts) {
			break
		}
		below += p.counts[i]
		if reason := w.series(family+"_bucket", "le", strconv.FormatFloat(bound, 'f', -1, 64), float64(below)); reason != "" {
			return reason
		}
		w.addExemplars(lower, bound)
		lower = bound
	}
	if reason := w.series(family+"_bucket", "le", "+Inf", float64(p.count)); reason != "" {
		return reason
	}
	w.addExemplars(lower, math.Inf(1))
	return ""
}

func (w *metricWalk) series(name, extra, value string, v float64) string {
	if reason := w.begin(name, extra, value); reason != "" {
		return reason
	}
	return w.add(v, true)
}

func (w *metricWalk) addSummary() string {
	p := &w.point
	family := w.metric.family
	if reason := w.series(family+"_sum", "", "", p.sum); reason != "" {
		return reason
	}
	if reason := w.series(family+"_count", "", "", float64(p.count)); reason != "" {
		return reason
	}
	for i := range p.bounds {
		if reason := w.series(family, "quantile", strconv.FormatFloat(p.bounds[i], 'f', -1, 64), p.quantile[i]); reason != "" {
			return reason
		}
	}
	return ""
}

// maxExemplarRunes is OpenMetrics' bound on the text of an exemplar's labels.
const maxExemplarRunes = 128

// addExemplars adds the point's exemplars with a value in (lower, upper] to the series that begin started.
func (w *metricWalk) addExemplars(lower, upper float64) {
	p := &w.point
	for _, data := range p.exemplars {
		e, err := readExemplar(data)
		if err != nil || (e.Value <= lower && !math.IsInf(lower, -1)) || e.Value > upper {
			continue
		}
		if e.TimeMS == 0 {
			e.TimeMS = p.ms
		}
		w.b.Exemplar(e)
	}
}

func readExemplar(data []byte) (model.Exemplar, error) {
	var e model.Exemplar
	var extra []model.Label
	runes := 0
	m := wire.Read(data)
	for m.Next() {
		switch {
		case m.Is(2, wire.Fixed64):
			e.TimeMS = int64(m.Num / 1e6)
		case m.Is(3, wire.Fixed64):
			e.Value = m.Float()
		case m.Is(6, wire.Fixed64):
			e.Value = float64(m.Int())
		case m.Is(4, wire.Bytes) && len(m.Data) == 8 && !zeroID(m.Data):
			e.Labels = append(e.Labels, model.Label{Name: "span_id", Value: hex.EncodeToString(m.Data)})
			runes += len("span_id") + 16
		case m.Is(5, wire.Bytes) && len(m.Data) == 16 && !zeroID(m.Data):
			e.Labels = append(e.Labels, model.Label{Name: "trace_id", Value: hex.EncodeToString(m.Data)})
			runes += len("trace_id") + 32
		case m.Is(7, wire.Bytes):
			a, err := attribute(m.Data)
			if err != nil {
				return e, err
			}
			runes += utf8.RuneCountInString(a.Name) + utf8.RuneCountInString(a.Value)
			extra = append(extra, a)
		}
	}
	if runes <= maxExemplarRunes {
		e.Labels = append(e.Labels, extra...)
	}
	slices.SortFunc(e.Labels, func(a, b model.Label) int { return strings.Compare(a.Name, b.Name) })
	return e, m.Err()
}
