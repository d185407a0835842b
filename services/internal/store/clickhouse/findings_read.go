package clickhouse

import (
	"context"
	"strings"
	"time"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
)

// FindingFilter says which findings are wanted; empty fields ask for nothing.
type FindingFilter struct {
	Tenant model.TenantID
	// StartMS and EndMS bound the time in which a finding lasted, both included.
	StartMS, EndMS int64
	IDs            []uint64
	// Entities are "kind:name"; any of them.
	Entities []string
	Kinds    []string
	Signal   string
	// Text is looked for in text, entity and signal, whatever its case.
	Text string
	// Open leaves those that last when true, those that ended when false.
	Open *bool
}

// FindingCursor is a place in the order of findings.
type FindingCursor struct {
	OnsetMS int64  `json:"t"`
	ID      uint64 `json:"i,string"`
}

// longestFindingMS is how long before a time range a finding that lasts into it may have begun: time is the sort key, and a question about
// an hour must not read all of history.
const longestFindingMS = int64(30 * 24 * time.Hour / time.Millisecond)

// Only the latest row of a finding counts; what cannot change between rows of one id is asked inside.
const selectFindings = `
SELECT
    id,
    toUnixTimestamp64Milli(onset)   AS onset_ms,
    toUnixTimestamp64Milli(seen_at) AS seen_ms,
    toUnixTimestamp64Milli(end_at)  AS end_ms,
    CAST(entity_kind, 'String')     AS entity_kind_text,
    entity,
    CAST(signal, 'String')          AS signal_text,
    series_id,
    arrayMap(x -> CAST(x, 'String'), mapKeys(labels)) AS names,
    mapValues(labels)               AS label_values,
    CAST(role, 'String')            AS role_text,
    CAST(unit, 'String')            AS unit_text,
    CAST(kind, 'String')            AS kind_text,
    direction,
    value,
    expected,
    low,
    high,
    score,
    p_value,
    confidence,
    history_ms,
    CAST(detector, 'String')        AS detector_text,
    text
FROM
(
    SELECT *
    FROM findings
    WHERE tenant_id = {tenant:UInt32}
      AND onset BETWEEN fromUnixTimestamp64Milli({begin:Int64}) AND fromUnixTimestamp64Milli({end:Int64})
      AND /*inside*/
    ORDER BY id, seen_at DESC, end_at DESC
    LIMIT 1 BY id
)
WHERE (end_ms = 0 OR end_ms >= {start:Int64})
  AND ({first:UInt8} = 1 OR (onset_ms, id) < ({after_ms:Int64}, {after_id:UInt64}))
  AND /*outside*/
ORDER BY onset DESC, id DESC
LIMIT {limit:UInt64}`

// Findings returns up to limit findings in their latest state, by onset, the latest first, and where the next page begins; nil is the end.
func (d *DB) Findings(ctx context.Context, f FindingFilter, after *FindingCursor, limit int) ([]model.Finding, *FindingCursor, error) {
	var p params
	inside, outside := f.conditions(&p)
	first := uint64(0)
	if after == nil {
		after, first = &FindingCursor{}, 1
	}
	p.uint("tenant", uint64(f.Tenant))
	p.int("begin", max(f.StartMS-longestFindingMS, 0))
	p.int("start", max(f.StartMS, 0))
	p.int("end", f.EndMS)
	p.uint("first", first)
	p.int("after_ms", after.OnsetMS)
	p.uint("after_id", after.ID)
	p.uint("limit", uint64(limit)+1)
	rows := newFindingRows()
	var out []model.Finding
	body := strings.NewReplacer("/*inside*/", inside, "/*outside*/", outside).Replace(selectFindings)
	err := d.read(ctx, f.Tenant, chgo.Query{Body: body, Parameters: p, Result: rows.results()}, func(n int) error {
		for i := range n {
			out = append(out, rows.finding(i))
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if len(out) <= limit {
		return out, nil, nil
	}
	out = out[:limit]
	last := &out[limit-1]
	return out, &FindingCursor{OnsetMS: last.OnsetMS, ID: last.ID}, nil
}

// Finding returns one finding in its latest state, or errs.NotFound. Its onset is not known, so it is found by the index of ids.
func (d *DB) Finding(ctx context.Context, tenant model.TenantID, id uint64) (model.Finding, error) {
	fs, _, err := d.Findings(ctx, FindingFilter{Tenant: tenant, EndMS: endOfTimeMS, StartMS: 0, IDs: []uint64{id}}, nil, 1)
	if err != nil {
		return model.Finding{}, err
	}
	if len(fs) == 0 {
		return model.Finding{}, errs.WithHint(errs.NotFound, "list them with GET /api/v1/findings", "there is no finding %016x", id)
	}
	return fs[0], nil
}

// endOfTimeMS is after everything that DateTime64 holds to the millisecond.
const endOfTimeMS = int64(9_000_000_000_000)

// conditions renders the filter and adds its parameters.
func (f *FindingFilter) conditions(p *params) (inside, outside string) {
	var b strings.Builder
	b.WriteString("1")
	if len(f.IDs) > 0 {
		p.uint64s("ids", f.IDs)
		b.WriteString(" AND id IN {ids:Array(UInt64)}")
	}
	if len(f.Entities) > 0 {
		p.strs("entities", f.Entities)
		b.WriteString(" AND has({entities:Array(String)}, concat(entity_kind, ':', entity))")
	}
	if len(f.Kinds) > 0 {
		p.strs("kinds", f.Kinds)
		b.WriteString(" AND has({kinds:Array(String)}, CAST(kind, 'String'))")
	}
	if f.Signal != "" {
		p.str("signal_is", f.Signal)
		b.WriteString(" AND signal = {signal_is:String}")
	}
	inside, outside = b.String(), "1"
	if f.Text != "" {
		p.str("needle", f.Text)
		outside += " AND positionCaseInsensitiveUTF8(concat(text, '\\n', entity, '\\n', signal), {needle:String}) > 0"
	}
	if f.Open != nil {
		if *f.Open {
			outside += " AND end_ms = 0"
		} else {
			outside += " AND end_ms != 0"
		}
	}
	return inside, outside
}

// findingRows is one block of an answer.
type findingRows struct {
	id, series                                                   proto.ColUInt64
	onset, seen, end, history                                    proto.ColInt64
	entityKind, entity, signal, role, unit, kind, detector, text proto.ColStr
	names, values                                                *proto.ColArr[string]
	direction                                                    proto.ColInt8
	value, expected, low, high, score, pValue, confidence        proto.ColFloat64
}

func newFindingRows() *findingRows {
	return &findingRows{names: new(proto.ColStr).Array(), values: new(proto.ColStr).Array()}
}

func (r *findingRows) results() proto.Results {
	return proto.Results{
		{Name: "id", Data: &r.id}, {Name: "onset_ms", Data: &r.onset}, {Name: "seen_ms", Data: &r.seen}, {Name: "end_ms", Data: &r.end},
		{Name: "entity_kind_text", Data: &r.entityKind}, {Name: "entity", Data: &r.entity}, {Name: "signal_text", Data: &r.signal}, {Name: "series_id", Data: &r.series},
		{Name: "names", Data: r.names}, {Name: "label_values", Data: r.values}, {Name: "role_text", Data: &r.role}, {Name: "unit_text", Data: &r.unit},
		{Name: "kind_text", Data: &r.kind}, {Name: "direction", Data: &r.direction}, {Name: "value", Data: &r.value}, {Name: "expected", Data: &r.expected},
		{Name: "low", Data: &r.low}, {Name: "high", Data: &r.high}, {Name: "score", Data: &r.score}, {Name: "p_value", Data: &r.pValue},
		{Name: "confidence", Data: &r.confidence}, {Name: "history_ms", Data: &r.history}, {Name: "detector_text", Data: &r.detector}, {Name: "text", Data: &r.text},
	}
}

func (r *findingRows) finding(i int) model.Finding {
	f := model.Finding{
		ID: r.id[i], Entity: model.Entity{Kind: model.EntityKind(r.entityKind.Row(i)), Name: r.entity.Row(i)},
		Signal: model.SignalRef{SeriesID: r.series[i], Name: r.signal.Row(i), Role: model.Role(r.role.Row(i)), Unit: r.unit.Row(i)},
		Kind:   model.FindingKind(r.kind.Row(i)), Direction: r.direction[i], OnsetMS: r.onset[i], SeenMS: r.seen[i], EndMS: r.end[i],
		Value: r.value[i], Expected: r.expected[i], Low: r.low[i], High: r.high[i], Score: r.score[i], PValue: r.pValue[i], HistoryMS: r.history[i],
		Confidence: r.confidence[i], Detector: r.detector.Row(i), Text: r.text.Row(i),
	}
	names, values := r.names.Row(i), r.values.Row(i)
	for j := range names {
		f.Signal.Labels = append(f.Signal.Labels, model.Label{Name: names[j], Value: values[j]})
	}
	return f
}

const selectMarks = `
SELECT
    seq,
    toUnixTimestamp64Milli(at)        AS at_ms,
    toUnixTimestamp64Milli(watermark) AS watermark_ms
FROM marks
WHERE tenant_id = {tenant:UInt32}
  AND at BETWEEN fromUnixTimestamp64Milli({start:Int64}) AND fromUnixTimestamp64Milli({end:Int64})
ORDER BY at, seq
LIMIT 1 BY seq
LIMIT {limit:UInt64}`

// maxReplayRows bounds what one question for marks or samples set aside reads: a year of marks.
const maxReplayRows = 10_000_000

// Marks calls f with the marks made between two times, both included, in their order.
func (d *DB) Marks(ctx context.Context, tenant model.TenantID, startMS, endMS int64, f func(store.MarkRow)) error {
	var p params
	p.uint("tenant", uint64(tenant))
	p.int("start", startMS)
	p.int("end", endMS)
	p.uint("limit", maxReplayRows)
	var seq proto.ColUInt64
	var at, watermark proto.ColInt64
	return d.read(ctx, tenant, chgo.Query{
		Body: selectMarks, Parameters: p, Result: proto.Results{{Name: "seq", Data: &seq}, {Name: "at_ms", Data: &at}, {Name: "watermark_ms", Data: &watermark}},
	}, func(rows int) error {
		for i := range rows {
			f(store.MarkRow{Seq: seq[i], AtMS: at[i], WatermarkMS: watermark[i]})
		}
		return nil
	})
}

const selectAside = `
SELECT DISTINCT
    series_id,
    toUnixTimestamp64Milli(ts) AS ts_ms,
    bits,
    CAST(stale, 'UInt8')       AS stale_flag,
    reason,
    mark
FROM samples_aside
WHERE tenant_id = {tenant:UInt32}
  AND ts BETWEEN fromUnixTimestamp64Milli({start:Int64}) AND fromUnixTimestamp64Milli({end:Int64})
ORDER BY series_id, ts_ms, bits, mark
LIMIT {limit:UInt64}`

// Aside calls f with the samples between two times, both included, that were set aside, by series and time.
func (d *DB) Aside(ctx context.Context, tenant model.TenantID, startMS, endMS int64, f func(store.AsideRow)) error {
	var p params
	p.uint("tenant", uint64(tenant))
	p.int("start", startMS)
	p.int("end", endMS)
	p.uint("limit", maxReplayRows)
	var series, bits, mark proto.ColUInt64
	var ts proto.ColInt64
	var stale, reason proto.ColUInt8
	return d.read(ctx, tenant, chgo.Query{
		Body: selectAside, Parameters: p,
		Result: proto.Results{
			{Name: "series_id", Data: &series}, {Name: "ts_ms", Data: &ts}, {Name: "bits", Data: &bits}, {Name: "stale_flag", Data: &stale},
			{Name: "reason", Data: &reason}, {Name: "mark", Data: &mark},
		},
	}, func(rows int) error {
		for i := range rows {
			f(store.AsideRow{SeriesID: series[i], TimeMS: ts[i], Bits: bits[i], Stale: stale[i] != 0, Reason: reason[i], Mark: mark[i]})
		}
		return nil
	})
}
