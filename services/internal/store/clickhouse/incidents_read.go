package clickhouse

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
)

// IncidentFilter says which incidents are wanted; empty fields ask for nothing. It is about their latest revision.
type IncidentFilter struct {
	Tenant model.TenantID
	// StartMS and EndMS bound the time in which an incident lasted, both included.
	StartMS, EndMS int64
	States         []string
	Severities     []string
	// Entities are "kind:name"; any of them.
	Entities []string
	Assignee string
	// Text is looked for in id, title, sentence and entities, whatever its case.
	Text string
}

// IncidentCursor is a place in the order of incidents.
type IncidentCursor struct {
	DetectedMS int64  `json:"t"`
	ID         string `json:"i"`
}

// longestIncidentMS is how long before a time range an incident that lasts into it may have been opened.
const longestIncidentMS = int64(180 * 24 * time.Hour / time.Millisecond)

// The latest revision of each incident without what is large: summaries are read for one page only.
const selectIncidents = `
SELECT
    id,
    toUnixTimestamp64Milli(detected_at) AS detected_ms,
    toUnixTimestamp64Milli(updated_at)  AS updated_ms
FROM
(
    SELECT id, detected_at, updated_at, end_at, state, severity, title, sentence, entities, assignee
    FROM incidents
    WHERE tenant_id = {tenant:UInt32}
      AND detected_at BETWEEN fromUnixTimestamp64Milli({begin:Int64}) AND fromUnixTimestamp64Milli({end:Int64})
    ORDER BY id, updated_at DESC, recorded_at DESC
    LIMIT 1 BY id
)
WHERE (end_at = fromUnixTimestamp64Milli(0) OR end_at >= fromUnixTimestamp64Milli({start:Int64}))
  AND (detected_ms < {after_ms:Int64} OR (detected_ms = {after_ms:Int64} AND id > {after_id:String}))
  AND /*condition*/
ORDER BY detected_at DESC, id
LIMIT {limit:UInt64}`

const selectSummaries = `
SELECT
    id,
    summary
FROM incidents
WHERE tenant_id = {tenant:UInt32}
  AND detected_at IN arrayMap(x -> fromUnixTimestamp64Milli(x), {detected:Array(Int64)})
  AND id IN {ids:Array(String)}
  AND updated_at IN arrayMap(x -> fromUnixTimestamp64Milli(x), {updated:Array(Int64)})
ORDER BY id, updated_at DESC, recorded_at DESC
LIMIT 1 BY id`

// Incidents returns up to limit incidents in one line each, by when they were opened, the latest first, and where the next page begins; nil
// is the end.
func (d *DB) Incidents(ctx context.Context, f IncidentFilter, after *IncidentCursor, limit int) ([]incidents.Brief, *IncidentCursor, error) {
	if after == nil {
		after = &IncidentCursor{DetectedMS: endOfTimeMS}
	}
	var p params
	where := f.condition(&p)
	p.uint("tenant", uint64(f.Tenant))
	p.int("begin", max(f.StartMS-longestIncidentMS, 0))
	p.int("start", max(f.StartMS, 0))
	p.int("end", f.EndMS)
	p.int("after_ms", after.DetectedMS)
	p.str("after_id", after.ID)
	p.uint("limit", uint64(limit)+1)
	var id proto.ColStr
	var detected, updated proto.ColInt64
	var ids []string
	var detectedMS, updatedMS []int64
	err := d.read(ctx, f.Tenant, chgo.Query{
		Body: strings.Replace(selectIncidents, "/*condition*/", where, 1), Parameters: p,
		Result: proto.Results{{Name: "id", Data: &id}, {Name: "detected_ms", Data: &detected}, {Name: "updated_ms", Data: &updated}},
	}, func(n int) error {
		for i := range n {
			ids, detectedMS, updatedMS = append(ids, id.Row(i)), append(detectedMS, detected[i]), append(updatedMS, updated[i])
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	var next *IncidentCursor
	if len(ids) > limit {
		ids, detectedMS, updatedMS = ids[:limit], detectedMS[:limit], updatedMS[:limit]
		next = &IncidentCursor{DetectedMS: detectedMS[limit-1], ID: ids[limit-1]}
	}
	out, err := d.summaries(ctx, f.Tenant, ids, detectedMS, updatedMS)
	return out, next, err
}

func (d *DB) summaries(ctx context.Context, tenant model.TenantID, ids []string, detected, updated []int64) ([]incidents.Brief, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var p params
	p.uint("tenant", uint64(tenant))
	p.strs("ids", ids)
	p.int64s("detected", detected)
	p.int64s("updated", updated)
	var id, summary proto.ColStr
	byID := make(map[string]incidents.Brief, len(ids))
	err := d.read(ctx, tenant, chgo.Query{
		Body: selectSummaries, Parameters: p, Result: proto.Results{{Name: "id", Data: &id}, {Name: "summary", Data: &summary}},
	}, func(n int) error {
		for i := range n {
			var s incidents.Brief
			if err := json.Unmarshal(summary.RowBytes(i), &s); err != nil {
				return errs.New(errs.Internal, "read incident %s: %w", id.Row(i), err)
			}
			byID[id.Row(i)] = s
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]incidents.Brief, 0, len(ids))
	for _, i := range ids {
		if s, ok := byID[i]; ok { // A row that expired between the two questions is left out.
			out = append(out, s)
		}
	}
	return out, nil
}

// condition renders the filter and adds its parameters.
func (f *IncidentFilter) condition(p *params) string {
	var b strings.Builder
	b.WriteString("1")
	if len(f.States) > 0 {
		p.strs("states", f.States)
		b.WriteString(" AND has({states:Array(String)}, CAST(state, 'String'))")
	}
	if len(f.Severities) > 0 {
		p.strs("severities", f.Severities)
		b.WriteString(" AND has({severities:Array(String)}, CAST(severity, 'String'))")
	}
	if len(f.Entities) > 0 {
		p.strs("entities_any", f.Entities)
		b.WriteString(" AND hasAny(entities, {entities_any:Array(String)})")
	}
	if f.Assignee != "" {
		p.str("assignee_is", f.Assignee)
		b.WriteString(" AND assignee = {assignee_is:String}")
	}
	if f.Text != "" {
		p.str("needle", f.Text)
		b.WriteString(" AND positionCaseInsensitiveUTF8(concat(id, '\\n', title, '\\n', sentence, '\\n', arrayStringConcat(entities, '\\n')), {needle:String}) > 0")
	}
	return b.String()
}

// The place of an incident's latest revision: ids have an index, bodies are large.
const selectRevision = `
SELECT
    toUnixTimestamp64Milli(detected_at) AS detected_ms,
    toUnixTimestamp64Milli(updated_at)  AS updated_ms
FROM incidents
WHERE tenant_id = {tenant:UInt32}
  AND id = {id:String}
ORDER BY updated_at DESC
LIMIT 1`

const selectBody = `
SELECT body
FROM incidents
WHERE tenant_id = {tenant:UInt32}
  AND detected_at = fromUnixTimestamp64Milli({detected:Int64})
  AND id = {id:String}
  AND updated_at = fromUnixTimestamp64Milli({updated:Int64})
ORDER BY recorded_at DESC
LIMIT 1`

// Incident returns the latest revision of an incident whole, or errs.NotFound.
func (d *DB) Incident(ctx context.Context, tenant model.TenantID, id string) (incidents.Incident, error) {
	var out incidents.Incident
	var p params
	p.uint("tenant", uint64(tenant))
	p.str("id", id)
	var detected, updated proto.ColInt64
	at := []int64(nil)
	err := d.read(ctx, tenant, chgo.Query{
		Body: selectRevision, Parameters: p, Result: proto.Results{{Name: "detected_ms", Data: &detected}, {Name: "updated_ms", Data: &updated}},
	}, func(int) error {
		at = []int64{detected[0], updated[0]}
		return nil
	})
	if err != nil {
		return out, err
	}
	missing := errs.WithHint(errs.NotFound, "list them with GET /api/v1/incidents", "there is no incident %.64s", id)
	if at == nil {
		return out, missing
	}
	p.int("detected", at[0])
	p.int("updated", at[1])
	var body proto.ColStr
	found := false
	err = d.read(ctx, tenant, chgo.Query{Body: selectBody, Parameters: p, Result: proto.Results{{Name: "body", Data: &body}}}, func(int) error {
		found = true
		if err := json.Unmarshal(body.RowBytes(0), &out); err != nil {
			return errs.New(errs.Internal, "read incident %s: %w", id, err)
		}
		return nil
	})
	if err == nil && !found {
		err = missing
	}
	return out, err
}

const selectCommands = `
SELECT
    body,
    toUnixTimestamp64Milli(applied_at) AS applied_ms,
    mark,
    CAST(outcome, 'String')            AS outcome_text,
    detail
FROM commands
WHERE tenant_id = {tenant:UInt32}
  AND ts BETWEEN fromUnixTimestamp64Milli({start:Int64}) AND fromUnixTimestamp64Milli({end:Int64})
  AND ({incident:String} = '' OR incident = {incident:String} OR other = {incident:String})
ORDER BY ts, id, applied_at DESC
LIMIT 1 BY ts, id
LIMIT {limit:UInt64}`

// Commands returns up to limit commands given between two times, both included, in the order in which they were given; incident leaves
// those that speak of one.
func (d *DB) Commands(ctx context.Context, tenant model.TenantID, incident string, startMS, endMS int64, limit int) ([]store.CommandRow, error) {
	var p params
	p.uint("tenant", uint64(tenant))
	p.str("incident", incident)
	p.int("start", max(startMS, 0))
	p.int("end", endMS)
	p.uint("limit", uint64(limit))
	var body, outcome, detail proto.ColStr
	var applied proto.ColInt64
	var mark proto.ColUInt64
	var out []store.CommandRow
	err := d.read(ctx, tenant, chgo.Query{
		Body: selectCommands, Parameters: p,
		Result: proto.Results{{Name: "body", Data: &body}, {Name: "applied_ms", Data: &applied}, {Name: "mark", Data: &mark}, {Name: "outcome_text", Data: &outcome}, {Name: "detail", Data: &detail}},
	}, func(n int) error {
		for i := range n {
			c, err := incidents.DecodeCommand(body.RowBytes(i))
			if err != nil {
				return err
			}
			out = append(out, store.CommandRow{Command: c, AppliedAtMS: applied[i], Mark: mark[i], Outcome: outcome.Row(i), Detail: detail.Row(i)})
		}
		return nil
	})
	return out, err
}

const selectJudged = `
SELECT
    countIf(sure > 0 AND not_so = 0) AS right_ones,
    countIf(not_so > 0)              AS wrong_ones,
    count()                          AS all_ones
FROM
(
    SELECT id, confirmed AS sure, rejected AS not_so, state
    FROM incidents
    WHERE tenant_id = {tenant:UInt32}
      AND detected_at >= fromUnixTimestamp64Milli({start:Int64})
    ORDER BY id, updated_at DESC, recorded_at DESC
    LIMIT 1 BY id
)
WHERE state != 'merged'`

// Judged says how many of the incidents opened since a time people took for right and for wrong, and how many there were.
func (d *DB) Judged(ctx context.Context, tenant model.TenantID, sinceMS int64) (right, wrong, total uint64, err error) {
	var p params
	p.uint("tenant", uint64(tenant))
	p.int("start", sinceMS)
	var a, b, c proto.ColUInt64
	err = d.read(ctx, tenant, chgo.Query{
		Body: selectJudged, Parameters: p, Result: proto.Results{{Name: "right_ones", Data: &a}, {Name: "wrong_ones", Data: &b}, {Name: "all_ones", Data: &c}},
	}, func(int) error {
		right, wrong, total = a[0], b[0], c[0]
		return nil
	})
	return right, wrong, total, err
}
