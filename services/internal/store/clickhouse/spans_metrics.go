package clickhouse

import (
	"context"
	"strings"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/internal/traceql"
)

// SpanSeriesRow is one point of what a metrics query over spans computes.
type SpanSeriesRow struct {
	// Step counts from the start.
	Step int64
	// Labels are the values of the query's by(), in its order.
	Labels []string
	// Values is one value, or one for each quantile.
	Values []float64
}

const selectSpanSeries = `
SELECT
    intDiv(toUnixTimestamp64Nano(ts) - {start:Int64}, {step:Int64}) AS step,
    CAST([/*labels*/], 'Array(String)') AS labels,
    [/*values*/] AS found
FROM spans
WHERE tenant_id = {tenant:UInt32}
  AND ` + timeBounds + `
  AND (/*condition*/)
GROUP BY step, labels
ORDER BY labels, step
LIMIT {limit:UInt64}`

// SpanSeries computes f.Query.Metric over the spans of f's time, in steps of stepNS. A rate is given as a count; durations are seconds.
func (r *SpanReader) SpanSeries(ctx context.Context, f *TraceFilter, stepNS int64, limit int) ([]SpanSeriesRow, error) {
	m := f.Query.Metric
	var p params
	c := &spanCompiler{p: &p, prefix: "m"}
	where := c.any(&f.Query.Spans)
	labels := make([]string, len(m.By))
	for i, by := range m.By {
		labels[i] = "toString(" + c.label(by) + ")"
	}
	list := strings.Join(labels, ", ")
	if list == "" {
		list = "''"
	}
	p.uint("tenant", uint64(f.Tenant))
	p.int("start", f.StartNS)
	p.int("end", f.EndNS)
	p.int("step", stepNS)
	p.uint("limit", uint64(limit))
	var step proto.ColInt64
	names, values := new(proto.ColStr).Array(), new(proto.ColFloat64).Array()
	var out []SpanSeriesRow
	err := r.db.read(ctx, f.Tenant, chgo.Query{
		Body:       strings.NewReplacer("/*labels*/", list, "/*values*/", c.metric(m), "/*condition*/", where).Replace(selectSpanSeries),
		Parameters: p, Result: proto.Results{{Name: "step", Data: &step}, {Name: "labels", Data: names}, {Name: "found", Data: values}},
	}, func(rows int) error {
		for i := range rows {
			out = append(out, SpanSeriesRow{Step: step[i], Labels: names.Row(i)[:len(m.By)], Values: values.Row(i)})
		}
		return nil
	})
	return out, err
}

// metric returns the values of a metrics query, as the elements of an array.
func (c *spanCompiler) metric(m *traceql.Metric) string {
	if m.Func == "rate" || m.Func == "count_over_time" {
		return "toFloat64(count())"
	}
	value := c.number(m.Field)
	if m.Field.Scope == traceql.Intrinsic {
		value = "duration_ns / 1e9"
	}
	if m.Func != "quantile_over_time" {
		name, _, _ := strings.Cut(m.Func, "_")
		return "toFloat64(ifNull(" + name + "(" + value + "), nan))"
	}
	out := make([]string, len(m.Quantiles))
	for i, q := range m.Quantiles {
		// The level is a number that was parsed, and an aggregate function takes no parameter there.
		out[i] = "toFloat64(ifNull(quantileTDigest(" + formatFloat(q) + ")(" + value + "), nan))"
	}
	return strings.Join(out, ", ")
}
