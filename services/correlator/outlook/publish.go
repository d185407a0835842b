package outlook

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"

	"github.com/faultline-io/faultline/services/correlator/forecast"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
)

// Names of the published series; docs/formats/derived.md and docs/forecasts.md describe them.
const (
	publishedPrefix   = "forecast_"
	seriesSeconds     = "forecast_exhaustion_seconds"
	seriesConfidence  = "forecast_exhaustion_confidence_ratio"
	seriesLoad        = "forecast_load"
	seriesPeak        = "forecast_load_peak"
	seriesLoadError   = "forecast_load_error_ratio"
	labelMetric       = "metric"
	labelResource     = "resource"
	labelQuantile     = "quantile"
	labelAhead        = "ahead"
	labelExported     = "exported_"
	maxPublishedLabel = 40
)

// aheads are how far ahead the published loads look.
var aheads = []struct {
	word  string
	hours int
}{{"1h", 1}, {"6h", 6}, {"24h", 24}, {"168h", 168}}

// publish writes a sample of what is forecast now, and ends series that no longer say anything.
func (s *Service) publish(ctx context.Context, now time.Time) error {
	if s.deps.Out == nil {
		return nil
	}
	s.mu.Lock()
	rows := make([]store.ForecastRow, 0, len(s.current))
	for _, r := range s.current {
		rows = append(rows, r)
	}
	s.mu.Unlock()
	slices.SortFunc(rows, func(a, b store.ForecastRow) int {
		if a.TargetID < b.TargetID {
			return -1
		}
		return 1
	})
	app := s.deps.Out.Appender(ctx)
	ms := now.UnixMilli()
	w := &sampleWriter{app: app, ms: ms, wrote: map[string]labels.Labels{}}
	for i := range rows {
		w.row(&rows[i])
	}
	for key, ls := range s.published {
		if _, ok := w.wrote[key]; !ok {
			w.append(ls, math.Float64frombits(value.StaleNaN))
		}
	}
	if w.err != nil {
		_ = app.Rollback()
		return w.err
	}
	if err := app.Commit(); err != nil {
		return errs.New(errs.KindOf(err), "publish forecasts: %w", err)
	}
	s.published = w.wrote
	return nil
}

// sampleWriter writes the series of forecasts. The first error stays.
type sampleWriter struct {
	app   storage.Appender
	ms    int64
	wrote map[string]labels.Labels
	err   error
}

func (w *sampleWriter) append(ls labels.Labels, v float64) {
	if w.err == nil {
		_, w.err = w.app.Append(0, ls, w.ms, v)
	}
}

// sample writes one sample of a series of a forecast with two more labels at most.
func (w *sampleWriter) sample(name string, r *store.ForecastRow, v float64, more ...string) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	b := labels.NewScratchBuilder(len(r.Signal.Labels) + 5)
	own := append([]string{model.LabelName, name, labelMetric, r.Signal.Name, labelResource, r.Resource}, more...)
	for i, l := range r.Signal.Labels {
		if i == maxPublishedLabel {
			break
		}
		n := l.Name
		for k := 0; k < len(own); k += 2 {
			if own[k] == n {
				n = labelExported + n
			}
		}
		b.Add(n, l.Value)
	}
	for k := 0; k < len(own); k += 2 {
		b.Add(own[k], own[k+1])
	}
	b.Sort()
	ls := b.Labels()
	w.wrote[ls.String()] = ls
	w.append(ls, v)
}

func (w *sampleWriter) row(r *store.ForecastRow) {
	if r.Kind == store.ForecastLoad {
		w.load(r)
		return
	}
	switch forecast.State(r.State) {
	case forecast.StateTrend, forecast.StateReached:
	default:
		return
	}
	for _, q := range []struct {
		quantile string
		ms       int64
	}{{"0.1", r.EarliestMS}, {"0.5", r.ReachMS}, {"0.9", r.LatestMS}} {
		if q.ms > 0 {
			left := float64(q.ms-w.ms) / 1000
			if r.Resource != resourceCertificate {
				left = max(left, 0)
			}
			w.sample(seriesSeconds, r, left, labelQuantile, q.quantile)
		}
	}
	w.sample(seriesConfidence, r, r.Confidence)
}

func (w *sampleWriter) load(r *store.ForecastRow) {
	bands := []struct {
		quantile string
		v        []float64
	}{{"0.1", r.Low80}, {"0.5", r.Median}, {"0.9", r.High80}}
	for _, a := range aheads {
		for _, b := range bands {
			if v, ok := store.ValueAt(r, b.v, w.ms+int64(a.hours)*hourMS); ok {
				w.sample(seriesLoad, r, v, labelAhead, a.word, labelQuantile, b.quantile)
			}
			if a.hours < 24 || b.quantile == "0.1" {
				continue
			}
			if v, ok := store.PeakUntil(r, b.v, w.ms, w.ms+int64(a.hours)*hourMS); ok {
				w.sample(seriesPeak, r, v, labelAhead, a.word, labelQuantile, b.quantile)
			}
		}
	}
	w.sample(seriesLoadError, r, r.Error)
}
