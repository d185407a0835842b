package query

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/forecastsapi"
)

// addForecasts stores two loads and three stocks, with what came.
func addForecasts(t *testing.T, s *server) (now, hour int64) {
	t.Helper()
	now = time.Now().UnixMilli()
	hour = now / 3_600_000 * 3_600_000
	row := func(id uint64, kind string, madeAgo time.Duration) store.ForecastRow {
		r := store.ForecastRow{Tenant: 1, TargetID: id, Resource: "requests", State: store.StateForecast, Scale: 10}
		r.Forecast = model.Forecast{
			Entity: model.Entity{Kind: model.KindService, Name: "shop"}, Signal: model.SignalRef{Name: fmt.Sprint("m", id), Unit: "1/s", Labels: []model.Label{{Name: "service", Value: "shop"}}},
			MadeMS: now - madeAgo.Milliseconds(), Kind: kind, Confidence: .5, Advice: "do",
		}
		if kind == store.ForecastExhaustion {
			r.Resource, r.State, r.Limit, r.Level, r.Signal.Unit = "disk", "trend", 100, 50, ""
			return r
		}
		r.StepMS = 3_600_000
		for k := range 36 {
			r.TimesMS = append(r.TimesMS, hour-6*3_600_000+int64(k)*r.StepMS)
			v := 100 + float64(k)
			r.Median, r.Low80, r.High80, r.Low95, r.High95 = append(r.Median, v), append(r.Low80, v-5), append(r.High80, v+5), append(r.Low95, v-10), append(r.High95, v+10)
		}
		return r
	}
	rows := []store.ForecastRow{row(1, store.ForecastLoad, time.Minute), row(1, store.ForecastLoad, 6*time.Hour), row(2, store.ForecastLoad, time.Minute)}
	at := func(r store.ForecastRow, early, mid, late time.Duration) store.ForecastRow {
		r.EarliestMS, r.ReachMS, r.LatestMS = r.MadeMS+early.Milliseconds(), r.MadeMS+mid.Milliseconds(), r.MadeMS+late.Milliseconds()
		return r
	}
	rows = append(rows, at(row(3, store.ForecastExhaustion, time.Minute), time.Hour, 2*time.Hour, 3*time.Hour), at(row(3, store.ForecastExhaustion, 5*time.Hour), 2*time.Hour, 3*time.Hour, 4*time.Hour))
	unsaid := row(4, store.ForecastExhaustion, 5*time.Hour)
	unsaid.State = "no_trend"
	rows = append(rows, unsaid, row(4, store.ForecastExhaustion, time.Minute))
	var came []store.ActualRow
	for k := range int64(6) {
		v := 103. + float64(k) // Three more than foretold.
		if k == 5 {
			v = 200
		}
		came = append(came, store.ActualRow{Tenant: 1, TargetID: 1, TimeMS: hour - (6-k)*3_600_000, Value: v})
		for _, id := range []uint64{3, 4} {
			came = append(came, store.ActualRow{Tenant: 1, TargetID: id, TimeMS: hour - (6-k)*3_600_000, Value: 60 + 20*float64(k)})
		}
	}
	if err := s.db.Admin.InsertForecasts(t.Context(), "t", rows); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Admin.InsertActuals(t.Context(), "t", came); err != nil {
		t.Fatal(err)
	}
	return now, hour
}

func TestForecasts(t *testing.T) {
	s := start(t)
	now, hour := addForecasts(t, s)
	type list struct {
		Items      []forecastsapi.Forecast `json:"items"`
		NextCursor string                  `json:"next_cursor"`
	}
	ids := func(path string) string {
		t.Helper()
		var out []string
		for path := path; ; {
			l := get[list](t, s, path)
			for _, f := range l.Items {
				out = append(out, strings.TrimLeft(f.ID, "0"))
			}
			if l.NextCursor == "" {
				return strings.Join(out, " ")
			}
			base, _, _ := strings.Cut(path, "&cursor=")
			path = base + "&cursor=" + l.NextCursor
		}
	}
	for path, want := range map[string]string{
		"limit=2": "3 1 2 4", "kind=load": "1 2", "before=now%2B1d": "3", "state=trend&resource=disk&before=now%2B10m": "", "label=service%3Dshop&entity=shop": "3 1 2 4", "metric=m2": "2", "entity_kind=host": "",
	} {
		if got := ids("/api/v1/forecasts?" + path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	type one struct {
		Forecast forecastsapi.Forecast        `json:"forecast"`
		Bands    *forecastsapi.ForecastBands  `json:"bands"`
		Actual   forecastsapi.ForecastActual  `json:"actual"`
		Past     []forecastsapi.PastForecast  `json:"past"`
		Summary  forecastsapi.ForecastSummary `json:"summary"`
	}
	load := get[one](t, s, "/api/v1/forecasts/0000000000000001")
	if len(load.Past) != 1 || load.Past[0].Score.Hours != 6 || *load.Past[0].Score.Cover80 != 5./6 || *load.Past[0].Score.MAE != (5*3+95)/6. || *load.Summary.MASE != (5*3+95)/60. ||
		len(load.Actual.T) != 6 || len(load.Bands.Median) != 36 || len(load.Past[0].Bands.Median) < 6 {
		t.Errorf("%+v", load)
	}
	// Reached in the third hour before this one; what was said lay between two and four hours after it was made, five hours ago.
	stock := get[one](t, s, "/api/v1/forecasts/3")
	if len(stock.Past) != 1 || stock.Past[0].Score.ErrorHours == nil || stock.Past[0].Score.Outcome != "within" && stock.Past[0].Score.Outcome != "early" || stock.Bands != nil {
		t.Errorf("%+v (now %d, hour %d)", stock, now, hour)
	}
	if u := get[one](t, s, "/api/v1/forecasts/4"); u.Past[0].Score.Outcome != "never_said" {
		t.Errorf("%+v", u)
	}
	scores := get[struct {
		Items []forecastsapi.ForecastSummary `json:"items"`
	}](t, s, "/api/v1/forecast-scores?days=1")
	if len(scores.Items) != 2 {
		t.Errorf("%+v", scores)
	}
	for path, status := range map[string]int{"/api/v1/forecasts/zz": 404, "/api/v1/forecasts/ff": 404, "/api/v1/forecasts?kind=x": 422, "/api/v1/forecasts?label=x": 400, "/api/v1/forecasts?before=x": 400, "/api/v1/forecasts?cursor=x": 400} {
		if a := s.do(t, path, call{}); a.StatusCode != status {
			t.Errorf("%s: %s, want %d", path, a.Status, status)
		}
	}
	if a := s.do(t, "/api/v1/forecasts/run", call{method: http.MethodPost}); a.StatusCode != http.StatusAccepted {
		t.Errorf("%s %s", a.Status, a.body)
	}
	kv, err := s.bus.KV(t.Context(), "forecasts")
	if err != nil {
		t.Fatal(err)
	}
	if v, err := kv.Get(t.Context(), "request"); err != nil || len(v) == 0 {
		t.Errorf("%q %v", v, err)
	}
}

func TestForecastNumbers(t *testing.T) {
	s := start(t)
	addForecasts(t, s)
	type number struct {
		Value   float64 `json:"value"`
		Targets int     `json:"targets"`
	}
	one := get[number](t, s, "/api/v1/forecast-number?metric=m1&ahead=1h&quantile=0.5")
	sum := get[number](t, s, "/api/v1/forecast-number?entity=shop&ahead=1h&quantile=0.5&agg=sum")
	peak := get[number](t, s, "/api/v1/forecast-number?metric=m1&name=forecast_load_peak&ahead=24h&quantile=0.9")
	left := get[number](t, s, "/api/v1/forecast-number?name=forecast_exhaustion_seconds&resource=disk&quantile=0.1&agg=min")
	if one.Value < 106 || one.Value > 108 || sum.Targets != 2 || sum.Value < 2*one.Value-.1 || sum.Value > 2*one.Value+.1 || peak.Value < 134 || left.Value < 3400 || left.Value > 3600 {
		t.Errorf("%+v %+v %+v %+v", one, sum, peak, left)
	}
	for path, status := range map[string]int{"metric=nope": 404, "metric=m1&ahead=90d": 404, "metric=m1&ahead=x": 400, "quantile=2": 422} {
		if a := s.do(t, "/api/v1/forecast-number?"+path, call{}); a.StatusCode != status {
			t.Errorf("%s: %s, want %d", path, a.Status, status)
		}
	}
	const base = "/apis/external.metrics.k8s.io/v1beta1"
	type values struct {
		Kind  string `json:"kind"`
		Items []struct {
			Name   string            `json:"metricName"`
			Labels map[string]string `json:"metricLabels"`
			Value  string            `json:"value"`
			Time   time.Time         `json:"timestamp"`
		} `json:"items"`
	}
	v := get[values](t, s, base+"/namespaces/default/forecast_load?labelSelector=service%3Dshop%2Cmetric%3Dm1%2Cahead%3D1h%2Cquantile%3D0.5")
	if v.Kind != "ExternalMetricValueList" || len(v.Items) != 1 || !strings.HasSuffix(v.Items[0].Value, "m") || len(v.Items[0].Value) != 7 || v.Items[0].Time.IsZero() || v.Items[0].Labels["entity"] != "shop" {
		t.Errorf("%+v", v)
	}
	if v := get[values](t, s, base+"/namespaces/default/forecast_load?labelSelector=service%3Dother"); v.Items == nil || len(v.Items) != 0 {
		t.Errorf("%+v", v)
	}
	if l := get[struct {
		Resources []struct{ Name string } `json:"resources"`
	}](t, s, base); len(l.Resources) != 3 {
		t.Errorf("%+v", l)
	}
	for path, status := range map[string]int{"/namespaces/default/nope": 404, "/namespaces/default/forecast_load?labelSelector=a+b+c": 400} {
		if a := s.do(t, base+path, call{}); a.StatusCode != status || !strings.Contains(string(a.body), `"kind":"Status"`) {
			t.Errorf("%s: %s %s", path, a.Status, a.body)
		}
	}
	if a := s.do(t, base+"/namespaces/default/forecast_load", call{nobody: true}); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("nobody: %s", a.Status)
	}
}
