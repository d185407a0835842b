package clickhouse

import (
	"context"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
)

// InsertFindings stores updates of findings, one row each. The same update again replaces the row; token makes a repeated insert free.
func (d *DB) InsertFindings(ctx context.Context, token string, tenant model.TenantID, fs []model.Finding) error {
	dict := func() *proto.ColLowCardinality[string] { return new(proto.ColStr).LowCardinality() }
	n := len(fs)
	var tenants proto.ColUInt32
	var ids, series proto.ColUInt64
	onset, seen, end := millis(n), millis(n), millis(n)
	entityKind, signal, role, unit, kind, detector := dict(), dict(), dict(), dict(), dict(), dict()
	var entity, text proto.ColStr
	labels := newMapColumn()
	var direction proto.ColInt8
	var value, expected, low, high, score, p, confidence proto.ColFloat64
	var history proto.ColInt64
	for i := range fs {
		f := &fs[i]
		tenants, ids, series = append(tenants, uint32(tenant)), append(ids, f.ID), append(series, f.Signal.SeriesID)
		onset.AppendRaw(proto.DateTime64(f.OnsetMS))
		seen.AppendRaw(proto.DateTime64(f.SeenMS))
		end.AppendRaw(proto.DateTime64(f.EndMS))
		entityKind.Append(string(f.Entity.Kind))
		entity.Append(f.Entity.Name)
		signal.Append(f.Signal.Name)
		labels.append(f.Signal.Labels)
		role.Append(string(f.Signal.Role))
		unit.Append(f.Signal.Unit)
		kind.Append(string(f.Kind))
		direction, history = append(direction, f.Direction), append(history, f.HistoryMS)
		value, expected, low, high = append(value, f.Value), append(expected, f.Expected), append(low, f.Low), append(high, f.High)
		score, p, confidence = append(score, f.Score), append(p, f.PValue), append(confidence, f.Confidence)
		detector.Append(f.Detector)
		text.Append(f.Text)
	}
	return d.insert(ctx, "findings", token, proto.Input{
		{Name: "tenant_id", Data: tenants}, {Name: "id", Data: ids}, {Name: "onset", Data: onset}, {Name: "seen_at", Data: seen}, {Name: "end_at", Data: end},
		{Name: "entity_kind", Data: entityKind}, {Name: "entity", Data: &entity}, {Name: "signal", Data: signal}, {Name: "series_id", Data: series},
		{Name: "labels", Data: labels.col}, {Name: "role", Data: role}, {Name: "unit", Data: unit}, {Name: "kind", Data: kind}, {Name: "direction", Data: direction},
		{Name: "value", Data: value}, {Name: "expected", Data: expected}, {Name: "low", Data: low}, {Name: "high", Data: high}, {Name: "score", Data: score},
		{Name: "p_value", Data: p}, {Name: "confidence", Data: confidence}, {Name: "history_ms", Data: history}, {Name: "detector", Data: detector}, {Name: "text", Data: &text},
	})
}

// InsertMarks stores marks of event time.
func (d *DB) InsertMarks(ctx context.Context, token string, tenant model.TenantID, rows []store.MarkRow) error {
	var tenants proto.ColUInt32
	var seq proto.ColUInt64
	at, watermark := millis(len(rows)), millis(len(rows))
	for i := range rows {
		tenants, seq = append(tenants, uint32(tenant)), append(seq, rows[i].Seq)
		at.AppendRaw(proto.DateTime64(rows[i].AtMS))
		watermark.AppendRaw(proto.DateTime64(rows[i].WatermarkMS))
	}
	return d.insert(ctx, "marks", token, proto.Input{{Name: "tenant_id", Data: tenants}, {Name: "seq", Data: seq}, {Name: "at", Data: at}, {Name: "watermark", Data: watermark}})
}

// InsertAside stores samples that were set aside.
func (d *DB) InsertAside(ctx context.Context, token string, tenant model.TenantID, rows []store.AsideRow) error {
	var tenants proto.ColUInt32
	var series, bits, mark proto.ColUInt64
	var stale proto.ColBool
	var reason proto.ColUInt8
	ts := millis(len(rows))
	for i := range rows {
		r := &rows[i]
		tenants, series, bits, mark = append(tenants, uint32(tenant)), append(series, r.SeriesID), append(bits, r.Bits), append(mark, r.Mark)
		stale, reason = append(stale, r.Stale), append(reason, r.Reason)
		ts.AppendRaw(proto.DateTime64(r.TimeMS))
	}
	return d.insert(ctx, "samples_aside", token, proto.Input{
		{Name: "tenant_id", Data: tenants}, {Name: "series_id", Data: series}, {Name: "ts", Data: ts}, {Name: "bits", Data: bits},
		{Name: "stale", Data: stale}, {Name: "reason", Data: reason}, {Name: "mark", Data: mark},
	})
}
