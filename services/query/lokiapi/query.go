package lokiapi

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/logql"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

func errCells(n int) error {
	return errs.WithHint(errs.Exhausted, "increase the step, or aggregate with sum by (…)", "the query has more than %d values in its intermediate result (max_query_cells)", n)
}

// query answers an instant query.
func (a *API) query(c *gin.Context) (any, error) {
	r, began := c.Request, time.Now()
	e, err := logql.Parse(r.FormValue("query"))
	if err != nil {
		return nil, err
	}
	at, err := timeOf(r, "time", a.deps.Clock())
	if err != nil {
		return nil, err
	}
	if _, isLog := e.(*logql.LogExpr); isLog {
		return nil, errs.New(errs.Invalid, "log queries are not supported as an instant query type, please change your query to a range query type")
	}
	src := a.source(reqctx.Tenant(r.Context()))
	out, typ, err := logql.Evaluate(r.Context(), e, logql.Grid{StartNS: at.UnixNano(), EndNS: at.UnixNano()}, src, a.deps.Limits)
	if err != nil {
		return nil, err
	}
	sec := float64(at.UnixMilli()) / 1000
	data := resultData{ResultType: typ, Stats: statsOf(src, began, len(out))}
	if typ == logql.TypeScalar {
		data.Result = [2]any{sec, formatValue(out[0].Values[0])}
		return ok(data), nil
	}
	samples := make([]vectorSample, 0, len(out))
	for _, s := range out {
		if !logql.IsMissing(s.Values[0]) {
			samples = append(samples, vectorSample{Metric: labelMap(s.Labels), Value: [2]any{sec, formatValue(s.Values[0])}})
		}
	}
	data.Result = samples
	return ok(data), nil
}

type resultData struct {
	ResultType    string   `json:"resultType"`
	EncodingFlags []string `json:"encodingFlags,omitempty"`
	Result        any      `json:"result"`
	Stats         any      `json:"stats"`
}

type vectorSample struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"`
}

type matrixSeries struct {
	Metric map[string]string `json:"metric"`
	Values [][2]any          `json:"values"`
}

func labelMap(ls []logql.Label) map[string]string {
	m := make(map[string]string, len(ls))
	for _, l := range ls {
		m[l.Name] = l.Value
	}
	return m
}

func formatValue(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// statsOf is Loki's object of statistics, as far as there is something to say.
func statsOf(s *source, began time.Time, entries int) any {
	took := time.Since(began).Seconds()
	perSecond := func(n uint64) uint64 { return uint64(float64(n) / max(took, 1e-6)) }
	return gin.H{
		"summary": gin.H{
			"bytesProcessedPerSecond": perSecond(s.stats.Bytes), "linesProcessedPerSecond": perSecond(s.stats.Rows), "totalBytesProcessed": s.stats.Bytes,
			"totalLinesProcessed": s.stats.Rows, "execTime": took, "queueTime": 0, "subqueries": 0, "totalEntriesReturned": entries, "splits": 0, "shards": 0,
			"totalPostFilterLines": entries, "totalStructuredMetadataBytesProcessed": 0,
		},
		"querier": gin.H{}, "ingester": gin.H{}, "cache": gin.H{}, "index": gin.H{},
	}
}

// queryRange answers a log query or a metric query over time.
func (a *API) queryRange(c *gin.Context) (any, error) {
	r, began := c.Request, time.Now()
	e, err := logql.Parse(r.FormValue("query"))
	if err != nil {
		return nil, err
	}
	sp, err := a.spanOf(r)
	if err != nil {
		return nil, err
	}
	if l, isLog := e.(*logql.LogExpr); isLog {
		return a.logRange(r, l, sp, began)
	}
	step, err := stepOf(r, "step", sp)
	if err != nil {
		return nil, err
	}
	g := logql.Grid{StartNS: sp.start, EndNS: sp.end, StepNS: step}
	src := a.source(reqctx.Tenant(r.Context()))
	out, _, err := logql.Evaluate(r.Context(), e, g, src, a.deps.Limits)
	if err != nil {
		return nil, err
	}
	return ok(resultData{ResultType: "matrix", Result: matrixOf(out, g), Stats: statsOf(src, began, len(out))}), nil
}

func matrixOf(in []logql.Series, g logql.Grid) []matrixSeries {
	out := make([]matrixSeries, 0, len(in))
	for _, s := range in {
		m := matrixSeries{Metric: labelMap(s.Labels)}
		for p, v := range s.Values {
			if !logql.IsMissing(v) {
				m.Values = append(m.Values, [2]any{float64(g.At(p)/1e6) / 1000, formatValue(v)})
			}
		}
		if len(m.Values) > 0 {
			out = append(out, m)
		}
	}
	return out
}

func (a *API) logRange(r *http.Request, e *logql.LogExpr, sp span, began time.Time) (any, error) {
	limit, err := limitOf(r, "limit", defaultEntries, maxEntries)
	if err != nil {
		return nil, err
	}
	q := logQuery{expr: e, span: sp, limit: limit}
	if q.forward, err = forwardOf(r); err != nil {
		return nil, err
	}
	if r.FormValue("interval") != "" {
		if q.interval, err = stepOf(r, "interval", sp); err != nil {
			return nil, err
		}
	}
	src := a.source(reqctx.Tenant(r.Context()))
	lines, err := src.lines(r.Context(), q)
	if err != nil {
		return nil, err
	}
	categorize := strings.Contains(r.Header.Get("X-Loki-Response-Encoding-Flags"), "categorize-labels")
	data := resultData{ResultType: "streams", Result: streamsOf(lines, categorize), Stats: statsOf(src, began, len(lines))}
	if categorize {
		data.EncodingFlags = []string{"categorize-labels"}
	}
	return ok(data), nil
}

// logQuery asks for lines.
type logQuery struct {
	expr     *logql.LogExpr
	span     span
	limit    int
	forward  bool
	interval int64
}

// line is a record behind the pipeline.
type line struct {
	timeNS               int64
	id                   uint64
	text                 string
	stream, meta, parsed []logql.Label
}

func newLine(r *logql.Result) line {
	return line{timeNS: r.TimeNS, id: r.ID, text: strings.Clone(r.Line), stream: slices.Clone(r.Stream), meta: cloned(r.Meta), parsed: cloned(r.Parsed)}
}

// cloned copies labels with their text, which belongs to the block or the batch that was read.
func cloned(ls []logql.Label) []logql.Label {
	out := make([]logql.Label, len(ls))
	for i, l := range ls {
		out[i] = logql.Label{Name: strings.Clone(l.Name), Value: strings.Clone(l.Value)}
	}
	return out
}

func (l *line) size() int {
	n := len(l.text)
	for _, ls := range [][]logql.Label{l.meta, l.parsed} {
		for i := range ls {
			n += len(ls[i].Name) + len(ls[i].Value)
		}
	}
	return n
}

// lines returns the first lines in the direction of reading. Where the store decides alone it also limits; else what passes its
// filters is run through the pipeline, a slice of time after another, and the first of each slice are kept.
func (s *source) lines(ctx context.Context, q logQuery) ([]line, error) {
	f, none, err := s.filter(ctx, q.expr)
	if err != nil || none {
		return nil, err
	}
	f.StartNS, f.EndNS = q.span.start, q.span.end-1
	p := logql.NewPipeline(q.expr)
	if q.interval == 0 && q.expr.Hints().Exact {
		page, err := s.api.reader.Search(ctx, clickhouse.LogSearch{LogFilter: f, Limit: q.limit, Forward: q.forward})
		if err != nil {
			return nil, err
		}
		s.stats.Rows, s.stats.Bytes = s.stats.Rows+page.Stats.Rows, s.stats.Bytes+page.Stats.Bytes
		k := keeper{q: q}
		var e logql.Entry
		for i := range page.Rows {
			s.entry(&e, &page.Rows[i])
			if out, ok := p.Run(&e); ok {
				if err := k.add(out); err != nil {
					return nil, err
				}
			}
		}
		return k.sorted(), nil
	}
	return s.sliced(ctx, q, f, p)
}

const (
	// firstSliceNS is the first stretch of time that is read where the store cannot limit; each further one is sliceGrowth as long.
	firstSliceNS = int64(2 * time.Minute)
	sliceGrowth  = 4
)

func (s *source) sliced(ctx context.Context, q logQuery, f clickhouse.LogFilter, p *logql.Pipeline) ([]line, error) {
	k := keeper{q: q}
	low, high := f.StartNS, f.EndNS
	for width := firstSliceNS; low <= high; width = min(width, (1<<61)/sliceGrowth) * sliceGrowth {
		part := f
		if q.forward {
			part.StartNS, part.EndNS = low, min(high, low+width-1)
			low = part.EndNS + 1
		} else {
			part.StartNS, part.EndNS = max(low, high-width+1), high
			high = part.StartNS - 1
		}
		err := s.scan(ctx, &part, clickhouse.LogColumns{Body: true, Attributes: true, IDs: true, RowID: true}, func(e *logql.Entry) error {
			if !k.wants(e.TimeNS) {
				return nil
			}
			if out, ok := p.Run(e); ok {
				return k.add(out)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if lines := k.sorted(); len(lines) >= q.limit {
			return lines, nil
		}
	}
	return k.sorted(), nil
}

// keeper keeps the first lines in the direction of reading: it collects twice as many and then throws half of them away.
type keeper struct {
	q     logQuery
	lines []line
	bytes int
	// edge is the time of the last line that counts, once there are enough.
	edge int64
	full bool
}

// wants reports whether a line of this time may be among the first.
func (k *keeper) wants(ns int64) bool {
	if !k.full || k.q.interval > 0 {
		return true
	}
	if k.q.forward {
		return ns <= k.edge
	}
	return ns >= k.edge
}

func (k *keeper) add(r *logql.Result) error {
	l := newLine(r)
	if k.bytes += l.size(); k.bytes > 2*maxAnswerBytes {
		k.cut()
		if k.bytes > maxAnswerBytes {
			return errs.WithHint(errs.Exhausted, "lower the limit, or shorten lines with line_format", "the lines of the answer are larger than %d bytes (max_answer_bytes)", maxAnswerBytes)
		}
	}
	if k.lines = append(k.lines, l); len(k.lines) >= 2*k.q.limit+64 {
		k.cut()
	}
	return nil
}

// cut sorts and keeps what counts.
func (k *keeper) cut() {
	slices.SortFunc(k.lines, func(a, b line) int {
		if a.timeNS != b.timeNS {
			if k.q.forward {
				return cmp.Compare(a.timeNS, b.timeNS)
			}
			return cmp.Compare(b.timeNS, a.timeNS)
		}
		return cmp.Compare(a.id, b.id)
	})
	if k.q.interval > 0 {
		k.thin()
	}
	if len(k.lines) > k.q.limit {
		clear(k.lines[k.q.limit:])
		k.lines = k.lines[:k.q.limit]
	}
	if len(k.lines) == k.q.limit && k.q.limit > 0 {
		k.full, k.edge = true, k.lines[len(k.lines)-1].timeNS
	}
	k.bytes = 0
	for i := range k.lines {
		k.bytes += k.lines[i].size()
	}
}

// thin keeps one line of each stream and interval.
func (k *keeper) thin() {
	seen := map[string]bool{}
	k.lines = slices.DeleteFunc(k.lines, func(l line) bool {
		key := strconv.FormatInt((l.timeNS-k.q.span.start)/k.q.interval, 36) + " " + streamKey(l.stream, l.parsed)
		if seen[key] {
			return true
		}
		seen[key] = true
		return false
	})
}

func (k *keeper) sorted() []line {
	k.cut()
	return k.lines
}
