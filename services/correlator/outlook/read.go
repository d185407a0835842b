package outlook

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
)

// Times in milliseconds.
const (
	minuteMS = int64(60_000)
	hourMS   = 60 * minuteMS
	dayMS    = 24 * hourMS
	fiveMS   = 5 * minuteMS
)

// seenWithin is how long ago a series must have been announced to be looked at.
const seenWithin = 2 * time.Hour

// maxNames bounds the names of metrics that are looked at.
const maxNames = 100_000

// look returns the series that wanted names have.
func (s *Service) look(ctx context.Context, now time.Time, wanted func(name string) []string) ([]found, error) {
	since := now.Add(-seenWithin)
	names, err := s.deps.Reader.LabelValues(ctx, s.cfg.Tenant, model.LabelName, nil, since, maxNames)
	if err != nil {
		return nil, err
	}
	have := map[string]bool{}
	for _, n := range names {
		have[n] = true
	}
	take := map[string]bool{}
	for _, n := range names {
		if strings.HasPrefix(n, publishedPrefix) || strings.HasPrefix(n, "faultline_") {
			continue // Of ourselves: forecasts of forecasts lead nowhere.
		}
		for _, w := range wanted(n) {
			if have[w] {
				take[w] = true
			}
		}
	}
	var out []found
	for _, n := range sorted(take) {
		rows, err := s.deps.Reader.Series(ctx, s.cfg.Tenant, []clickhouse.Matcher{{Op: clickhouse.MatchEqual, Name: model.LabelName, Value: n}}, since, s.cfg.MaxSeries-len(out))
		if errs.KindOf(err) == errs.Exhausted {
			// One name with very many series must not keep the others from being looked at.
			s.deps.Metrics.GetOrCreateCounter(`faultline_correlator_forecast_left_out_total{why="series"}`).Inc()
			s.deps.Log.DebugContext(ctx, "a metric has too many series to be forecast", slog.String("metric", n))
			continue
		}
		if err != nil {
			return nil, err
		}
		for i := range rows {
			f := found{id: rows[i].ID, metric: rows[i].MetricID, name: rows[i].Name}
			if err := rows[i].ForEachLabel(func(name, value string) { f.labels = append(f.labels, model.Label{Name: name, Value: value}) }); err != nil {
				return nil, err
			}
			slices.SortFunc(f.labels, func(a, b model.Label) int { return strings.Compare(a.Name, b.Name) })
			out = append(out, f)
		}
	}
	return out, nil
}

func sorted(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// batchSeries is how many series one question asks for.
const batchSeries = 400

// history reads the past of series and returns it by id.
func (s *Service) history(ctx context.Context, series []found, fromMS, toMS, stepMS int64) (map[uint64]clickhouse.History, error) {
	out := make(map[uint64]clickhouse.History, len(series))
	for part := range slices.Chunk(series, batchSeries) {
		q := clickhouse.HistoryQuery{Tenant: s.cfg.Tenant, FromMS: fromMS, ToMS: toMS, StepMS: stepMS}
		for _, f := range part {
			q.IDs = append(q.IDs, f.id)
			if !slices.Contains(q.Metrics, f.metric) {
				q.Metrics = append(q.Metrics, f.metric)
			}
		}
		if err := s.deps.Reader.History(ctx, q, func(h clickhouse.History) { out[h.SeriesID] = h }); err != nil {
			return nil, err
		}
	}
	return out, nil
}
