package live

import (
	"context"
	"math"

	"github.com/faultline-io/faultline/services/correlator/brain"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
)

// Tables stores what is found in ClickHouse.
type Tables struct{ db *clickhouse.DB }

var _ Store = (*Tables)(nil)

// NewTables returns a store over db.
func NewTables(db *clickhouse.DB) *Tables { return &Tables{db} }

// Save implements Store. Each table has a token of its own, so that a repetition after half of it stores the other half.
func (t *Tables) Save(ctx context.Context, token string, tenant model.TenantID, out *brain.Output) error {
	k := out.Mark
	if len(out.Aside) > 0 {
		rows := make([]store.AsideRow, len(out.Aside))
		for i, a := range out.Aside {
			rows[i] = store.AsideRow{SeriesID: a.SeriesID, TimeMS: a.Point.TimeMS, Bits: math.Float64bits(a.Point.Value), Stale: a.Point.Stale, Reason: uint8(a.Reason), Mark: k.Seq}
		}
		if err := t.db.InsertAside(ctx, token, tenant, rows); err != nil {
			return err
		}
	}
	if len(out.Findings) > 0 {
		if err := t.db.InsertFindings(ctx, token, tenant, out.Findings); err != nil {
			return err
		}
	}
	if len(out.Incidents) > 0 {
		return t.db.InsertIncidents(ctx, token, out.Incidents)
	}
	return nil
}

// SaveCommands implements Store.
func (t *Tables) SaveCommands(ctx context.Context, token string, rows []store.CommandRow) error {
	return t.db.InsertCommands(ctx, token, rows)
}

// SaveMarks implements Store.
func (t *Tables) SaveMarks(ctx context.Context, token string, tenant model.TenantID, rows []store.MarkRow) error {
	return t.db.InsertMarks(ctx, token, tenant, rows)
}
