package clickhouse

import (
	"context"
	"time"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/model"
)

// Node is an entity with what people call it and when it was heard of.
type Node struct {
	Entity              model.Entity
	Label               string
	FirstSeen, LastSeen time.Time
}

// Link is an edge with when it was heard of.
type Link struct {
	model.Edge
	FirstSeen, LastSeen time.Time
}

const selectNodes = `
SELECT
    CAST(kind, 'String') AS kind_text,
    id,
    CAST(anyLast(n.name), 'String') AS label,
    toInt64(toUnixTimestamp(min(n.first_seen))) AS first,
    toInt64(toUnixTimestamp(max(n.last_seen)))  AS last
FROM entities AS n
WHERE tenant_id = {tenant:UInt32}
GROUP BY kind_text, id
HAVING first <= {at:Int64} AND last >= {since:Int64}
ORDER BY kind_text, id
LIMIT {limit:UInt64}`

// Nodes returns up to limit entities that were there between two times, by kind and id.
func (d *DB) Nodes(ctx context.Context, tenant model.TenantID, since, at time.Time, limit int) ([]Node, error) {
	var p params
	p.uint("tenant", uint64(tenant))
	p.int("since", since.Unix())
	p.int("at", at.Unix())
	p.uint("limit", uint64(limit))
	var kind, id, label proto.ColStr
	var first, last proto.ColInt64
	var out []Node
	err := d.read(ctx, tenant, chgo.Query{
		Body: selectNodes, Parameters: p,
		Result: proto.Results{{Name: "kind_text", Data: &kind}, {Name: "id", Data: &id}, {Name: "label", Data: &label}, {Name: "first", Data: &first}, {Name: "last", Data: &last}},
	}, func(n int) error {
		for i := range n {
			out = append(out, Node{
				Entity: model.Entity{Kind: model.EntityKind(kind.Row(i)), Name: id.Row(i)}, Label: label.Row(i),
				FirstSeen: time.Unix(first[i], 0).UTC(), LastSeen: time.Unix(last[i], 0).UTC(),
			})
		}
		return nil
	})
	return out, err
}

const selectLinks = `
SELECT
    CAST(kind, 'String')      AS kind_text,
    CAST(from_kind, 'String') AS from_kind_text,
    from_id,
    CAST(to_kind, 'String')   AS to_kind_text,
    to_id,
    toInt64(toUnixTimestamp(min(e.first_seen))) AS first,
    toInt64(toUnixTimestamp(max(e.last_seen)))  AS last
FROM edges AS e
WHERE tenant_id = {tenant:UInt32}
GROUP BY kind_text, from_kind_text, from_id, to_kind_text, to_id
HAVING first <= {at:Int64} AND last >= {since:Int64}
ORDER BY kind_text, from_kind_text, from_id, to_kind_text, to_id
LIMIT {limit:UInt64}`

// Links returns up to limit edges that were there between two times, in a fixed order.
func (d *DB) Links(ctx context.Context, tenant model.TenantID, since, at time.Time, limit int) ([]Link, error) {
	var p params
	p.uint("tenant", uint64(tenant))
	p.int("since", since.Unix())
	p.int("at", at.Unix())
	p.uint("limit", uint64(limit))
	var kind, fromKind, from, toKind, to proto.ColStr
	var first, last proto.ColInt64
	var out []Link
	err := d.read(ctx, tenant, chgo.Query{
		Body: selectLinks, Parameters: p,
		Result: proto.Results{
			{Name: "kind_text", Data: &kind}, {Name: "from_kind_text", Data: &fromKind}, {Name: "from_id", Data: &from},
			{Name: "to_kind_text", Data: &toKind}, {Name: "to_id", Data: &to}, {Name: "first", Data: &first}, {Name: "last", Data: &last},
		},
	}, func(n int) error {
		for i := range n {
			out = append(out, Link{
				Edge: model.Edge{
					Kind: model.EdgeKind(kind.Row(i)), From: model.Entity{Kind: model.EntityKind(fromKind.Row(i)), Name: from.Row(i)},
					To: model.Entity{Kind: model.EntityKind(toKind.Row(i)), Name: to.Row(i)},
				},
				FirstSeen: time.Unix(first[i], 0).UTC(), LastSeen: time.Unix(last[i], 0).UTC(),
			})
		}
		return nil
	})
	return out, err
}
