package clickhouse

import (
	"context"
	"time"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/model"
)

// LogShape is one shape of a service's lines, with a line that has it.
type LogShape struct {
	Tenant  model.TenantID
	Service string
	Shape   uint64
	Example string
	// Template is the id that the shape's template had when it was last stored, Text the hash (XXH64) of its text; 0 when it never was.
	Template, Text uint64
}

const selectShapes = `
SELECT
    s.tenant_id AS tenant,
    CAST(s.service, 'String') AS name,
    s.shape_hash AS shape,
    CAST(s.line, 'String') AS line,
    t.template AS template,
    if(template = 0, 0, xxHash64(t.text)) AS text
FROM
(
    SELECT
        tenant_id,
        service,
        shape_hash,
        any(example) AS line,
        min(first_seen) AS first
    FROM log_shapes
    WHERE stored_at >= toDateTime({since:Int64})
    GROUP BY tenant_id, service, shape_hash
) AS s
LEFT JOIN
(
    SELECT tenant_id, service, shape_hash, argMax(template_id, updated_at) AS template, argMax(l.template, updated_at) AS text
    FROM log_templates AS l
    GROUP BY tenant_id, service, shape_hash
) AS t USING (tenant_id, service, shape_hash)
ORDER BY s.first, s.shape_hash
LIMIT {limit:UInt64}`

// LogShapes calls f with every shape that had lines stored since a time, of all tenants, the earliest first. It is for the correlator,
// which reads as a user without row policies.
func (d *DB) LogShapes(ctx context.Context, since time.Time, limit int, f func(LogShape)) error {
	var p params
	p.int("since", max(since.Unix(), 0))
	p.uint("limit", uint64(limit))
	var tenant proto.ColUInt32
	var name, line proto.ColStr
	var shape, tmpl, text proto.ColUInt64
	return d.read(ctx, 0, chgo.Query{
		Body: selectShapes, Parameters: p,
		Result: proto.Results{{Name: "tenant", Data: &tenant}, {Name: "name", Data: &name}, {Name: "shape", Data: &shape}, {Name: "line", Data: &line}, {Name: "template", Data: &tmpl}, {Name: "text", Data: &text}},
	}, func(rows int) error {
		for i := range rows {
			f(LogShape{Tenant: model.TenantID(tenant[i]), Service: name.Row(i), Shape: shape[i], Example: line.Row(i), Template: tmpl[i], Text: text[i]})
		}
		return nil
	})
}

// LogTemplate says which template a shape belongs to.
type LogTemplate struct {
	Tenant   model.TenantID
	Service  string
	Shape    uint64
	Template uint64
	Text     string
}

// InsertLogTemplates stores what shapes belong to from now on. A repetition under the same token stores nothing.
func (d *DB) InsertLogTemplates(ctx context.Context, token string, at time.Time, rows []LogTemplate) error {
	var tenants proto.ColUInt32
	var services, texts proto.ColStr
	var shapes, templates proto.ColUInt64
	updated := new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli)
	for i := range rows {
		r := &rows[i]
		tenants, shapes, templates = append(tenants, uint32(r.Tenant)), append(shapes, r.Shape), append(templates, r.Template)
		services.Append(r.Service)
		texts.Append(r.Text)
		updated.Append(at)
	}
	return d.insert(ctx, "log_templates", token, proto.Input{
		{Name: "tenant_id", Data: tenants}, {Name: "service", Data: services}, {Name: "shape_hash", Data: shapes},
		{Name: "template_id", Data: templates}, {Name: "template", Data: texts}, {Name: "updated_at", Data: updated},
	})
}

// LogPattern is a template with how often it came.
type LogPattern struct {
	Service  string
	Template uint64
	Text     string
	Severity uint8
	// Lines is the number within the range, Before within the same time before it.
	Lines, Before uint64
	FirstSeen     time.Time
	LastSeen      time.Time
	// Counts are lines by step from the start of the range.
	Counts []uint64
}

const selectPatterns = `
WITH
    templates AS
    (
        SELECT service, shape_hash, argMax(template_id, updated_at) AS template_id, argMax(template, updated_at) AS text
        FROM log_templates
        WHERE tenant_id = {tenant:UInt32}
          AND ({service:String} = '' OR service = {service:String})
        GROUP BY service, shape_hash
    ),
    shapes AS
    (
        SELECT service, shape_hash, CAST(any(example), 'String') AS line, max(severity) AS level, min(first_seen) AS first, max(last_seen) AS last
        FROM log_shapes
        WHERE tenant_id = {tenant:UInt32}
          AND ({service:String} = '' OR service = {service:String})
        GROUP BY service, shape_hash
    )
SELECT
    CAST(c.service, 'String') AS name,
    if(t.template_id = 0, c.shape_hash, t.template_id) AS template,
    any(if(t.template_id = 0, CAST(s.line, 'String'), t.text)) AS text,
    toUInt8(max(s.level)) AS severity,
    sum(c.now) AS lines,
    sum(c.past) AS before,
    toUnixTimestamp64Milli(min(s.first)) AS first,
    toUnixTimestamp64Milli(max(s.last)) AS last,
    sumForEach(c.steps) AS counts
FROM
(
    SELECT
        service,
        shape_hash,
        sumIf(n, bucket >= 0) AS now,
        sumIf(n, bucket < 0) AS past,
        sumForEach(arrayMap(i -> if(i = bucket, n, 0), range({steps:UInt32}))) AS steps
    FROM
    (
        SELECT
            service,
            shape_hash,
            if(minute < toDateTime({start:Int64}), -1, intDiv(toInt64(toUnixTimestamp(minute)) - {start:Int64}, {step:Int64})) AS bucket,
            sum(lines) AS n
        FROM log_shape_counts
        WHERE tenant_id = {tenant:UInt32}
          AND ({service:String} = '' OR service = {service:String})
          AND minute >= toDateTime({before:Int64})
          AND minute < toDateTime({end:Int64})
        GROUP BY service, shape_hash, bucket
    )
    GROUP BY service, shape_hash
) AS c
LEFT JOIN templates AS t USING (service, shape_hash)
LEFT JOIN shapes AS s USING (service, shape_hash)
GROUP BY name, template
ORDER BY greatest(lines, before) DESC, name, template
LIMIT {limit:UInt64}`

// PatternQuery says which patterns are asked for. Times are whole minutes.
type PatternQuery struct {
	Tenant     model.TenantID
	Service    string // Empty is all.
	Start, End time.Time
	Step       time.Duration
	Limit      int
}

// LogPatterns returns the patterns that had lines within the range or within the same time before it, the most frequent first.
func (r *LogReader) LogPatterns(ctx context.Context, q PatternQuery) ([]LogPattern, error) {
	steps := int((q.End.Sub(q.Start) + q.Step - 1) / q.Step)
	var p params
	p.uint("tenant", uint64(q.Tenant))
	p.str("service", q.Service)
	p.int("start", q.Start.Unix())
	p.int("end", q.End.Unix())
	p.int("before", q.Start.Add(-q.End.Sub(q.Start)).Unix())
	p.int("step", int64(q.Step/time.Second))
	p.uint("steps", uint64(steps))
	p.uint("limit", uint64(q.Limit))
	var name, text proto.ColStr
	var severity proto.ColUInt8
	var tmpl, lines, before proto.ColUInt64
	var first, last proto.ColInt64
	counts := proto.NewArray[uint64](new(proto.ColUInt64))
	var out []LogPattern
	err := r.db.read(ctx, q.Tenant, chgo.Query{
		Body: selectPatterns, Parameters: p,
		Result: proto.Results{
			{Name: "name", Data: &name}, {Name: "template", Data: &tmpl}, {Name: "text", Data: &text}, {Name: "severity", Data: &severity}, {Name: "lines", Data: &lines},
			{Name: "before", Data: &before}, {Name: "first", Data: &first}, {Name: "last", Data: &last}, {Name: "counts", Data: counts},
		},
	}, func(rows int) error {
		for i := range rows {
			out = append(out, LogPattern{
				Service: name.Row(i), Template: tmpl[i], Text: text.Row(i), Severity: severity[i], Lines: lines[i], Before: before[i],
				FirstSeen: time.UnixMilli(first[i]), LastSeen: time.UnixMilli(last[i]), Counts: counts.Row(i),
			})
		}
		return nil
	})
	return out, err
}
