package forecastsapi

import (
	"context"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

type getInput struct {
	ID   string `path:"id" maxLength:"16"`
	Past int    `query:"past" minimum:"0" maximum:"200" default:"28" doc:"How many past forecasts to compare with what came, spread over the last two weeks"`
}

// ForecastActual are times and values.
type ForecastActual struct {
	T []int64   `json:"t" doc:"Unix milliseconds"`
	V []float64 `json:"v"`
}

// PastForecast is a forecast that was made before, with what became of it.
type PastForecast struct {
	Forecast
	Bands *ForecastBands `json:"bands,omitempty" doc:"Of a load, the hours that have come since"`
	Score ForecastScore  `json:"score"`
}

type getOutput struct {
	Body struct {
		Forecast Forecast        `json:"forecast"`
		Bands    *ForecastBands  `json:"bands,omitempty" doc:"Of a load"`
		Actual   ForecastActual  `json:"actual" doc:"What came by hour: the load, or the level that was nearest to the limit"`
		Past     []PastForecast  `json:"past" doc:"The latest first"`
		Summary  ForecastSummary `json:"summary" doc:"Over all of past"`
	}
}

// Past that is looked at.
const (
	pastSpan = 14 * 24 * time.Hour
	// maxHistory bounds the forecasts that are read: two weeks of hours, with those between.
	maxHistory = 14 * 24 * 2
)

func (h *handlers) get(ctx context.Context, in *getInput) (*getOutput, error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	now := h.now()
	tenant := reqctx.Tenant(ctx)
	f := clickhouse.ForecastFilter{Tenant: tenant, TargetID: id, FromMS: now.Add(-pastSpan).UnixMilli(), ToMS: now.UnixMilli()}
	rows, err := h.reader.History(ctx, f, maxHistory)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, errs.WithHint(errs.NotFound, "GET /api/v1/forecasts lists what is forecast", "there is no forecast %q of the last two weeks", in.ID)
	}
	came, err := h.reader.Actuals(ctx, tenant, []uint64{id}, f.FromMS, f.ToMS)
	if err != nil {
		return nil, err
	}
	out := &getOutput{}
	b := &out.Body
	b.Forecast, b.Bands = forecastOf(&rows[0]), bandsOf(&rows[0], len(rows[0].TimesMS))
	b.Actual, b.Past = ForecastActual{T: []int64{}, V: []float64{}}, []PastForecast{}
	for _, a := range came {
		b.Actual.T, b.Actual.V = append(b.Actual.T, a.TimeMS), append(b.Actual.V, a.Value)
	}
	var all summing
	for _, i := range spread(len(rows), in.Past) {
		r := &rows[i]
		s := scoreOf(r, came, now.UnixMilli())
		all.add(r, s)
		known := 0
		for known < len(r.TimesMS) && r.TimesMS[known] < now.UnixMilli() {
			known++
		}
		b.Past = append(b.Past, PastForecast{Forecast: forecastOf(r), Bands: bandsOf(r, known), Score: s})
	}
	b.Summary = all.summary(rows[0].Resource)
	return out, nil
}

// spread returns n indexes out of those from 1 to total-1, at about equal distances.
func spread(total, n int) []int {
	n = min(n, total-1)
	out := make([]int, 0, max(n, 0))
	for i := range n {
		out = append(out, 1+i*(total-1)/n)
	}
	return out
}

// bandsOf returns the first steps of a load's forecast, nil when it is none.
func bandsOf(r *store.ForecastRow, n int) *ForecastBands {
	if r.Kind != store.ForecastLoad {
		return nil
	}
	return &ForecastBands{
		T: append([]int64{}, r.TimesMS[:n]...), StepMS: r.StepMS, Median: cut(r.Median, n), Low80: cut(r.Low80, n), High80: cut(r.High80, n), Low95: cut(r.Low95, n), High95: cut(r.High95, n),
	}
}

func cut(v []float64, n int) []float64 { return append([]float64{}, v[:min(n, len(v))]...) }

type scoresInput struct {
	Kind     string `query:"kind" enum:"exhaustion,load"`
	Resource string `query:"resource" maxLength:"64"`
	Entity   string `query:"entity" maxLength:"512"`
	Days     int    `query:"days" minimum:"1" maximum:"14" default:"7"`
}

type scoresOutput struct {
	Body struct {
		Items    []ForecastSummary `json:"items"`
		Warnings []string          `json:"warnings"`
	}
}

// maxScored bounds the forecasts of one answer; each is up to a week of hours in five bands.
const maxScored = 2000

func (h *handlers) scores(ctx context.Context, in *scoresInput) (*scoresOutput, error) {
	now := h.now()
	tenant := reqctx.Tenant(ctx)
	f := clickhouse.ForecastFilter{
		Tenant: tenant, Kind: in.Kind, Resource: in.Resource, Entity: in.Entity, FromMS: now.Add(-time.Duration(in.Days) * 24 * time.Hour).UnixMilli(), ToMS: now.UnixMilli(), Thin: true,
	}
	rows, err := h.reader.History(ctx, f, maxScored)
	if err != nil {
		return nil, err
	}
	out := &scoresOutput{}
	out.Body.Items, out.Body.Warnings = []ForecastSummary{}, []string{}
	if len(rows) == maxScored {
		out.Body.Warnings = append(out.Body.Warnings, "there are more forecasts than are looked at: name a resource or an entity")
	}
	came, err := h.cameOf(ctx, rows, f)
	if err != nil {
		return nil, err
	}
	sums, order := map[string]*summing{}, []string{}
	for i := range rows {
		r := &rows[i]
		s, ok := sums[r.Resource]
		if !ok {
			s = &summing{}
			sums[r.Resource], order = s, append(order, r.Resource)
		}
		s.add(r, scoreOf(r, came[r.TargetID], now.UnixMilli()))
	}
	for _, resource := range order {
		out.Body.Items = append(out.Body.Items, sums[resource].summary(resource))
	}
	return out, nil
}

// cameOf returns what came of the targets of rows.
func (h *handlers) cameOf(ctx context.Context, rows []store.ForecastRow, f clickhouse.ForecastFilter) (map[uint64][]store.ActualRow, error) {
	var targets []uint64
	seen := map[uint64]bool{}
	for i := range rows {
		if !seen[rows[i].TargetID] {
			seen[rows[i].TargetID], targets = true, append(targets, rows[i].TargetID)
		}
	}
	out := map[uint64][]store.ActualRow{}
	for len(targets) > 0 {
		n := min(len(targets), 500)
		came, err := h.reader.Actuals(ctx, f.Tenant, targets[:n], f.FromMS, f.ToMS)
		if err != nil {
			return nil, err
		}
		for _, a := range came {
			out[a.TargetID] = append(out[a.TargetID], a)
		}
		targets = targets[n:]
	}
	return out, nil
}
