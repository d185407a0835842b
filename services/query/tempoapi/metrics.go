package tempoapi

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/traceql"
	"github.com/faultline-io/faultline/services/query/reqctx"
	"github.com/faultline-io/faultline/services/query/timeparam"
)

// Bounds of a metrics query.
const (
	maxPoints  = 11_000  // as in a range query of PromQL
	maxSamples = 200_000 // over all series: some ten megabytes of JSON
	// pointsWanted sets the step where none is given.
	pointsWanted = 100
)

type sample struct {
	TimestampMs string  `json:"timestampMs"`
	Value       float64 `json:"value"`
}

type series struct {
	Labels     []attribute `json:"labels"`
	Samples    []sample    `json:"samples"`
	PromLabels string      `json:"promLabels"`
	key        string
}

// queryRange answers /api/metrics/query_range.
func (h *handlers) queryRange(c *gin.Context) {
	out, err := h.compute(c)
	if err != nil {
		fail(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"series": out, "metrics": gin.H{}})
}

func (h *handlers) compute(c *gin.Context) ([]*series, error) {
	text := c.Query("q")
	if text == "" {
		text = c.Query("query")
	}
	q, err := traceql.Parse(text)
	if err != nil {
		return nil, err
	}
	switch {
	case q.Metric == nil:
		return nil, errs.WithHint(errs.Invalid, "for example {} | rate() by (resource.service.name)", "the query computes no metric")
	case hasAnd(&q.Spans):
		return nil, errs.WithHint(errs.Invalid, "put the conditions into one pair of braces", "sets of spans joined by && are not supported in a metrics query")
	case slices.ContainsFunc(q.Fields(), traceql.Field.OfTrace):
		return nil, errs.New(errs.Invalid, "conditions on the whole trace are not supported in a metrics query")
	}
	for _, by := range q.Metric.By {
		if by.Scope == traceql.Resource && by.Name != "service.name" {
			return nil, errs.New(errs.Invalid, "by (%s): of resource attributes, service.name is supported", by)
		}
	}
	f := clickhouse.TraceFilter{Tenant: reqctx.Tenant(c.Request.Context()), Query: q}
	if f.StartNS, f.EndNS, err = h.metricTimes(c); err != nil {
		return nil, err
	}
	step, err := stepOf(c.Query("step"), f.StartNS, f.EndNS)
	if err != nil {
		return nil, err
	}
	f.StartNS -= f.StartNS % step // the same steps whenever it is asked
	rows, err := h.reader.SpanSeries(c.Request.Context(), &f, step, maxSamples+1)
	if err != nil {
		return nil, err
	}
	if len(rows) > maxSamples {
		return nil, errs.WithHint(errs.Exhausted, "ask for a longer step or fewer fields in by()", "the answer has more than %d samples", maxSamples)
	}
	return assemble(q.Metric, rows, &f, step), nil
}

func hasAnd(s *traceql.Set) bool {
	return s.Op == traceql.And || s.Op == traceql.Or && (hasAnd(s.Left) || hasAnd(s.Right))
}

// metricTimes reads start and end, which may be nanoseconds here.
func (h *handlers) metricTimes(c *gin.Context) (startNS, endNS int64, err error) {
	seconds := func(s string) string {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil && n > 1e14 {
			return strconv.FormatInt(n/1e9, 10)
		}
		return s
	}
	r, err := timeparam.ParseRange(seconds(c.Query("start")), seconds(c.Query("end")), h.deps.Now(), defaultSpan)
	if err != nil {
		return 0, 0, err
	}
	return r.Start.UnixNano(), r.End.UnixNano(), nil
}

// stepOf reads a step: a duration or seconds.
func stepOf(s string, startNS, endNS int64) (int64, error) {
	span := endNS - startNS
	if s == "" {
		return max(span/pointsWanted/1e9, 1) * 1e9, nil
	}
	d, err := timeparam.Duration(s)
	if sec, ferr := strconv.ParseFloat(s, 64); ferr == nil && sec > 0 && sec < 1e9 {
		d, err = time.Duration(sec*1e9), nil
	}
	if err != nil || d < time.Millisecond {
		return 0, errs.New(errs.Invalid, "step: %q is not a duration such as 30s", s)
	}
	if span/int64(d) > maxPoints {
		return 0, errs.WithHint(errs.Invalid, "ask for a longer step", "the answer would have more than %d points for each series", maxPoints)
	}
	return int64(d), nil
}

// assemble puts rows, in order of labels and time, into series. Counts are zero where there was nothing; other values are left out.
func assemble(m *traceql.Metric, rows []clickhouse.SpanSeriesRow, f *clickhouse.TraceFilter, step int64) []*series {
	counts := m.Func == "rate" || m.Func == "count_over_time"
	byKey := map[string]*series{}
	filled := map[string]int64{}
	at := func(n int64) string { return strconv.FormatInt((f.StartNS+n*step)/1e6, 10) }
	fill := func(s *series, until int64) {
		for n := filled[s.key]; counts && n < until; n++ {
			s.Samples = append(s.Samples, sample{TimestampMs: at(n)})
		}
		filled[s.key] = until + 1
	}
	for i := range rows {
		for j, v := range rows[i].Values {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				continue
			}
			key := strings.Join(rows[i].Labels, "\x00") + "\x00" + strconv.Itoa(j)
			s := byKey[key]
			if s == nil {
				s = newSeries(m, rows[i].Labels, j, key)
				byKey[key] = s
			}
			if m.Func == "rate" {
				v /= float64(step) / 1e9
			}
			fill(s, rows[i].Step)
			s.Samples = append(s.Samples, sample{TimestampMs: at(rows[i].Step), Value: v})
		}
	}
	out := make([]*series, 0, len(byKey))
	for _, s := range byKey {
		fill(s, (f.EndNS-f.StartNS)/step+1)
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *series) int { return cmp.Compare(a.PromLabels, b.PromLabels) })
	return out
}

// newSeries names a series by the fields of by(), by its quantile, or by the function alone.
func newSeries(m *traceql.Metric, labels []string, value int, key string) *series {
	s := &series{key: key, Samples: []sample{}, Labels: []attribute{}}
	var prom []string
	for i, by := range m.By {
		v := labels[i]
		if v == "" {
			v = "nil"
		}
		s.Labels = append(s.Labels, stringAttribute(by.String(), v))
		prom = append(prom, strconv.Quote(by.String())+"="+strconv.Quote(v))
	}
	if len(m.Quantiles) > 0 {
		s.Labels = append(s.Labels, attribute{Key: "p", Value: map[string]float64{"doubleValue": m.Quantiles[value]}})
		prom = append(prom, `p="`+strconv.FormatFloat(m.Quantiles[value], 'g', -1, 64)+`"`)
	}
	if len(s.Labels) == 0 {
		s.Labels = append(s.Labels, stringAttribute("__name__", m.Func))
		prom = append(prom, `__name__="`+m.Func+`"`)
	}
	s.PromLabels = "{" + strings.Join(prom, ", ") + "}"
	return s
}
