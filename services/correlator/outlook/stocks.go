package outlook

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/faultline-io/faultline/services/correlator/forecast"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
)

// Past of a stock: hours for a quarter of a year, five minutes for the last two days.
const (
	longMS  = 90 * dayMS
	shortMS = 2 * dayMS
	// goneMS is how long ago the last value may be: a stock that is told once an hour is still there, one without a word for longer is gone.
	goneMS = 90 * minuteMS
	// batchStocks is how many stocks are worked on at once.
	batchStocks = 200
)

// Stocks makes one pass over everything that can run out.
func (s *Service) Stocks(ctx context.Context) error {
	now := s.deps.Clock()
	series, err := s.look(ctx, now, func(n string) []string {
		if st, ok := stockOf(n); ok {
			return append([]string{n}, st.limits...)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for what runs out: %w", err)
	}
	targets, left := planner{maxStocks: s.cfg.MaxStocks}.plan(series)
	s.deps.Metrics.GetOrCreateGauge(`faultline_correlator_forecast_targets_left_out{kind="exhaustion"}`, nil).Set(float64(left))
	var rows []store.ForecastRow
	var came []store.ActualRow
	for part := range slices.Chunk(targets, batchStocks) {
		r, a, err := s.stockBatch(ctx, part, now.UnixMilli())
		if err != nil {
			return fmt.Errorf("read the past of what runs out: %w", err)
		}
		rows, came = append(rows, r...), append(came, a...)
	}
	return s.keep(ctx, store.ForecastExhaustion, now, rows, came)
}

func (s *Service) stockBatch(ctx context.Context, targets []target, nowMS int64) ([]store.ForecastRow, []store.ActualRow, error) {
	var series []found
	for i := range targets {
		series = append(series, targets[i].series...)
		if targets[i].measure == measureUsed {
			series = append(series, targets[i].limit)
		}
	}
	edge := (nowMS - shortMS) / hourMS * hourMS
	long, err := s.history(ctx, series, nowMS-longMS, edge, hourMS)
	if err != nil {
		return nil, nil, err
	}
	short, err := s.history(ctx, series, edge, nowMS+1, fiveMS)
	if err != nil {
		return nil, nil, err
	}
	var rows []store.ForecastRow
	var came []store.ActualRow
	for i := range targets {
		t := &targets[i]
		r, ok := stockForecast(t, long, short, nowMS)
		if !ok {
			continue
		}
		r.Tenant = s.cfg.Tenant
		rows = append(rows, r)
		if v, ok := worstOf(short[t.series[0].id], nowMS/hourMS*hourMS-hourMS, r.Limit < r.Level); ok {
			came = append(came, store.ActualRow{Tenant: s.cfg.Tenant, TargetID: t.id, TimeMS: nowMS/hourMS*hourMS - hourMS, Value: v})
		}
	}
	return rows, came, nil
}

// stockForecast works on one stock.
func stockForecast(t *target, long, short map[uint64]clickhouse.History, nowMS int64) (store.ForecastRow, bool) {
	l, r := long[t.series[0].id], short[t.series[0].id]
	if n := len(r.TimesMS); n == 0 || nowMS-r.TimesMS[n-1] > goneMS {
		return store.ForecastRow{}, false
	}
	row := store.ForecastRow{TargetID: t.id, Resource: t.resource}
	row.Forecast = model.Forecast{Entity: t.entity, Signal: t.signal, MadeMS: nowMS, Kind: store.ForecastExhaustion, Method: "robust trend"}
	last := r.Last[len(r.Last)-1]
	switch t.measure {
	case measureMoment, measureRest, measureDays:
		return ends(row, t, last, r.TimesMS[len(r.TimesMS)-1], nowMS)
	case measureShare:
		if row.Limit = 1; max(maxOf(l.Max), maxOf(r.Max)) > 1.5 {
			row.Limit = 100
		}
	case measureUsed:
		h := short[t.limit.id]
		if len(h.Last) == 0 {
			return row, false
		}
		// No limit is written as 0, -1, or as the largest number there is.
		if row.Limit = h.Last[len(h.Last)-1]; !(row.Limit > 0) || row.Limit > 1e18 {
			return row, false
		}
	default:
	}
	st := forecast.Stock{Limit: row.Limit, Falling: t.measure == measureLeft, NowMS: nowMS}
	for _, p := range []struct {
		clickhouse.History
		step int64
	}{{l, hourMS}, {r, fiveMS}} {
		v := p.Max
		if st.Falling {
			v = p.Min
		}
		for i, ms := range p.TimesMS {
			st.TimesMS, st.Values = append(st.TimesMS, min(ms+p.step, nowMS)), append(st.Values, v[i])
		}
	}
	e := forecast.Exhaust(st)
	row.State, row.ReachMS, row.EarliestMS, row.LatestMS = string(e.State), e.ReachMS, e.EarliestMS, e.LatestMS
	row.Level, row.PerHour, row.PerHourLow, row.PerHourHigh, row.SinceMS, row.Confidence = e.Level, e.PerHour, e.PerHourLow, e.PerHourHigh, e.SinceMS, e.Confidence
	if e.State == forecast.StateShort || e.State == forecast.StateReached && row.Level == 0 {
		row.Level = last
	}
	if e.Fast {
		row.Method = "robust trend of the last hours"
	}
	row.Signal.Unit = unitOf(t, row.Limit)
	row.Advice = exhaustionAdvice(&row)
	return row, true
}

// ends is the forecast of what says itself when it ends. The values are for milliseconds seen.
func ends(row store.ForecastRow, t *target, v float64, seenMS, nowMS int64) (store.ForecastRow, bool) {
	at := float64(seenMS)
	switch {
	case t.measure == measureDays:
		at += v * float64(dayMS)
	case v >= leastMoment:
		at = v * 1000
	case v > -leastMoment && (t.measure == measureRest || hasAny(parts(t.signal.Name), "seconds") || v != 0):
		at += v * 1000
	default:
		return row, false // 0 or a very negative number is what exporters say when there is no certificate.
	}
	if v == 0 && t.measure == measureMoment || at > 4e15 {
		return row, false
	}
	row.State, row.Method, row.Confidence = string(forecast.StateTrend), "as it says", 1
	row.ReachMS = max(int64(at), 1)
	row.EarliestMS, row.LatestMS = row.ReachMS, row.ReachMS
	row.Level, row.PerHour, row.PerHourLow, row.PerHourHigh = (at-float64(nowMS))/1000, -3600, -3600, -3600
	row.Signal.Unit = "s"
	if row.ReachMS <= nowMS {
		row.State = string(forecast.StateReached)
	}
	row.Advice = exhaustionAdvice(&row)
	return row, true
}

func maxOf(v []float64) float64 {
	if len(v) == 0 {
		return math.Inf(-1)
	}
	return slices.Max(v)
}

// worstOf returns the value of an hour that is nearest to the limit.
func worstOf(h clickhouse.History, hour int64, falling bool) (float64, bool) {
	worst, ok := 0.0, false
	for i, ms := range h.TimesMS {
		if ms < hour || ms >= hour+hourMS {
			continue
		}
		switch {
		case falling && (!ok || h.Min[i] < worst):
			worst, ok = h.Min[i], true
		case !falling && (!ok || h.Max[i] > worst):
			worst, ok = h.Max[i], true
		}
	}
	return worst, ok
}

// keep stores the forecasts of a pass and what came, and works out the findings.
func (s *Service) keep(ctx context.Context, kind string, now time.Time, rows []store.ForecastRow, came []store.ActualRow) error {
	hour := now.UnixMilli()/hourMS*hourMS - hourMS
	s.mu.Lock()
	fresh := s.lastActual[kind] != hour
	var write []store.ForecastRow
	for _, r := range rows {
		old, ok := s.current[r.TargetID]
		// A row an hour, and one more when what is said changes.
		if !ok || s.asked || old.State != r.State || r.MadeMS/hourMS != old.MadeMS/hourMS || kind == store.ForecastLoad {
			write = append(write, r)
		}
	}
	s.mu.Unlock()
	token := fmt.Sprintf("forecasts:%s:%d", kind, now.UnixMilli())
	if err := s.deps.Writer.InsertForecasts(ctx, token, write); err != nil {
		return fmt.Errorf("store forecasts: %w", err)
	}
	if fresh {
		if err := s.deps.Writer.InsertActuals(ctx, token, came); err != nil {
			return fmt.Errorf("store what came: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastActual[kind] = hour
	seen := map[uint64]bool{}
	for _, r := range rows {
		seen[r.TargetID] = true
		s.current[r.TargetID] = r
		s.judge(&r, now.UnixMilli())
	}
	for _, id := range slices.Sorted(maps.Keys(s.current)) {
		if s.current[id].Kind == kind && !seen[id] {
			delete(s.current, id)
			s.end(id, now.UnixMilli())
		}
	}
	return nil
}
