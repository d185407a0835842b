package clickhouse_test

import (
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse/chtest"
	"github.com/faultline-io/faultline/services/model"
)

func TestSentCountsBatchesThatBecameSeveralMessages(t *testing.T) {
	db := chtest.Start(t)
	now := time.Now()
	row := func(seq, batch, accepted, sent uint64) store.LedgerRow {
		return store.LedgerRow{
			Tenant: model.DefaultTenant, Stream: "LOGS", Epoch: 1, Seq: seq, ReceivedAtMS: now.UnixMilli(), Signal: model.SignalLogs, Source: "agent:a",
			Protocol: "otlp_http", Accepted: accepted, Stored: accepted, AgentBatch: batch, AgentSent: sent,
		}
	}
	// The agent had sent 1000 before; its batch 7 of 30 came as two messages, batch 8 of 12 as one.
	rows := []store.LedgerRow{row(1, 7, 20, 1030), row(2, 7, 10, 1030), row(3, 8, 12, 1042)}
	if err := db.Admin.InsertLedger(t.Context(), "t", rows); err != nil {
		t.Fatal(err)
	}
	got, err := clickhouse.NewLedgerReader(db.Reader).Sources(t.Context(), model.DefaultTenant, now.Add(-time.Minute), now.Add(time.Minute), 10)
	if err != nil || len(got) != 1 {
		t.Fatalf("%v, %d sources", err, len(got))
	}
	if s := got[0]; s.AgentSent != 42 || s.Accepted != 42 || s.Stored != 42 || s.LastBatch != 8 {
		t.Errorf("%+v, want 42 sent, accepted and stored", s)
	}
}
