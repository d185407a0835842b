// Package forecastsapi answers what is to come: when something runs out and how large a load will be, each forecast with those of its past and
// how they compare with what came. One number of it can be read by an autoscaler: as JSON, and in the shape of Kubernetes' external metrics. The
// forecasts are the correlator's; nothing is worked out here but scores. The contract is in docs/forecasts.md and docs/autoscaling.md.
package forecastsapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/query/paging"
	"github.com/faultline-io/faultline/services/query/problem"
	"github.com/faultline-io/faultline/services/query/reqctx"
	"github.com/faultline-io/faultline/services/query/timeparam"
)

// fresh is how old a forecast may be to count as the latest: those of loads are made every hour, and one hour may be missed.
const fresh = 3 * time.Hour

// Buckets opens buckets of control state; bus.Bus is one.
type Buckets interface {
	KV(ctx context.Context, bucket string) (bus.KV, error)
}

// Deps is what the handlers need.
type Deps struct {
	DB  *clickhouse.DB
	Bus Buckets
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

type handlers struct {
	reader *clickhouse.ForecastReader
	bus    Buckets
	now    func() time.Time
}

// Register adds the operations to api, and the paths of Kubernetes to the plain router.
func Register(api huma.API, router gin.IRouter, deps Deps) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	h := &handlers{reader: clickhouse.NewForecastReader(deps.DB), bus: deps.Bus, now: deps.Now}
	tags := []string{"forecasts"}
	huma.Register(api, huma.Operation{
		OperationID: "list-forecasts", Method: http.MethodGet, Path: "/api/v1/forecasts", Tags: tags,
		Summary:     "The latest forecast of everything that runs out or is loaded",
		Description: "Those with the earliest date come first, those without one last.",
	}, h.list)
	huma.Register(api, huma.Operation{
		OperationID: "get-forecast", Method: http.MethodGet, Path: "/api/v1/forecasts/{id}", Tags: tags,
		Summary: "One forecast, with those before it beside what came",
	}, h.get)
	huma.Register(api, huma.Operation{
		OperationID: "forecast-scores", Method: http.MethodGet, Path: "/api/v1/forecast-scores", Tags: tags,
		Summary: "How good the forecasts of the last days were, by resource",
	}, h.scores)
	huma.Register(api, huma.Operation{
		OperationID: "forecast-number", Method: http.MethodGet, Path: "/api/v1/forecast-number", Tags: tags,
		Summary:     "One number of the latest forecasts, for an autoscaler",
		Description: "For KEDA's metrics-api scaler, with valueLocation: value. It is an error when nothing fits or the forecast is older than three hours, so that the scaler falls back.",
	}, h.number)
	huma.Register(api, huma.Operation{
		OperationID: "run-forecasts", Method: http.MethodPost, Path: "/api/v1/forecasts/run", Tags: tags, DefaultStatus: http.StatusAccepted,
		Summary: "Forecast now, and not at the next full hour",
	}, h.run)
	h.registerKubernetes(router)
}

// Forecast is one forecast.
type Forecast struct {
	ID         string            `json:"id" doc:"Of what is forecast: the same for all forecasts of it"`
	Kind       string            `json:"kind" enum:"exhaustion,load"`
	Resource   string            `json:"resource" example:"disk"`
	EntityKind string            `json:"entity_kind" example:"host"`
	Entity     string            `json:"entity"`
	Metric     string            `json:"metric"`
	Labels     map[string]string `json:"labels"`
	Unit       string            `json:"unit" doc:"1 is a share, By bytes, 1/s a rate"`
	Made       time.Time         `json:"made_at"`
	State      string            `json:"state" enum:"trend,reached,no_trend,sawtooth,too_short,forecast" doc:"forecast for a load"`
	Reach      *time.Time        `json:"reach_at,omitempty" doc:"When the limit is reached, as likely too early as too late"`
	Earliest   *time.Time        `json:"earliest_at,omitempty" doc:"With latest_at an interval of 80 %"`
	Latest     *time.Time        `json:"latest_at,omitempty" doc:"Absent with a date: it may also never come"`
	Limit      float64           `json:"limit" doc:"For a load the largest that ever was in the past it rests on"`
	Level      float64           `json:"level" doc:"Where it stands"`
	PerDay     float64           `json:"per_day" doc:"How it changes"`
	PerDayLow  float64           `json:"per_day_low"`
	PerDayHigh float64           `json:"per_day_high"`
	Since      *time.Time        `json:"since,omitempty" doc:"From when on its past counted"`
	Method     string            `json:"method"`
	Error      float64           `json:"error" doc:"Of a load: mean error in the past beside that of the same hour of the day before; below 1 is better"`
	Confidence float64           `json:"confidence" minimum:"0" maximum:"1"`
	Advice     string            `json:"advice"`
}

// ForecastBands are the values of a load.
type ForecastBands struct {
	T      []int64   `json:"t" doc:"Beginning of each step, Unix milliseconds"`
	StepMS int64     `json:"step_ms"`
	Median []float64 `json:"median"`
	Low80  []float64 `json:"low80"`
	High80 []float64 `json:"high80"`
	Low95  []float64 `json:"low95"`
	High95 []float64 `json:"high95"`
}

type listInput struct {
	Kind       string   `query:"kind" enum:"exhaustion,load" doc:"Only these"`
	Resource   string   `query:"resource" maxLength:"64" doc:"disk, inodes, memory, descriptors, connections, queue, quota, certificate, entries, requests, cpu"`
	State      string   `query:"state" enum:"trend,reached,no_trend,sawtooth,too_short,forecast"`
	EntityKind string   `query:"entity_kind" maxLength:"32"`
	Entity     string   `query:"entity" maxLength:"512"`
	Metric     string   `query:"metric" maxLength:"512"`
	Label      []string `query:"label" maxItems:"20" doc:"name=value that it must have, more of them separated by commas"`
	Before     string   `query:"before" doc:"Only what is reached before: RFC 3339, Unix seconds or now+7d"`
	Limit      int      `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor     string   `query:"cursor" doc:"next_cursor of the page before"`
}

type listOutput struct {
	Body struct {
		Items      []Forecast `json:"items"`
		NextCursor string     `json:"next_cursor,omitempty"`
	}
}

// place is the key of a cursor: where the page ended, and what relative times meant on the first page.
type place struct {
	After clickhouse.ForecastCursor `json:"a"`
	To    int64                     `json:"e"`
	Reach int64                     `json:"b"`
}

func (h *handlers) list(ctx context.Context, in *listInput) (*listOutput, error) {
	now := h.now()
	f := clickhouse.ForecastFilter{
		Tenant: reqctx.Tenant(ctx), ToMS: now.UnixMilli(), Kind: in.Kind, Resource: in.Resource, State: in.State, EntityKind: in.EntityKind, Entity: in.Entity, Metric: in.Metric,
	}
	if in.Before != "" {
		t, err := timeparam.Parse("before", in.Before, now)
		if err != nil {
			return nil, err
		}
		f.ReachBeforeMS = t.UnixMilli()
	}
	if err := addLabels(&f, in.Label); err != nil {
		return nil, err
	}
	hash := paging.FilterHash(append([]string{"forecasts", in.Kind, in.Resource, in.State, in.EntityKind, in.Entity, in.Metric, in.Before}, in.Label...)...)
	p, more, err := paging.Decode[place](in.Cursor, hash)
	if err != nil {
		return nil, err
	}
	var after *clickhouse.ForecastCursor
	if more {
		f.ToMS, f.ReachBeforeMS, after = p.To, p.Reach, &p.After
	}
	f.FromMS = f.ToMS - fresh.Milliseconds()
	rows, next, err := h.reader.Latest(ctx, f, after, paging.Limit(in.Limit))
	if err != nil {
		return nil, err
	}
	out := &listOutput{}
	out.Body.Items = make([]Forecast, len(rows))
	for i := range rows {
		out.Body.Items[i] = forecastOf(&rows[i])
	}
	if next != nil {
		if out.Body.NextCursor, err = paging.Encode(hash, place{After: *next, To: f.ToMS, Reach: f.ReachBeforeMS}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func addLabels(f *clickhouse.ForecastFilter, labels []string) error {
	for _, l := range labels {
		name, value, ok := strings.Cut(l, "=")
		if !ok || name == "" {
			return problem.InvalidField("query.label", "is not name=value", l)
		}
		f.LabelNames, f.LabelValues = append(f.LabelNames, name), append(f.LabelValues, value)
	}
	return nil
}

// timeOf returns a time for JSON, nil for 0.
func timeOf(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := time.UnixMilli(ms).UTC()
	return &t
}

func idOf(target uint64) string {
	s := strconv.FormatUint(target, 16)
	return strings.Repeat("0", 16-len(s)) + s
}

func forecastOf(r *store.ForecastRow) Forecast {
	labels := make(map[string]string, len(r.Signal.Labels))
	for _, l := range r.Signal.Labels {
		labels[l.Name] = l.Value
	}
	return Forecast{
		ID: idOf(r.TargetID), Kind: r.Kind, Resource: r.Resource, EntityKind: string(r.Entity.Kind), Entity: r.Entity.Name, Metric: r.Signal.Name, Labels: labels,
		Unit: r.Signal.Unit, Made: time.UnixMilli(r.MadeMS).UTC(), State: r.State, Reach: timeOf(r.ReachMS), Earliest: timeOf(r.EarliestMS), Latest: timeOf(r.LatestMS),
		Limit: r.Limit, Level: r.Level, PerDay: 24 * r.PerHour, PerDayLow: 24 * r.PerHourLow, PerDayHigh: 24 * r.PerHourHigh, Since: timeOf(r.SinceMS),
		Method: r.Method, Error: r.Error, Confidence: r.Confidence, Advice: r.Advice,
	}
}

// Names of the control state by which the correlator is asked; they are those of its package outlook.
const (
	requestBucket = "forecasts"
	requestKey    = "request"
)

type runOutput struct {
	Body struct {
		Accepted bool `json:"accepted" doc:"A pass begins within seconds; its forecasts have a later made_at"`
	}
}

func (h *handlers) run(ctx context.Context, _ *struct{}) (*runOutput, error) {
	kv, err := h.bus.KV(ctx, requestBucket)
	if err != nil {
		return nil, err
	}
	if err := kv.Put(ctx, requestKey, []byte(h.now().UTC().Format(time.RFC3339Nano))); err != nil {
		return nil, err
	}
	out := &runOutput{}
	out.Body.Accepted = true
	return out, nil
}

func parseID(id string) (uint64, error) {
	v, err := strconv.ParseUint(id, 16, 64)
	if err != nil || v == 0 {
		return 0, errs.WithHint(errs.NotFound, "GET /api/v1/forecasts lists what is forecast", "there is no forecast %.40q", id)
	}
	return v, nil
}
