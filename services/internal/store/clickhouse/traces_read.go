package clickhouse

import (
	"context"
	"strings"

	chgo "github.com/ClickHouse/ch-go"

	"github.com/faultline-io/faultline/services/model"
)

// oncePerSpan takes one row a span id, and then bounds what is taken of each trace; one SELECT may have one LIMIT BY.
const oncePerSpan = `
ORDER BY trace_id, start_ns, span_id
LIMIT 1 BY trace_id, span_id`

const selectTraces = `
SELECT *
FROM
(
SELECT` + spanColumnList + `
FROM spans
WHERE ` + ofTraces + oncePerSpan + `
)
LIMIT {per_trace:UInt64} BY trace_id
LIMIT {limit:UInt64}`

// Traces returns the spans of several traces, at most perTrace of each and limit in all, in order of trace and beginning. Traces that
// are not stored are left out.
func (r *SpanReader) Traces(ctx context.Context, tenant model.TenantID, ids []string, perTrace, limit int) ([]SpanRow, error) {
	return r.spansOf(ctx, tenant, ids, func(p *params) string {
		p.uint("per_trace", uint64(perTrace))
		p.uint("limit", uint64(limit))
		return selectTraces
	})
}

const selectMatched = `
SELECT *
FROM
(
SELECT` + spanColumnList + `
FROM /*from*/
  AND (/*any*/)` + oncePerSpan + `
)
LIMIT {per_trace:UInt64} BY trace_id
LIMIT {limit:UInt64}`

// Matched returns, of each of the traces, the first spans that f.Query asks for.
func (r *SpanReader) Matched(ctx context.Context, f *TraceFilter, ids []string, perTrace int) ([]SpanRow, error) {
	return r.spansOf(ctx, f.Tenant, ids, func(p *params) string {
		p.uint("per_trace", uint64(perTrace))
		p.uint("limit", uint64(perTrace*len(ids)))
		from, traces := tracesFrom(f.Query, ofTraces)
		any, _ := sumConditions(f.Query, p, traces)
		if traces {
			from += "\nWHERE 1"
		}
		return strings.NewReplacer("/*from*/", from, "/*any*/", any).Replace(selectMatched)
	})
}

// spansOf runs a statement over traces, whose time it looks up first.
func (r *SpanReader) spansOf(ctx context.Context, tenant model.TenantID, ids []string, statement func(*params) string) ([]SpanRow, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	first, last, ok, err := r.traceTime(ctx, tenant, ids)
	if err != nil || !ok {
		return nil, err
	}
	var p params
	p.uint("tenant", uint64(tenant))
	p.strs("ids", hexAll(ids))
	p.int("start", first)
	p.int("end", last)
	body := statement(&p)
	block := newSpanBlock()
	var out []SpanRow
	err = r.db.read(ctx, tenant, chgo.Query{Body: body, Parameters: p, Result: block.results()}, func(rows int) error {
		for i := range rows {
			out = append(out, block.row(i))
		}
		return nil
	})
	return out, err
}
