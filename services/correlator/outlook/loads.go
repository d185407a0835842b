package outlook

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/correlator/forecast"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
)

// Past and future of a load, in hours.
const (
	loadPast = 5 * 7 * 24 // Five weeks: a week has to be seen a few times, and shapes older than that have changed.
	// loadWeek is a week, and the hours that pass until the next forecast is read.
	loadWeek = 7*24 + 3
	// leastPast is the least past for any forecast: a day.
	leastPast = 24
	// fullPast is what makes the most of the confidence: two whole weeks.
	fullPast = 2 * 7 * 24
)

// Loads makes one pass over everything that is loaded.
func (s *Service) Loads(ctx context.Context) error {
	now := s.deps.Clock()
	series, err := s.look(ctx, now, func(n string) []string {
		if _, _, ok := loadOf(n); ok {
			return []string{n}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for loads: %w", err)
	}
	targets, left := planner{maxLoads: s.cfg.MaxLoads}.plan(series)
	s.deps.Metrics.GetOrCreateGauge(`faultline_correlator_forecast_targets_left_out{kind="load"}`, nil).Set(float64(left))
	end := now.Add(-hourComplete).UnixMilli() / hourMS * hourMS
	var rows []store.ForecastRow
	var came []store.ActualRow
	for i := range targets {
		t := &targets[i]
		past, err := s.history(ctx, t.series, end-loadPast*hourMS, end, hourMS)
		if err != nil {
			return fmt.Errorf("read the past of loads: %w", err)
		}
		rates, c := t.add(past, end)
		r, ok := loadForecast(t, rates, end, now.UnixMilli(), c)
		if !ok {
			continue
		}
		r.Tenant = s.cfg.Tenant
		rows = append(rows, r)
		if v := rates[len(rates)-1]; !math.IsNaN(v) {
			came = append(came, store.ActualRow{Tenant: s.cfg.Tenant, TargetID: t.id, TimeMS: end - hourMS, Value: v})
		}
	}
	return s.keep(ctx, store.ForecastLoad, now, rows, came)
}

// add returns the sum of the rates of t's counters for each hour before end, NaN where none had samples, and what carried it.
func (t *target) add(past map[uint64]clickhouse.History, end int64) ([]float64, capacity) {
	start := end - loadPast*hourMS
	rates := make([]float64, loadPast)
	carriers := make([]map[string]bool, loadPast)
	for i := range rates {
		rates[i] = math.NaN()
	}
	for i, f := range t.series {
		h := past[f.id]
		for k, ms := range h.TimesMS {
			hour := int((ms - start) / hourMS)
			if hour < 0 || hour >= loadPast {
				continue
			}
			rate := h.Mean[k]
			if !t.rate {
				rate = increase(h, k) / 3600
			}
			if math.IsNaN(rates[hour]) {
				rates[hour] = 0
				carriers[hour] = map[string]bool{}
			}
			rates[hour] += rate
			if t.instances[i] != "" {
				carriers[hour][t.instances[i]] = true
			}
		}
	}
	var c capacity
	for i, v := range rates {
		if math.IsNaN(v) {
			continue
		}
		c.now = len(carriers[i])
		c.most = max(c.most, v)
		c.perInstance = max(c.perInstance, v/float64(max(c.now, 1)))
	}
	first := slices.IndexFunc(rates, func(v float64) bool { return !math.IsNaN(v) })
	if first < 0 {
		return nil, c
	}
	return rates[first:], c
}

// increase returns by how much a counter grew in hour k of its past, with resets. The hour before counts only when it is there.
func increase(h clickhouse.History, k int) float64 {
	grown := step(h.First[k], h.Last[k])
	if k > 0 && h.TimesMS[k]-h.TimesMS[k-1] == hourMS {
		grown += step(h.Last[k-1], h.First[k])
	}
	return grown
}

// step is the growth of a counter from a to b: one that fell began again at 0.
func step(a, b float64) float64 {
	if b >= a {
		return b - a
	}
	return b
}

// loadForecast works on one load.
func loadForecast(t *target, rates []float64, end, nowMS int64, c capacity) (store.ForecastRow, bool) {
	known := 0
	for _, v := range rates {
		if !math.IsNaN(v) {
			known++
		}
	}
	if known < leastPast || c.most == 0 {
		return store.ForecastRow{}, false
	}
	// A day of past says something about the next day, and nothing about the next week.
	horizon := min(loadWeek, max(24, len(rates)/2))
	f, ok := forecast.Ahead(forecast.Grid{StartMS: end - int64(len(rates))*hourMS, StepMS: hourMS, Values: rates}, forecast.Config{Horizon: horizon, Seasons: forecast.Seasons(hourMS)})
	if !ok {
		return store.ForecastRow{}, false
	}
	row := store.ForecastRow{TargetID: t.id, Resource: t.resource, State: store.StateForecast, StepMS: hourMS, SinceMS: end - int64(len(rates))*hourMS, Scale: dayError(rates)}
	row.Forecast = model.Forecast{
		Entity: t.entity, Signal: t.signal, MadeMS: nowMS, Kind: store.ForecastLoad, Method: f.Method, Error: f.Error,
		Median: f.Median, Low80: f.Low80, High80: f.High80, Low95: f.Low95, High95: f.High95,
		Confidence: min(1, float64(known)/fullPast) / (1 + f.Error),
	}
	for k := range f.Median {
		row.TimesMS = append(row.TimesMS, end+int64(k)*hourMS)
	}
	row.Level = rates[len(rates)-1]
	if math.IsNaN(row.Level) {
		row.Level = 0
	}
	// The largest load so far is what a forecast is to be compared with.
	row.Limit = c.most
	row.Advice = loadAdvice(&row, c)
	return row, true
}

// dayError returns the mean difference to the same hour of the day before, 0 when there is none.
func dayError(rates []float64) float64 {
	sum, n := 0.0, 0
	for i := 24; i < len(rates); i++ {
		if d := math.Abs(rates[i] - rates[i-24]); !math.IsNaN(d) {
			sum, n = sum+d, n+1
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}
