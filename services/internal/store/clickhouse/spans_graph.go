package clickhouse

import (
	"context"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/model"
)

// CallEdge is how often one service called another.
type CallEdge struct {
	Parent, Child string
	Calls         uint64
}

// edgeSpans is how many spans are joined for the calls between services: some 50 MB in the join's table and about a second. Of more, a
// part of the traces is taken, and the counts are multiplied.
const edgeSpans = 500_000

const countSpans = `
SELECT count() AS n
FROM spans
WHERE tenant_id = {tenant:UInt32}
  AND ` + timeBounds + `
LIMIT 1`

const selectEdges = `
SELECT
    CAST(p.service, 'String') AS parent,
    CAST(c.service, 'String') AS child,
    count() AS calls
FROM
(
    SELECT DISTINCT trace_id, span_id, parent_span_id, service
    FROM spans
    WHERE tenant_id = {tenant:UInt32}
      AND ` + timeBounds + `
      AND cityHash64(trace_id) % {every:UInt64} = 0
      AND parent_span_id != toFixedString('', 8)
) AS c
GLOBAL ANY LEFT JOIN
(
    SELECT trace_id, span_id, service
    FROM spans
    WHERE tenant_id = {tenant:UInt32}
      AND ` + timeBounds + `
      AND cityHash64(trace_id) % {every:UInt64} = 0
) AS p ON p.trace_id = c.trace_id AND p.span_id = c.parent_span_id
WHERE p.service != ''
  AND c.service != p.service
GROUP BY parent, child
ORDER BY calls DESC, parent, child
LIMIT {limit:UInt64}`

// CallEdges returns how often services called each other in a time, the most first, by which spans have a parent in another service.
// every is how many traces one stands for: 1 when all were counted.
func (r *SpanReader) CallEdges(ctx context.Context, tenant model.TenantID, startNS, endNS int64, limit int) (edges []CallEdge, every uint64, err error) {
	var p params
	p.uint("tenant", uint64(tenant))
	p.int("start", startNS)
	p.int("end", endNS)
	var n proto.ColUInt64
	var spans uint64
	err = r.db.read(ctx, tenant, chgo.Query{Body: countSpans, Parameters: p, Result: proto.Results{{Name: "n", Data: &n}}}, func(int) error {
		spans = n[0]
		return nil
	})
	if err != nil {
		return nil, 1, err
	}
	every = spans/edgeSpans + 1
	p.uint("every", every)
	p.uint("limit", uint64(limit))
	var parent, child proto.ColStr
	var calls proto.ColUInt64
	err = r.db.read(ctx, tenant, chgo.Query{
		Body: selectEdges, Parameters: p, Result: proto.Results{{Name: "parent", Data: &parent}, {Name: "child", Data: &child}, {Name: "calls", Data: &calls}},
	}, func(rows int) error {
		for i := range rows {
			edges = append(edges, CallEdge{Parent: parent.Row(i), Child: child.Row(i), Calls: calls[i] * every})
		}
		return nil
	})
	return edges, every, err
}

// Operation is the name of a kind of spans.
type Operation struct {
	Name string
	Kind uint8
}

const selectOperations = `
SELECT DISTINCT CAST(name, 'String') AS operation, kind
FROM spans
WHERE tenant_id = {tenant:UInt32}
  AND ` + timeBounds + `
  AND service = {service:String}
ORDER BY operation, kind
LIMIT {limit:UInt64}`

// Operations returns the operations of a service in a time.
func (r *SpanReader) Operations(ctx context.Context, tenant model.TenantID, service string, startNS, endNS int64, limit int) ([]Operation, error) {
	var p params
	p.uint("tenant", uint64(tenant))
	p.int("start", startNS)
	p.int("end", endNS)
	p.str("service", service)
	p.uint("limit", uint64(limit))
	var name proto.ColStr
	var kind proto.ColUInt8
	var out []Operation
	err := r.db.read(ctx, tenant, chgo.Query{
		Body: selectOperations, Parameters: p, Result: proto.Results{{Name: "operation", Data: &name}, {Name: "kind", Data: &kind}},
	}, func(rows int) error {
		for i := range rows {
			out = append(out, Operation{Name: name.Row(i), Kind: kind[i]})
		}
		return nil
	})
	return out, err
}
