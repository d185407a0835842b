package clickhouse

import (
	"context"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/internal/store"
)

// InsertLedger records what became of bus messages, under the token of the group they were stored with.
func (d *DB) InsertLedger(ctx context.Context, token string, rows []store.LedgerRow) error {
	var tenants proto.ColUInt32
	var epoch, seq, accepted, stored, dead, batch, sent, dropped proto.ColUInt64
	received, storedAt := millis(len(rows)), millis(len(rows))
	stream, signal, source, protocol := new(proto.ColStr).LowCardinality(), new(proto.ColStr).LowCardinality(), new(proto.ColStr).LowCardinality(), new(proto.ColStr).LowCardinality()
	now := proto.DateTime64(time.Now().UnixMilli())
	for i := range rows {
		r := &rows[i]
		tenants = append(tenants, uint32(r.Tenant))
		epoch, seq = append(epoch, r.Epoch), append(seq, r.Seq)
		accepted, stored, dead = append(accepted, r.Accepted), append(stored, r.Stored), append(dead, r.DeadLetter)
		batch, sent, dropped = append(batch, r.AgentBatch), append(sent, r.AgentSent), append(dropped, r.AgentDropped)
		received.AppendRaw(proto.DateTime64(r.ReceivedAtMS))
		storedAt.AppendRaw(now)
		stream.Append(r.Stream)
		signal.Append(string(r.Signal))
		source.Append(r.Source)
		protocol.Append(r.Protocol)
	}
	return d.insert(ctx, "ledger", token, proto.Input{
		{Name: "tenant_id", Data: tenants}, {Name: "stream", Data: stream}, {Name: "epoch", Data: epoch}, {Name: "seq", Data: seq}, {Name: "received_at", Data: received},
		{Name: "stored_at", Data: storedAt}, {Name: "signal", Data: signal}, {Name: "source", Data: source}, {Name: "protocol", Data: protocol}, {Name: "accepted", Data: accepted},
		{Name: "stored", Data: stored}, {Name: "dead_letter", Data: dead}, {Name: "agent_batch", Data: batch}, {Name: "agent_sent", Data: sent}, {Name: "agent_dropped", Data: dropped},
	})
}

// InsertRejected adds counts of refused items; token makes a repeated flush count once.
func (d *DB) InsertRejected(ctx context.Context, token string, rows []store.RejectedRow) error {
	var tenants proto.ColUInt32
	var count proto.ColUInt64
	var minute proto.ColDateTime
	signal, source, protocol, reason := new(proto.ColStr).LowCardinality(), new(proto.ColStr).LowCardinality(), new(proto.ColStr).LowCardinality(), new(proto.ColStr).LowCardinality()
	for i := range rows {
		r := &rows[i]
		tenants, count = append(tenants, uint32(r.Tenant)), append(count, r.Count)
		minute.Data = append(minute.Data, proto.DateTime(r.MinuteMS/60000*60))
		signal.Append(string(r.Signal))
		source.Append(r.Source)
		protocol.Append(r.Protocol)
		reason.Append(r.Reason)
	}
	return d.insert(ctx, "ledger_rejected", token, proto.Input{
		{Name: "tenant_id", Data: tenants}, {Name: "minute", Data: minute}, {Name: "signal", Data: signal}, {Name: "source", Data: source},
		{Name: "protocol", Data: protocol}, {Name: "reason", Data: reason}, {Name: "count", Data: count},
	})
}
