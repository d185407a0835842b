package clickhouse

import (
	"context"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/model"
)

// BucketMS is the width of a reception bucket of samples_recent in milliseconds.
const BucketMS = 10 * 60 * 1000

// InsertMetrics stores decoded batches: one INSERT a table, each under token and the table's name. Repeating a call with the same
// token and batches stores nothing twice, whatever part of the first call went through.
func (d *DB) InsertMetrics(ctx context.Context, token string, batches []*model.Metrics) error {
	// Series come first: a sample must never be visible without its labels.
	if err := d.insert(ctx, "series", token, seriesColumns(batches)); err != nil {
		return err
	}
	if err := d.insert(ctx, "metric_metadata", token, metadataColumns(batches)); err != nil {
		return err
	}
	if err := d.insert(ctx, "samples_recent", token, sampleColumns(batches)); err != nil {
		return err
	}
	if err := d.insert(ctx, "histograms", token, histogramColumns(batches)); err != nil {
		return err
	}
	return d.insert(ctx, "exemplars", token, exemplarColumns(batches))
}

func sampleColumns(batches []*model.Metrics) proto.Input {
	n := 0
	for _, m := range batches {
		n += len(m.Values)
	}
	tenants, metrics, series := make(proto.ColUInt32, 0, n), make(proto.ColUInt32, 0, n), make(proto.ColUInt64, 0, n)
	values, buckets, stale := make(proto.ColFloat64, 0, n), make([]proto.DateTime, 0, n), make(proto.ColBool, n)
	times := proto.ColDateTime64{Data: make([]proto.DateTime64, 0, n), Precision: proto.PrecisionMilli, PrecisionSet: true}
	for _, m := range batches {
		base := len(values)
		for i, id := range m.SeriesIDs {
			count := uint32(1)
			if len(m.Counts) > 0 {
				count = m.Counts[i]
			}
			for range count {
				metrics, series = append(metrics, m.MetricIDs[i]), append(series, id)
			}
		}
		values = append(values, m.Values...)
		bucket := proto.DateTime(m.ReceivedAtMS / BucketMS * BucketMS / 1000)
		for _, t := range m.TimesMS {
			times.Data = append(times.Data, proto.DateTime64(t))
			tenants, buckets = append(tenants, uint32(m.Tenant)), append(buckets, bucket)
		}
		for _, i := range m.Stale {
			stale[base+int(i)] = true
		}
	}
	return proto.Input{
		{Name: "tenant_id", Data: tenants}, {Name: "metric_id", Data: metrics}, {Name: "series_id", Data: series}, {Name: "ts", Data: times},
		{Name: "value", Data: values}, {Name: "stale", Data: stale}, {Name: "bucket", Data: proto.ColDateTime{Data: buckets}},
	}
}

func seriesColumns(batches []*model.Metrics) proto.Input {
	var tenants, metrics proto.ColUInt32
	var series, shards proto.ColUInt64
	var first, last proto.ColDateTime
	names := new(proto.ColStr).LowCardinality()
	labels := proto.NewMap(new(proto.ColStr).LowCardinality(), new(proto.ColStr))
	for _, m := range batches {
		at := proto.DateTime(m.ReceivedAtMS / 1000)
		for i := range m.Announced {
			s := &m.Announced[i]
			tenants, metrics, series, shards = append(tenants, uint32(m.Tenant)), append(metrics, s.MetricID), append(series, s.ID), append(shards, s.ShardHash)
			names.Append(s.Name)
			labels.AppendKV(keyValues(s.Labels))
			first.Data, last.Data = append(first.Data, at), append(last.Data, at)
		}
	}
	return proto.Input{
		{Name: "tenant_id", Data: tenants}, {Name: "metric_id", Data: metrics}, {Name: "series_id", Data: series}, {Name: "name", Data: names},
		{Name: "labels", Data: labels}, {Name: "shard_hash", Data: shards}, {Name: "first_seen", Data: first}, {Name: "last_seen", Data: last},
	}
}

func keyValues(ls []model.Label) []proto.KV[string, string] {
	out := make([]proto.KV[string, string], len(ls))
	for i, l := range ls {
		out[i] = proto.KV[string, string]{Key: l.Name, Value: l.Value}
	}
	return out
}

func metadataColumns(batches []*model.Metrics) proto.Input {
	type key struct {
		tenant model.TenantID
		family string
	}
	seen := map[key]bool{}
	var tenants proto.ColUInt32
	var family, original, unit, help proto.ColStr
	typ := new(proto.ColStr).LowCardinality()
	var at proto.ColDateTime
	for _, m := range batches {
		for i := range m.Metadata {
			d := &m.Metadata[i]
			if k := (key{m.Tenant, d.Family}); seen[k] {
				continue
			} else {
				seen[k] = true
			}
			tenants = append(tenants, uint32(m.Tenant))
			family.Append(d.Family)
			original.Append(d.Original)
			typ.Append(d.Type)
			unit.Append(d.Unit)
			help.Append(d.Help)
			at.Data = append(at.Data, proto.DateTime(m.ReceivedAtMS/1000))
		}
	}
	return proto.Input{
		{Name: "tenant_id", Data: tenants}, {Name: "family", Data: family}, {Name: "original", Data: original}, {Name: "type", Data: typ},
		{Name: "unit", Data: unit}, {Name: "help", Data: help}, {Name: "seen_at", Data: at},
	}
}

func histogramColumns(batches []*model.Metrics) proto.Input {
	var tenants, metrics proto.ColUInt32
	var series proto.ColUInt64
	var stale, float proto.ColBool
	var schema proto.ColInt8
	var zeroT, zeroC, count, sum proto.ColFloat64
	var hint proto.ColUInt8
	times := millis(0)
	ps, ns := new(proto.ColInt32).Array(), new(proto.ColInt32).Array()
	pb, nb, cv := new(proto.ColFloat64).Array(), new(proto.ColFloat64).Array(), new(proto.ColFloat64).Array()
	for _, m := range batches {
		for i := range m.Histograms {
			h := &m.Histograms[i]
			tenants, metrics, series = append(tenants, uint32(m.Tenant)), append(metrics, h.MetricID), append(series, h.SeriesID)
			times.AppendRaw(proto.DateTime64(h.TimeMS))
			stale, float, schema, hint = append(stale, h.Stale), append(float, h.Float), append(schema, int8(h.Schema)), append(hint, h.ResetHint)
			zeroT, zeroC, count, sum = append(zeroT, h.ZeroThreshold), append(zeroC, h.ZeroCount), append(count, h.Count), append(sum, h.Sum)
			ps.Append(h.PositiveSpans)
			ns.Append(h.NegativeSpans)
			pb.Append(h.PositiveBuckets)
			nb.Append(h.NegativeBuckets)
			cv.Append(h.CustomValues)
		}
	}
	return proto.Input{
		{Name: "tenant_id", Data: tenants}, {Name: "metric_id", Data: metrics}, {Name: "series_id", Data: series}, {Name: "ts", Data: times}, {Name: "stale", Data: stale},
		{Name: "schema", Data: schema}, {Name: "zero_threshold", Data: zeroT}, {Name: "zero_count", Data: zeroC}, {Name: "count", Data: count}, {Name: "sum", Data: sum},
		{Name: "positive_spans", Data: ps}, {Name: "positive_buckets", Data: pb}, {Name: "negative_spans", Data: ns}, {Name: "negative_buckets", Data: nb},
		{Name: "custom_values", Data: cv}, {Name: "is_float", Data: float}, {Name: "reset_hint", Data: hint},
	}
}

func exemplarColumns(batches []*model.Metrics) proto.Input {
	var tenants, metrics proto.ColUInt32
	var series proto.ColUInt64
	var values proto.ColFloat64
	times := millis(0)
	labels := proto.NewMap(new(proto.ColStr).LowCardinality(), new(proto.ColStr))
	for _, m := range batches {
		for i := range m.Exemplars {
			e := &m.Exemplars[i]
			tenants, metrics, series = append(tenants, uint32(m.Tenant)), append(metrics, e.MetricID), append(series, e.SeriesID)
			times.AppendRaw(proto.DateTime64(e.TimeMS))
			values = append(values, e.Value)
			labels.AppendKV(keyValues(e.Labels))
		}
	}
	return proto.Input{
		{Name: "tenant_id", Data: tenants}, {Name: "metric_id", Data: metrics}, {Name: "series_id", Data: series}, {Name: "ts", Data: times},
		{Name: "value", Data: values}, {Name: "labels", Data: labels},
	}
}

// millis returns an empty DateTime64(3) column with room for n rows.
func millis(n int) *proto.ColDateTime64 {
	return &proto.ColDateTime64{Data: make([]proto.DateTime64, 0, n), Precision: proto.PrecisionMilli, PrecisionSet: true, Location: time.UTC}
}
