package clickhouse

import (
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/internal/traceql"
)

// TraceRow sums up one trace.
type TraceRow struct {
	TraceID string
	// RootService and RootOperation are of the root, or of the earliest span when the root is not stored; HasRoot tells which.
	RootService, RootOperation string
	HasRoot                    bool
	StartNS, EndNS             int64
	Spans, Errors              uint64
	// Matched is how many spans are what TraceFilter.Query asks for.
	Matched  uint64
	Services []string
	// NewestNS is when the newest matching span began: what traces are ordered by.
	NewestNS int64
}

// TraceCursor is a place in the order of traces.
type TraceCursor struct {
	NewestNS int64  `json:"t"`
	TraceID  string `json:"i"` // hexadecimal
}

// TraceSearch asks for one page of traces.
type TraceSearch struct {
	TraceFilter
	Limit int
	After *TraceCursor
	// Budget is as in LogSearch.
	Budget time.Duration
}

// TracePage is one page of traces, the newest first.
type TracePage struct {
	Rows       []TraceRow
	Next       *TraceCursor
	SearchedNS int64
}

const findTraces = `
SELECT
    trace_id,
    toUnixTimestamp64Nano(max(ts)) AS newest
FROM spans
WHERE tenant_id = {tenant:UInt32}
  AND ` + timeBounds + `
  AND /*condition*/
GROUP BY trace_id
HAVING newest < {after_ns:Int64} OR (newest = {after_ns:Int64} AND trace_id > toFixedString(unhex({after_id:String}), 16))
ORDER BY newest DESC, trace_id
LIMIT {limit:UInt64}`

const sumTraces = `
SELECT
    trace_id,
    CAST(argMin(service, tuple(parent_span_id != toFixedString('', 8), ts)), 'String') AS root_service,
    CAST(argMin(name, tuple(parent_span_id != toFixedString('', 8), ts)), 'String') AS root_operation,
    toUInt8(max(parent_span_id = toFixedString('', 8))) AS has_root,
    toUnixTimestamp64Nano(min(ts)) AS start_ns,
    max(toUnixTimestamp64Nano(ts) + toInt64(duration_ns)) AS end_ns,
    uniqExact(span_id) AS span_count,
    uniqExactIf(span_id, status = 2) AS error_count,
    arraySort(groupUniqArray(100)(CAST(service, 'String'))) AS services,
    toUnixTimestamp64Nano(maxIf(ts, ts <= fromUnixTimestamp64Nano({until:Int64}) AND (/*condition*/))) AS newest,
    uniqExactIf(span_id, /*any*/) AS matched
FROM /*from*/
GROUP BY trace_id
HAVING /*having*/
LIMIT {limit:UInt64}`

// ofTraces bounds a statement to the traces {ids}.
const ofTraces = `tenant_id = {tenant:UInt32}
  AND trace_id IN (SELECT toFixedString(unhex(arrayJoin({ids:Array(String)})), 16))
  AND ` + timeBounds

// candidates is how many traces are looked at at once where some may turn out not to have all that is asked; it grows while nearly
// none have.
const (
	candidates    = 200
	maxCandidates = 6400
)

// Search returns one page of traces, the newest matching span first. Like the search of logs it reads time backwards in growing
// slices; a trace whose newest matching span lies in a slice that was read before is left out, since it was given there.
func (r *SpanReader) Search(ctx context.Context, q TraceSearch) (*TracePage, error) {
	page := &TracePage{}
	after := TraceCursor{NewestNS: 1<<63 - 1, TraceID: strings.Repeat("f", 32)}
	high := q.EndNS
	if q.After != nil {
		after = *q.After
		high = min(high, after.NewestNS)
	}
	if raw, err := hex.DecodeString(after.TraceID); err != nil || len(raw) != 16 {
		after.TraceID = strings.Repeat("f", 32)
	}
	if err := r.chooseFind(ctx, &q.TraceFilter); err != nil {
		return nil, err
	}
	began, width, batch := time.Now(), firstSliceNS, candidates
	for high >= q.StartNS && len(page.Rows) <= q.Limit {
		if q.Budget > 0 && time.Since(began) > q.Budget {
			page.SearchedNS = high
			page.Next = &TraceCursor{NewestNS: high, TraceID: strings.Repeat("0", 32)}
			return page, nil
		}
		low := q.StartNS
		if high-low >= width {
			low = high - width + 1
		}
		need := q.Limit + 1 - len(page.Rows)
		if q.Query != nil {
			need = max(need, batch)
		}
		found, err := r.find(ctx, &q.TraceFilter, low, high, after, need)
		if err != nil {
			return nil, err
		}
		rows, err := r.sum(ctx, &q.TraceFilter, found, high)
		if err != nil {
			return nil, err
		}
		page.Rows = append(page.Rows, rows...)
		if len(rows) < len(found)/10 {
			batch = min(4*batch, maxCandidates)
			if q.wholeNS == 0 && q.Query != nil {
				// Few traces are as long as is asked: from now on only those are found that can be, in all of the time that is left.
				if q.wholeNS = wholeAtLeast(&q.Query.Spans); q.wholeNS > 0 {
					width = 1 << 61
				}
			}
		}
		if len(found) == need && len(page.Rows) <= q.Limit {
			// Some of what was found was given before or is not what was meant: go on behind the last of it, in the same slice.
			last := found[need-1]
			after = TraceCursor{NewestNS: last.newest, TraceID: hexOf(last.id)}
			high = last.newest
			continue
		}
		high = low - 1
		width = min(width, (1<<61)/sliceGrowth) * sliceGrowth
	}
	if len(page.Rows) > q.Limit {
		page.Rows = page.Rows[:q.Limit]
		last := page.Rows[q.Limit-1]
		page.Next = &TraceCursor{NewestNS: last.NewestNS, TraceID: hexOf(last.TraceID)}
	}
	return page, nil
}

type foundTrace struct {
	id     string
	newest int64
}

func (r *SpanReader) find(ctx context.Context, f *TraceFilter, low, high int64, after TraceCursor, limit int) ([]foundTrace, error) {
	var p params
	where := f.spanCondition(&p)
	if f.wholeNS > 0 {
		where += " AND " + longTraces
		p.int("whole_half", f.wholeNS/2)
		p.int("whole_start", f.StartNS)
		p.int("whole_end", f.EndNS)
	}
	p.uint("tenant", uint64(f.Tenant))
	p.int("start", low)
	p.int("end", high)
	p.int("after_ns", after.NewestNS)
	p.str("after_id", after.TraceID)
	p.uint("limit", uint64(limit))
	id := proto.ColFixedStr{Size: 16}
	var newest proto.ColInt64
	var out []foundTrace
	err := r.db.read(ctx, f.Tenant, chgo.Query{
		Body: strings.Replace(findTraces, "/*condition*/", where, 1), Parameters: p,
		Result: proto.Results{{Name: "trace_id", Data: &id}, {Name: "newest", Data: &newest}},
	}, func(rows int) error {
		for i := range rows {
			out = append(out, foundTrace{id: string(id.Row(i)), newest: newest[i]})
		}
		return nil
	})
	return out, err
}

// sum returns the found traces in their order, without those whose newest matching span is after high.
func (r *SpanReader) sum(ctx context.Context, f *TraceFilter, found []foundTrace, high int64) ([]TraceRow, error) {
	if len(found) == 0 {
		return nil, nil
	}
	ids := make([]string, len(found))
	for i := range found {
		ids[i] = found[i].id
	}
	first, last, ok, err := r.traceTime(ctx, f.Tenant, ids)
	if err != nil || !ok {
		return nil, err
	}
	var p params
	where := f.spanCondition(&p)
	p.uint("tenant", uint64(f.Tenant))
	p.strs("ids", hexAll(ids))
	p.int("start", first)
	p.int("end", last)
	p.int("until", f.EndNS)
	p.uint("limit", uint64(len(ids)))
	from, traces := tracesFrom(f.Query, ofTraces)
	any, having := sumConditions(f.Query, &p, traces)
	body := strings.NewReplacer("/*condition*/", where, "/*from*/", from, "/*any*/", any, "/*having*/", having).Replace(sumTraces)
	id := proto.ColFixedStr{Size: 16}
	var service, operation proto.ColStr
	var start, end, newest proto.ColInt64
	var spans, errors, matched proto.ColUInt64
	var hasRoot proto.ColUInt8
	services := new(proto.ColStr).Array()
	rowsByID := make(map[string]TraceRow, len(ids))
	err = r.db.read(ctx, f.Tenant, chgo.Query{
		Body: body, Parameters: p,
		Result: proto.Results{
			{Name: "trace_id", Data: &id}, {Name: "root_service", Data: &service}, {Name: "root_operation", Data: &operation}, {Name: "has_root", Data: &hasRoot},
			{Name: "start_ns", Data: &start}, {Name: "end_ns", Data: &end}, {Name: "span_count", Data: &spans}, {Name: "error_count", Data: &errors},
			{Name: "services", Data: services}, {Name: "newest", Data: &newest}, {Name: "matched", Data: &matched},
		},
	}, func(rows int) error {
		for i := range rows {
			rowsByID[string(id.Row(i))] = TraceRow{
				TraceID: string(id.Row(i)), RootService: service.Row(i), RootOperation: operation.Row(i), HasRoot: hasRoot[i] == 1, StartNS: start[i], EndNS: end[i],
				Spans: spans[i], Errors: errors[i], Services: services.Row(i), NewestNS: newest[i], Matched: matched[i],
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []TraceRow
	for i := range found {
		if row, ok := rowsByID[found[i].id]; ok && row.NewestNS <= high {
			out = append(out, row)
		}
	}
	return out, nil
}

// chooseFind decides by which of several sets of spans, all of which a trace must have, traces are looked for: the rarest in the newest
// stretch of time.
func (r *SpanReader) chooseFind(ctx context.Context, f *TraceFilter) error {
	if f.Query == nil || f.Query.Spans.Op != traceql.And {
		return nil
	}
	var sets []*traceql.Set
	for s := &f.Query.Spans; ; s = s.Left {
		if s.Op != traceql.And {
			sets = append(sets, s)
			break
		}
		sets = append(sets, s.Right)
	}
	var p params
	c := &spanCompiler{p: &p, prefix: "n"}
	counts := make([]string, len(sets))
	for i, s := range sets {
		counts[i] = "countIf(" + c.any(s) + ")"
	}
	p.uint("tenant", uint64(f.Tenant))
	p.int("start", max(f.StartNS, f.EndNS-firstSliceNS))
	p.int("end", f.EndNS)
	found := new(proto.ColUInt64).Array()
	return r.db.read(ctx, f.Tenant, chgo.Query{
		Body: strings.Replace(countSets, "/*counts*/", strings.Join(counts, ", "), 1), Parameters: p, Result: proto.Results{{Name: "found", Data: found}},
	}, func(int) error {
		n := found.Row(0)
		f.find = sets[slices.Index(n, slices.Min(n))]
		return nil
	})
}

const countSets = `
SELECT [/*counts*/] AS found
FROM spans
WHERE tenant_id = {tenant:UInt32}
  AND ` + timeBounds + `
LIMIT 1`
