package clickhouse

import (
	"context"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/model"
)

// InsertChanges stores decoded batches with one INSERT under token.
func (d *DB) InsertChanges(ctx context.Context, token string, batches []*model.Changes) error {
	dict := func() *proto.ColLowCardinality[string] { return new(proto.ColStr).LowCardinality() }
	nanos := proto.ColDateTime64{Precision: proto.PrecisionNano, PrecisionSet: true}
	var tenant proto.ColUInt32
	ts, end, received := nanos, nanos, millis(0)
	kind, status, service, host, environment, source := dict(), dict(), dict(), dict(), dict(), dict()
	var id, title, text, version, previous, actor, url proto.ColStr
	attributes := newMapColumn()
	for _, b := range batches {
		for i := range b.Changes {
			c := &b.Changes[i]
			tenant = append(tenant, uint32(b.Tenant))
			ts.AppendRaw(proto.DateTime64(c.TimeNS))
			end.AppendRaw(proto.DateTime64(c.EndNS))
			received.AppendRaw(proto.DateTime64(b.ReceivedAtMS))
			for _, x := range []struct {
				col *proto.ColLowCardinality[string]
				v   string
			}{{kind, c.Kind}, {status, c.Status}, {service, c.Service}, {host, c.Host}, {environment, c.Environment}, {source, c.Source}} {
				x.col.Append(x.v)
			}
			for _, x := range []struct {
				col *proto.ColStr
				v   string
			}{{&id, c.ID}, {&title, c.Title}, {&text, c.Text}, {&version, c.Version}, {&previous, c.PreviousVersion}, {&actor, c.Actor}, {&url, c.URL}} {
				x.col.Append(x.v)
			}
			attributes.append(c.Attributes)
		}
	}
	return d.insert(ctx, "changes", token, proto.Input{
		{Name: "tenant_id", Data: tenant}, {Name: "id", Data: &id}, {Name: "ts", Data: &ts}, {Name: "end_ts", Data: &end}, {Name: "received_at", Data: received},
		{Name: "kind", Data: kind}, {Name: "title", Data: &title}, {Name: "text", Data: &text}, {Name: "status", Data: status}, {Name: "service", Data: service},
		{Name: "host", Data: host}, {Name: "environment", Data: environment}, {Name: "version", Data: &version}, {Name: "previous_version", Data: &previous},
		{Name: "actor", Data: &actor}, {Name: "url", Data: &url}, {Name: "source", Data: source}, {Name: "attributes", Data: attributes.col},
	})
}
