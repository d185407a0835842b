package lokiapi

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/logql"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

// sent is what a stream sent in a span.
type sent struct {
	labels []logql.Label
	clickhouse.LogStream
}

// streams returns what the streams that matchers take sent in sp, by step in seconds; 0 is the whole.
func (s *source) streams(ctx context.Context, ms []*labels.Matcher, sp span, stepS int64) ([]sent, error) {
	ids, err := s.find(ctx, ms)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	rows, err := s.api.reader.Streams(ctx, s.tenant, floorDiv(sp.start, 1e9), floorDiv(sp.end, 1e9), stepS, ids, 500_000)
	if err != nil {
		return nil, err
	}
	mask := levels(ms)
	out := make([]sent, 0, len(rows))
	for _, row := range rows {
		r := s.resources[row.ResourceID]
		if r == nil || mask&(1<<row.Level) == 0 {
			continue
		}
		out = append(out, sent{labels: r.stream(row.Level).Labels, LogStream: row})
	}
	return out, nil
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// selected reads a selector and the span, and returns the streams.
func (a *API) selected(c *gin.Context, selector string, stepS int64) ([]sent, []*labels.Matcher, error) {
	ms, err := logql.ParseSelector(selector)
	if err != nil {
		return nil, nil, err
	}
	sp, err := a.spanOf(c.Request)
	if err != nil {
		return nil, nil, err
	}
	out, err := a.source(reqctx.Tenant(c.Request.Context())).streams(c.Request.Context(), ms, sp, stepS)
	return out, ms, err
}

func (a *API) labels(c *gin.Context) (any, error) {
	all, _, err := a.selected(c, c.Request.FormValue("query"), 0)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for i := range all {
		for _, l := range all[i].labels {
			names[l.Name] = ""
		}
	}
	return ok(sortedKeys(names)), nil
}

func (a *API) labelValues(c *gin.Context) (any, error) {
	all, _, err := a.selected(c, c.Request.FormValue("query"), 0)
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for i := range all {
		for _, l := range all[i].labels {
			if l.Name == c.Param("name") {
				values[l.Value] = ""
			}
		}
		if c.Param("name") == "detected_level" {
			values[levelNames[all[i].Level]] = ""
		}
	}
	return ok(sortedKeys(values)), nil
}

// maxSelectors bounds the match[] of one question.
const maxSelectors = 32

func (a *API) series(c *gin.Context) (any, error) {
	selectors := append(c.Request.Form["match[]"], c.Request.Form["match"]...)
	if len(selectors) == 0 {
		selectors = []string{""}
	}
	if len(selectors) > maxSelectors {
		return nil, errs.New(errs.Invalid, "more than %d selectors", maxSelectors)
	}
	seen := map[string]bool{}
	out := []map[string]string{}
	for _, sel := range selectors {
		all, _, err := a.selected(c, sel, 0)
		if err != nil {
			return nil, err
		}
		for i := range all {
			if key := streamKey(all[i].labels); !seen[key] {
				seen[key] = true
				out = append(out, labelMap(all[i].labels))
			}
		}
	}
	return ok(out), nil
}

func (a *API) stats(c *gin.Context) (any, error) {
	all, _, err := a.selected(c, c.Request.FormValue("query"), 0)
	if err != nil {
		return nil, err
	}
	var lines, bytes uint64
	for i := range all {
		lines += all[i].Lines
		bytes += all[i].Bytes
	}
	return map[string]uint64{"streams": uint64(len(all)), "chunks": uint64(len(all)), "bytes": bytes, "entries": lines}, nil
}

// volumeKeys returns the label sets that a stream counts under.
func volumeKeys(ls []logql.Label, targets []string, byLabel bool) [][]logql.Label {
	var set []logql.Label
	for _, l := range ls {
		if len(targets) == 0 || slices.Contains(targets, l.Name) {
			set = append(set, l)
		}
	}
	if !byLabel {
		if len(set) == 0 {
			return nil
		}
		return [][]logql.Label{set}
	}
	var out [][]logql.Label
	for _, l := range set {
		out = append(out, []logql.Label{{Name: l.Name}})
	}
	return out
}

type volumeSeries struct {
	labels []logql.Label
	total  uint64
	bytes  map[uint32]uint64
}

// volumes adds up bytes by the labels that were asked for, largest first.
func (a *API) volumes(c *gin.Context, stepS int64) ([]*volumeSeries, error) {
	r := c.Request
	limit, err := limitOf(r, "limit", 100, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	limit = min(limit, maxVolumeSeries) // As Loki does with volume_max_series; Logs Drilldown asks for more.
	byLabel := r.FormValue("aggregateBy") == "labels"
	all, ms, err := a.selected(c, r.FormValue("query"), stepS)
	if err != nil {
		return nil, err
	}
	var targets []string
	if text := r.FormValue("targetLabels"); text != "" {
		for _, t := range strings.Split(text, ",") {
			targets = append(targets, strings.TrimSpace(t))
		}
	} else if !byLabel {
		for _, m := range ms {
			targets = append(targets, m.Name)
		}
	}
	index := map[string]*volumeSeries{}
	var out []*volumeSeries
	for i := range all {
		for _, ls := range volumeKeys(all[i].labels, targets, byLabel) {
			key := streamKey(ls)
			v := index[key]
			if v == nil {
				v = &volumeSeries{labels: ls, bytes: map[uint32]uint64{}}
				index[key] = v
				out = append(out, v)
			}
			v.total += all[i].Bytes
			v.bytes[all[i].Bucket] += all[i].Bytes
		}
	}
	slices.SortFunc(out, func(a, b *volumeSeries) int {
		if a.total != b.total {
			if a.total > b.total {
				return -1
			}
			return 1
		}
		return strings.Compare(streamKey(a.labels), streamKey(b.labels))
	})
	return out[:min(len(out), limit)], nil
}

func (a *API) volume(c *gin.Context) (any, error) {
	all, err := a.volumes(c, 0)
	if err != nil {
		return nil, err
	}
	sp, err := a.spanOf(c.Request)
	if err != nil {
		return nil, err
	}
	out := make([]vectorSample, len(all))
	for i, v := range all {
		out[i] = vectorSample{Metric: labelMap(v.labels), Value: [2]any{float64(sp.end/1e6) / 1000, strconv.FormatUint(v.total, 10)}}
	}
	return ok(resultData{ResultType: "vector", Result: out, Stats: gin.H{}}), nil
}

func (a *API) volumeRange(c *gin.Context) (any, error) {
	sp, err := a.spanOf(c.Request)
	if err != nil {
		return nil, err
	}
	step, err := stepOf(c.Request, "step", sp)
	if err != nil {
		return nil, err
	}
	stepS := max(step/1e9, 60) // volume is kept by the minute
	if (sp.end-sp.start)/1e9/stepS > 11_000 {
		return nil, errs.New(errs.Invalid, "exceeded maximum resolution of 11000 points per time series (max_query_points). Try increasing the value of the step parameter")
	}
	all, err := a.volumes(c, stepS)
	if err != nil {
		return nil, err
	}
	startS := floorDiv(sp.start, 1e9)
	startS -= startS % 60
	out := make([]matrixSeries, len(all))
	for i, v := range all {
		out[i] = matrixSeries{Metric: labelMap(v.labels), Values: [][2]any{}}
		buckets := make([]uint32, 0, len(v.bytes))
		for b := range v.bytes {
			buckets = append(buckets, b)
		}
		slices.Sort(buckets)
		for _, b := range buckets {
			out[i].Values = append(out[i].Values, [2]any{startS + int64(b)*stepS, strconv.FormatUint(v.bytes[b], 10)})
		}
	}
	return ok(resultData{ResultType: "matrix", Result: out, Stats: gin.H{}}), nil
}

func (a *API) detectedLabels(c *gin.Context) (any, error) {
	all, _, err := a.selected(c, c.Request.FormValue("query"), 0)
	if err != nil {
		return nil, err
	}
	values := map[string]map[string]bool{}
	for i := range all {
		for _, l := range all[i].labels {
			if values[l.Name] == nil {
				values[l.Name] = map[string]bool{}
			}
			values[l.Name][l.Value] = true
		}
	}
	out := []gin.H{}
	for name, set := range values {
		out = append(out, gin.H{"label": name, "cardinality": len(set)})
	}
	slices.SortFunc(out, func(a, b gin.H) int { return strings.Compare(a["label"].(string), b["label"].(string)) })
	return gin.H{"detectedLabels": out}, nil
}
