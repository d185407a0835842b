package clickhouse

import (
	"context"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
)

// InsertForecasts adds forecasts. A repetition under the same token stores nothing, and a row of the same target and moment replaces the other.
func (d *DB) InsertForecasts(ctx context.Context, token string, rows []store.ForecastRow) error {
	n := len(rows)
	var tenants, steps proto.ColUInt32
	var targets proto.ColUInt64
	var confidence proto.ColFloat32
	var entity, advice proto.ColStr
	made, since, reach, earliest, latest, start := millis(n), millis(n), millis(n), millis(n), millis(n), millis(n)
	words := make([]*proto.ColLowCardinality[string], 7)
	for i := range words {
		words[i] = new(proto.ColStr).LowCardinality()
	}
	numbers := make([]proto.ColFloat64, 7)
	var bands [5]*proto.ColArr[float32]
	for i := range bands {
		bands[i] = proto.NewArray[float32](new(proto.ColFloat32))
	}
	labels := newTextMap()
	for i := range rows {
		r := &rows[i]
		tenants, targets, steps = append(tenants, uint32(r.Tenant)), append(targets, r.TargetID), append(steps, uint32(r.StepMS))
		confidence = append(confidence, float32(r.Confidence))
		entity.Append(r.Entity.Name)
		advice.Append(r.Advice)
		first := int64(0)
		if len(r.TimesMS) > 0 {
			first = r.TimesMS[0]
		}
		for c, ms := range map[*proto.ColDateTime64]int64{made: r.MadeMS, since: r.SinceMS, reach: r.ReachMS, earliest: r.EarliestMS, latest: r.LatestMS, start: first} {
			c.AppendRaw(proto.DateTime64(ms))
		}
		for k, w := range []string{r.Kind, r.Resource, string(r.Entity.Kind), r.Signal.Name, r.Signal.Unit, r.State, r.Method} {
			words[k].Append(w)
		}
		for k, v := range []float64{r.Limit, r.Level, r.PerHour, r.PerHourLow, r.PerHourHigh, r.Error, r.Scale} {
			numbers[k] = append(numbers[k], v)
		}
		for k, v := range [][]float64{r.Median, r.Low80, r.High80, r.Low95, r.High95} {
			bands[k].Append(singles(v))
		}
		labels.Append(labelMap(r.Signal.Labels))
	}
	return d.insert(ctx, "forecasts", token, proto.Input{
		{Name: "tenant_id", Data: tenants}, {Name: "target_id", Data: targets}, {Name: "made_at", Data: made}, {Name: "kind", Data: words[0]},
		{Name: "resource", Data: words[1]}, {Name: "entity_kind", Data: words[2]}, {Name: "entity", Data: entity}, {Name: "metric", Data: words[3]},
		{Name: "labels", Data: labels}, {Name: "unit", Data: words[4]}, {Name: "state", Data: words[5]}, {Name: "limit_value", Data: numbers[0]},
		{Name: "level", Data: numbers[1]}, {Name: "per_hour", Data: numbers[2]}, {Name: "per_hour_low", Data: numbers[3]}, {Name: "per_hour_high", Data: numbers[4]},
		{Name: "since_at", Data: since}, {Name: "reach_at", Data: reach}, {Name: "earliest_at", Data: earliest}, {Name: "latest_at", Data: latest},
		{Name: "start_at", Data: start}, {Name: "step_ms", Data: steps}, {Name: "median", Data: bands[0]}, {Name: "low80", Data: bands[1]}, {Name: "high80", Data: bands[2]},
		{Name: "low95", Data: bands[3]}, {Name: "high95", Data: bands[4]}, {Name: "method", Data: words[6]}, {Name: "error", Data: numbers[5]}, {Name: "scale", Data: numbers[6]},
		{Name: "confidence", Data: confidence}, {Name: "advice", Data: advice},
	})
}

func singles(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

func labelMap(labels []model.Label) map[string]string {
	out := make(map[string]string, len(labels))
	for _, l := range labels {
		out[l.Name] = l.Value
	}
	return out
}

// InsertActuals adds what came. The same hour of a target again replaces the row.
func (d *DB) InsertActuals(ctx context.Context, token string, rows []store.ActualRow) error {
	var tenants proto.ColUInt32
	var targets proto.ColUInt64
	var values proto.ColFloat64
	var times proto.ColDateTime
	for i := range rows {
		r := &rows[i]
		tenants, targets, values = append(tenants, uint32(r.Tenant)), append(targets, r.TargetID), append(values, r.Value)
		times.Data = append(times.Data, proto.DateTime(r.TimeMS/1000))
	}
	return d.insert(ctx, "forecast_actuals", token, proto.Input{
		{Name: "tenant_id", Data: tenants}, {Name: "target_id", Data: targets}, {Name: "ts", Data: times}, {Name: "value", Data: values},
	})
}
