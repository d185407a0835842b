package clickhouse

import (
	"context"
	"strings"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/internal/traceql"
	"github.com/faultline-io/faultline/services/model"
)

// tagRows is how many spans are looked at for the names and values of attributes. Lists to choose from need no more, and it bounds what
// a keystroke in an editor costs: 200,000 maps are read in about a tenth of a second.
const tagRows = "200000"

const selectSpanTags = `
SELECT DISTINCT arrayJoin(keys) AS tag
FROM
(
    SELECT mapKeys(attributes) AS keys
    FROM spans
    WHERE tenant_id = {tenant:UInt32}
      AND ` + timeBounds + `
    LIMIT ` + tagRows + `
)
ORDER BY tag
LIMIT {limit:UInt64}`

const selectResourceTags = `
SELECT DISTINCT arrayJoin(mapKeys(attributes)) AS tag
FROM resources
WHERE tenant_id = {tenant:UInt32}
  AND last_seen >= fromUnixTimestamp64Nano({start:Int64}) - INTERVAL 1 HOUR
  AND first_seen <= fromUnixTimestamp64Nano({end:Int64}) + INTERVAL 1 HOUR
ORDER BY tag
LIMIT {limit:UInt64}`

// SpanTags returns names of the attributes of spans in a time.
func (r *SpanReader) SpanTags(ctx context.Context, tenant model.TenantID, startNS, endNS int64, limit int) ([]string, error) {
	return r.names(ctx, selectSpanTags, tenant, startNS, endNS, limit, nil)
}

// ResourceTags returns names of the attributes of resources that sent in a time, to the hour.
func (r *SpanReader) ResourceTags(ctx context.Context, tenant model.TenantID, startNS, endNS int64, limit int) ([]string, error) {
	return r.names(ctx, selectResourceTags, tenant, startNS, endNS, limit, nil)
}

const selectTagValues = `
SELECT DISTINCT tag
FROM
(
    SELECT /*value*/ AS tag
    FROM spans
    WHERE tenant_id = {tenant:UInt32}
      AND ` + timeBounds + `
      AND (/*condition*/)
    LIMIT ` + tagRows + `
)
WHERE tag != ''
ORDER BY tag
LIMIT {limit:UInt64}`

// Names of services and operations are columns that compress to nearly nothing: all of them are looked at.
const selectColumnValues = `
SELECT DISTINCT /*value*/ AS tag
FROM spans
WHERE tenant_id = {tenant:UInt32}
  AND ` + timeBounds + `
  AND (/*condition*/)
  AND tag != ''
ORDER BY tag
LIMIT {limit:UInt64}`

const selectResourceValues = `
SELECT DISTINCT attributes[{tag_key:String}] AS tag
FROM resources
WHERE tenant_id = {tenant:UInt32}
  AND last_seen >= fromUnixTimestamp64Nano({start:Int64}) - INTERVAL 1 HOUR
  AND first_seen <= fromUnixTimestamp64Nano({end:Int64}) + INTERVAL 1 HOUR
  AND tag != ''
ORDER BY tag
LIMIT {limit:UInt64}`

// TagValues returns values of a field in a time, among spans that q's sets have; q may be nil. A field of either scope is looked for in
// both.
func (r *SpanReader) TagValues(ctx context.Context, f traceql.Field, q *traceql.Query, tenant model.TenantID, startNS, endNS int64, limit int) ([]string, error) {
	service := f.Name == "service.name" && f.Scope != traceql.Span
	if !service && (f.Scope == traceql.Resource || f.Scope == traceql.Any) {
		out, err := r.names(ctx, selectResourceValues, tenant, startNS, endNS, limit, func(p *params) { p.str("tag_key", f.Name) })
		if err != nil || f.Scope == traceql.Resource || len(out) > 0 {
			return out, err
		}
	}
	var p params
	c := &spanCompiler{p: &p, prefix: "t"}
	where := "1"
	if q != nil {
		where = c.any(&q.Spans)
	}
	statement := selectTagValues
	value := ""
	switch {
	case f.OfTrace():
		column := map[string]string{"rootName": "name", "rootServiceName": "service"}[f.Name]
		if column == "" {
			return nil, nil
		}
		value, statement = "toString("+column+")", selectColumnValues
		where += " AND parent_span_id = toFixedString('', 8)"
	default:
		value = c.label(f)
		if service || f.Scope == traceql.Intrinsic && f.Name == "name" {
			statement = selectColumnValues
		}
	}
	statement = strings.NewReplacer("/*value*/", value, "/*condition*/", where).Replace(statement)
	return r.names(ctx, statement, tenant, startNS, endNS, limit, func(all *params) { *all = append(*all, p...) })
}

// names runs a statement with one column of text named tag.
func (r *SpanReader) names(ctx context.Context, statement string, tenant model.TenantID, startNS, endNS int64, limit int, more func(*params)) ([]string, error) {
	var p params
	p.uint("tenant", uint64(tenant))
	p.int("start", startNS)
	p.int("end", endNS)
	p.uint("limit", uint64(limit))
	if more != nil {
		more(&p)
	}
	var tag proto.ColStr
	var out []string
	err := r.db.read(ctx, tenant, chgo.Query{
		Body: "SELECT CAST(tag, 'String') AS tag FROM (" + statement + ")", Parameters: p, Result: proto.Results{{Name: "tag", Data: &tag}},
	}, func(rows int) error {
		for i := range rows {
			out = append(out, tag.Row(i))
		}
		return nil
	})
	return out, err
}
