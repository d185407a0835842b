package clickhouse

import (
	"context"
	"strings"
	"time"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/model"
)

// ChangeReader reads changes. It is safe for concurrent use.
type ChangeReader struct {
	db *DB
}

// NewChangeReader returns a reader of db.
func NewChangeReader(db *DB) *ChangeReader { return &ChangeReader{db: db} }

// ChangeFilter says which changes are wanted; empty fields ask for nothing.
type ChangeFilter struct {
	Tenant model.TenantID
	// StartNS and EndNS bound when a change was, both included; one that lasted is wanted when it overlaps.
	StartNS, EndNS int64
	// Each list is satisfied by any of its words.
	Kinds, Services, Hosts, Environments, Sources []string
	// Text is looked for in title, text, version, actor and the values of attributes, whatever its case.
	Text string
	// Tags are values of the attribute tags, which is a list separated by commas; all must be there.
	Tags []string
}

// ChangeCursor is a place in the order of changes.
type ChangeCursor struct {
	TimeNS int64  `json:"t"`
	ID     string `json:"i"`
}

// longestChangeNS is how long before a time range a change that overlaps it may have begun: time is found by partitions, and a question
// about an hour must not read all of history.
const longestChangeNS = int64(7 * 24 * time.Hour)

const selectChanges = `
SELECT
    id,
    toUnixTimestamp64Nano(ts) AS time_ns,
    toUnixTimestamp64Nano(end_ts) AS end_ns,
    toUnixTimestamp64Milli(received_at) AS received_ms,
    CAST(kind, 'String') AS kind_text,
    title,
    text,
    CAST(status, 'String') AS status_text,
    CAST(service, 'String') AS service_text,
    CAST(host, 'String') AS host_text,
    CAST(environment, 'String') AS environment_text,
    version,
    previous_version,
    actor,
    url,
    CAST(source, 'String') AS source_text,
    arrayMap(x -> CAST(x, 'String'), mapKeys(attributes)) AS names,
    mapValues(attributes) AS attribute_values
FROM
(
    SELECT *
    FROM changes
    WHERE tenant_id = {tenant:UInt32}
      AND ts >= fromUnixTimestamp64Nano({low:Int64})
      AND ts <= fromUnixTimestamp64Nano({end:Int64})
    ORDER BY id, received_at DESC
    LIMIT 1 BY id
)
WHERE greatest(ts, end_ts) >= fromUnixTimestamp64Nano({start:Int64})
  AND (ts < fromUnixTimestamp64Nano({after_ns:Int64}) OR (ts = fromUnixTimestamp64Nano({after_ns:Int64}) AND id > {after_id:String}))
  AND /*condition*/
ORDER BY ts DESC, id
LIMIT {limit:UInt64}`

// List returns up to limit changes, the latest first, and where the next page begins; nil is the end. Errors: as ClickHouse has them.
func (r *ChangeReader) List(ctx context.Context, f ChangeFilter, after *ChangeCursor, limit int) ([]model.Change, *ChangeCursor, error) {
	if after == nil {
		after = &ChangeCursor{TimeNS: 1<<63 - 1}
	}
	var p params
	where := f.condition(&p)
	p.uint("tenant", uint64(f.Tenant))
	p.int("low", max(f.StartNS-longestChangeNS, 0))
	p.int("start", max(f.StartNS, 0))
	p.int("end", f.EndNS)
	p.int("after_ns", after.TimeNS)
	p.str("after_id", after.ID)
	p.uint("limit", uint64(limit)+1)
	rows := newChangeRows()
	var out []model.Change
	err := r.db.read(ctx, f.Tenant, chgo.Query{Body: strings.Replace(selectChanges, "/*condition*/", where, 1), Parameters: p, Result: rows.results()},
		func(n int) error {
			for i := range n {
				out = append(out, rows.change(i))
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
	return out, &ChangeCursor{TimeNS: last.TimeNS, ID: last.ID}, nil
}

// condition renders the filter and adds its parameters.
func (f *ChangeFilter) condition(p *params) string {
	var b strings.Builder
	b.WriteString("1")
	for _, x := range []struct {
		column string
		words  []string
	}{{"kind", f.Kinds}, {"service", f.Services}, {"host", f.Hosts}, {"environment", f.Environments}, {"source", f.Sources}} {
		if len(x.words) > 0 {
			p.strs(x.column+"_in", x.words)
			b.WriteString(" AND has({" + x.column + "_in:Array(String)}, CAST(" + x.column + ", 'String'))")
		}
	}
	if f.Text != "" {
		p.str("needle", strings.ToLower(f.Text))
		b.WriteString(" AND (positionCaseInsensitiveUTF8(concat(title, '\\n', text, '\\n', version, '\\n', actor, '\\n', service, '\\n', host), {needle:String}) > 0" +
			" OR arrayExists(v -> positionCaseInsensitiveUTF8(v, {needle:String}) > 0, mapValues(attributes)))")
	}
	if len(f.Tags) > 0 {
		p.strs("tags_all", f.Tags)
		b.WriteString(" AND hasAll(splitByChar(',', attributes['tags']), {tags_all:Array(String)})")
	}
	return b.String()
}

// changeRows is one block of an answer.
type changeRows struct {
	time, end, received                                                                              proto.ColInt64
	id, kind, title, text, status, service, host, environment, version, previous, actor, url, source proto.ColStr
	names, values                                                                                    *proto.ColArr[string]
}

func newChangeRows() *changeRows {
	return &changeRows{names: new(proto.ColStr).Array(), values: new(proto.ColStr).Array()}
}

func (r *changeRows) results() proto.Results {
	return proto.Results{
		{Name: "id", Data: &r.id}, {Name: "time_ns", Data: &r.time}, {Name: "end_ns", Data: &r.end}, {Name: "received_ms", Data: &r.received},
		{Name: "kind_text", Data: &r.kind}, {Name: "title", Data: &r.title}, {Name: "text", Data: &r.text}, {Name: "status_text", Data: &r.status},
		{Name: "service_text", Data: &r.service}, {Name: "host_text", Data: &r.host}, {Name: "environment_text", Data: &r.environment},
		{Name: "version", Data: &r.version}, {Name: "previous_version", Data: &r.previous}, {Name: "actor", Data: &r.actor}, {Name: "url", Data: &r.url},
		{Name: "source_text", Data: &r.source}, {Name: "names", Data: r.names}, {Name: "attribute_values", Data: r.values},
	}
}

func (r *changeRows) change(i int) model.Change {
	c := model.Change{
		ID: r.id.Row(i), TimeNS: r.time[i], EndNS: r.end[i], Kind: r.kind.Row(i), Title: r.title.Row(i), Text: r.text.Row(i), Status: r.status.Row(i),
		Service: r.service.Row(i), Host: r.host.Row(i), Environment: r.environment.Row(i), Version: r.version.Row(i), PreviousVersion: r.previous.Row(i),
		Actor: r.actor.Row(i), URL: r.url.Row(i), Source: r.source.Row(i),
	}
	names, values := r.names.Row(i), r.values.Row(i)
	for j := range names {
		c.Attributes = append(c.Attributes, model.Label{Name: names[j], Value: values[j]})
	}
	return c
}
