package forecastsapi

import (
	"context"
	"slices"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/query/reqctx"
	"github.com/faultline-io/faultline/services/query/timeparam"
)

// What a number can say; the names are those of the published series.
const (
	nameLoad    = "forecast_load"
	namePeak    = "forecast_load_peak"
	nameSeconds = "forecast_exhaustion_seconds"
)

type numberInput struct {
	Name       string   `query:"name" enum:"forecast_load,forecast_load_peak,forecast_exhaustion_seconds" default:"forecast_load" doc:"The load at a moment ahead, the highest until then, or the seconds until something runs out"`
	Metric     string   `query:"metric" maxLength:"512" doc:"Of this metric"`
	Resource   string   `query:"resource" maxLength:"64"`
	EntityKind string   `query:"entity_kind" maxLength:"32"`
	Entity     string   `query:"entity" maxLength:"512"`
	Label      []string `query:"label" maxItems:"20" doc:"name=value that it must have"`
	Ahead      string   `query:"ahead" default:"1h" doc:"How far ahead: 15m, 1h, 24h, 7d"`
	Quantile   string   `query:"quantile" enum:"0.025,0.1,0.5,0.9,0.975" default:"0.9" doc:"0.9: nine in ten times it is less"`
	Agg        string   `query:"agg" enum:"sum,max,min" default:"max" doc:"How several are made one"`
}

type numberOutput struct {
	Body struct {
		Value   float64   `json:"value"`
		Targets int       `json:"targets" doc:"How many forecasts it is made of"`
		Made    time.Time `json:"made_at" doc:"When the oldest of them was made"`
	}
}

// maxTargets bounds the forecasts that one number is made of.
const maxTargets = 500

func (h *handlers) number(ctx context.Context, in *numberInput) (*numberOutput, error) {
	ahead, err := timeparam.Duration(in.Ahead)
	if err != nil {
		return nil, err
	}
	f := clickhouse.ForecastFilter{Resource: in.Resource, EntityKind: in.EntityKind, Entity: in.Entity, Metric: in.Metric}
	if err := addLabels(&f, in.Label); err != nil {
		return nil, err
	}
	rows, err := h.latest(ctx, f, in.Name)
	if err != nil {
		return nil, err
	}
	var values []float64
	out := &numberOutput{}
	for i := range rows {
		v, ok := valueOf(&rows[i], in.Name, in.Quantile, ahead, h.now())
		if !ok {
			continue
		}
		values = append(values, v)
		if made := time.UnixMilli(rows[i].MadeMS).UTC(); out.Body.Made.IsZero() || made.Before(out.Body.Made) {
			out.Body.Made = made
		}
	}
	if len(values) == 0 {
		return nil, errs.WithHint(errs.NotFound, "GET /api/v1/forecasts lists what is forecast, and how far ahead", "no forecast of the last %s fits and reaches %s ahead", fresh, ahead)
	}
	out.Body.Targets = len(values)
	switch in.Agg {
	case "sum":
		for _, v := range values {
			out.Body.Value += v
		}
	case "min":
		out.Body.Value = slices.Min(values)
	default:
		out.Body.Value = slices.Max(values)
	}
	return out, nil
}

// latest returns the latest forecasts that can answer for a name.
func (h *handlers) latest(ctx context.Context, f clickhouse.ForecastFilter, name string) ([]store.ForecastRow, error) {
	now := h.now()
	f.Tenant, f.FromMS, f.ToMS, f.Kind = reqctx.Tenant(ctx), now.Add(-fresh).UnixMilli(), now.UnixMilli(), store.ForecastLoad
	if name == nameSeconds {
		f.Kind = store.ForecastExhaustion
	}
	rows, _, err := h.reader.Latest(ctx, f, nil, maxTargets)
	return rows, err
}

// valueOf returns what a forecast says under a name.
func valueOf(r *store.ForecastRow, name, quantile string, ahead time.Duration, now time.Time) (float64, bool) {
	ms := now.UnixMilli()
	if name == nameSeconds {
		at := map[string]int64{"0.025": r.EarliestMS, "0.1": r.EarliestMS, "0.5": r.ReachMS, "0.9": r.LatestMS, "0.975": r.LatestMS}[quantile]
		return max(float64(at-ms)/1000, 0), at > 0
	}
	band := map[string][]float64{"0.025": r.Low95, "0.1": r.Low80, "0.5": r.Median, "0.9": r.High80, "0.975": r.High95}[quantile]
	if name == namePeak {
		return store.PeakUntil(r, band, ms, ms+ahead.Milliseconds())
	}
	return store.ValueAt(r, band, ms+ahead.Milliseconds())
}
