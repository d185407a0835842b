package clickhouse

import (
	"context"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/internal/store"
)

// InsertAlerts adds events of alerts. The same event again replaces the row; token makes a repeated insert of the same rows free.
func (d *DB) InsertAlerts(ctx context.Context, token string, rows []store.AlertRow) error {
	var tenants proto.ColUInt32
	var fingerprints proto.ColUInt64
	ts, starts, ends, recorded := millis(len(rows)), millis(len(rows)), millis(len(rows)), millis(len(rows))
	status, name, source := new(proto.ColStr).LowCardinality(), new(proto.ColStr).LowCardinality(), new(proto.ColStr).LowCardinality()
	labels, annotations := newTextMap(), newTextMap()
	var link proto.ColStr
	for i := range rows {
		r := &rows[i]
		tenants, fingerprints = append(tenants, uint32(r.Tenant)), append(fingerprints, r.Fingerprint)
		ts.AppendRaw(proto.DateTime64(r.TimeMS))
		starts.AppendRaw(proto.DateTime64(r.StartsAtMS))
		ends.AppendRaw(proto.DateTime64(r.EndsAtMS))
		recorded.AppendRaw(proto.DateTime64(r.RecordedAtMS))
		status.Append(r.Status)
		name.Append(r.Name)
		source.Append(r.Source)
		labels.Append(r.Labels)
		annotations.Append(r.Annotations)
		link.Append(r.GeneratorURL)
	}
	return d.insert(ctx, "alerts", token, proto.Input{
		{Name: "tenant_id", Data: tenants}, {Name: "ts", Data: ts}, {Name: "fingerprint", Data: fingerprints}, {Name: "status", Data: status}, {Name: "name", Data: name},
		{Name: "starts_at", Data: starts}, {Name: "ends_at", Data: ends}, {Name: "labels", Data: labels}, {Name: "annotations", Data: annotations},
		{Name: "source", Data: source}, {Name: "generator_url", Data: link}, {Name: "recorded_at", Data: recorded},
	})
}

// newTextMap returns a column of type Map(LowCardinality(String), String).
func newTextMap() *proto.ColMap[string, string] {
	return proto.NewMap[string, string](new(proto.ColStr).LowCardinality(), new(proto.ColStr))
}
