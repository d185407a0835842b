package clickhouse_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse/chtest"
	"github.com/faultline-io/faultline/services/model"
)

// A history is the same before samples are packed, when some are, and when all are.
func TestHistoryReadsRollupsAndWhatIsNotPacked(t *testing.T) {
	d := chtest.Start(t)
	r := clickhouse.NewMetricReader(d.Reader)
	const name, id, hour = "disk_free", uint64(7), int64(3_600_000)
	from := time.Now().Add(-6*time.Hour).UnixMilli() / hour * hour
	insert := func(token string, received time.Time, first, last int) {
		m := &model.Metrics{Header: model.Header{Origin: model.Origin{Tenant: 1}, ReceivedAtMS: received.UnixMilli()}}
		m.MetricIDs, m.SeriesIDs, m.Counts = []uint32{model.MetricID(name)}, []uint64{id}, []uint32{uint32(last - first)}
		for i := first; i < last; i++ {
			m.TimesMS, m.Values = append(m.TimesMS, from+int64(i)*60_000), append(m.Values, float64(i))
		}
		if err := d.Admin.InsertMetrics(t.Context(), token, []*model.Metrics{m}); err != nil {
			t.Fatal(err)
		}
	}
	insert("a", time.Now().Add(-3*time.Hour), 0, 90)
	insert("b", time.Now(), 90, 150)
	ask := func(step int64) clickhouse.History {
		t.Helper()
		var got []clickhouse.History
		q := clickhouse.HistoryQuery{Tenant: 1, Metrics: []uint32{model.MetricID(name)}, IDs: []uint64{id, 8}, FromMS: from, ToMS: from + 3*hour, StepMS: step}
		if err := r.History(t.Context(), q, func(h clickhouse.History) { got = append(got, h) }); err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 || got[0].SeriesID != id {
			t.Fatalf("%+v", got)
		}
		return got[0]
	}
	want := clickhouse.History{
		SeriesID: id, TimesMS: []int64{from, from + hour, from + 2*hour}, Min: []float64{0, 60, 120}, Max: []float64{59, 119, 149},
		Mean: []float64{29.5, 89.5, 134.5}, First: []float64{0, 60, 120}, Last: []float64{59, 119, 149},
	}
	check := func(when string) {
		t.Helper()
		if diff := cmp.Diff(want, ask(hour)); diff != "" {
			t.Errorf("%s: %s", when, diff)
		}
		if fine := ask(hour / 12); len(fine.TimesMS) != 30 || fine.Max[1] != 9 || fine.Min[29] != 145 {
			t.Errorf("%s: %+v", when, fine)
		}
	}
	check("nothing is packed")
	if _, err := d.Admin.Pack(t.Context(), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	check("a part is packed")
	if _, err := d.Admin.Pack(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	check("all is packed")
}

func TestForecastsAreKeptAsTheyWereMade(t *testing.T) {
	d := chtest.Start(t)
	r := clickhouse.NewForecastReader(d.Reader)
	now := time.Now().UnixMilli() / 1000 * 1000
	row := func(target uint64, madeAgo, reachIn int64, state string) store.ForecastRow {
		f := store.ForecastRow{Tenant: 1, TargetID: target, Resource: "disk", State: state, Level: 5, PerHour: -1.5, PerHourLow: -2, PerHourHigh: -1, SinceMS: now - 1e6, StepMS: 3_600_000, Scale: 3}
		f.Forecast = model.Forecast{
			Entity: model.Entity{Kind: model.KindHost, Name: "web-1"}, Signal: model.SignalRef{Name: "free", Unit: "By", Labels: []model.Label{{Name: "mountpoint", Value: "/it's"}}},
			MadeMS: now - madeAgo, Kind: store.ForecastExhaustion, Limit: 0, Method: "line", Error: .5, Confidence: .25, Advice: `do "it"`,
			TimesMS: []int64{now, now + 3_600_000}, Median: []float64{1, 2}, Low80: []float64{0, 1}, High80: []float64{2, 3}, Low95: []float64{-1, 0}, High95: []float64{3, 4},
		}
		if reachIn > 0 {
			f.ReachMS, f.EarliestMS, f.LatestMS = now+reachIn, now+reachIn/2, now+2*reachIn
		}
		return f
	}
	var rows []store.ForecastRow
	for i := range uint64(5) {
		// The older ones said something else; what was said last counts.
		rows = append(rows, row(i+1, 60_000, int64(10-i)*1000, "trend"), row(i+1, 3_600_000, 500, "trend"))
	}
	rows = append(rows, row(6, 60_000, 0, "no_trend"), row(6, 3_600_000, 1000, "trend"))
	other := row(9, 60_000, 1, "trend")
	other.Tenant = 2
	for range 2 {
		if err := d.Admin.InsertForecasts(t.Context(), "one", append(rows, other)); err != nil {
			t.Fatal(err)
		}
	}
	f := clickhouse.ForecastFilter{Tenant: 1, FromMS: now - 7_200_000, ToMS: now}
	var order []string
	var after *clickhouse.ForecastCursor
	for {
		page, next, err := r.Latest(t.Context(), f, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range page {
			order = append(order, fmt.Sprint(x.TargetID))
		}
		if after = next; next == nil {
			break
		}
	}
	if diff := cmp.Diff([]string{"5", "4", "3", "2", "1", "6"}, order); diff != "" {
		t.Error(diff)
	}
	past, err := r.History(t.Context(), clickhouse.ForecastFilter{Tenant: 1, TargetID: 3, FromMS: f.FromMS, ToMS: f.ToMS}, 10)
	if err != nil || len(past) != 2 {
		t.Fatalf("%d, %v", len(past), err)
	}
	want := row(3, 60_000, 8000, "trend")
	if diff := cmp.Diff(want, past[0]); diff != "" {
		t.Error(diff)
	}
	for name, c := range map[string]struct {
		f    clickhouse.ForecastFilter
		want int
	}{
		"state":  {clickhouse.ForecastFilter{State: "trend"}, 5},
		"before": {clickhouse.ForecastFilter{ReachBeforeMS: now + 7500}, 2},
		"label":  {clickhouse.ForecastFilter{LabelNames: []string{"mountpoint"}, LabelValues: []string{"/it's"}}, 6},
		"absent": {clickhouse.ForecastFilter{LabelNames: []string{"x"}, LabelValues: []string{"/it's"}}, 0},
		"entity": {clickhouse.ForecastFilter{Entity: "web-1", EntityKind: "host", Metric: "free", Resource: "disk", Kind: store.ForecastExhaustion}, 6},
		"tenant": {clickhouse.ForecastFilter{Entity: "web-2"}, 0},
	} {
		c.f.Tenant, c.f.FromMS, c.f.ToMS = 1, f.FromMS, f.ToMS
		got, _, err := r.Latest(t.Context(), c.f, nil, 100)
		if err != nil || len(got) != c.want {
			t.Errorf("%s: %d rows, want %d (%v)", name, len(got), c.want, err)
		}
	}
	testActuals(t, d, r, now)
}

func testActuals(t *testing.T, d chtest.Databases, r *clickhouse.ForecastReader, now int64) {
	hour := now / 3_600_000 * 3_600_000
	for i, v := range []float64{1, 2} {
		if err := d.Admin.InsertActuals(t.Context(), fmt.Sprint(i), []store.ActualRow{{Tenant: 1, TargetID: 3, TimeMS: hour, Value: v}, {Tenant: 2, TargetID: 3, TimeMS: hour, Value: 9}}); err != nil {
			t.Fatal(err)
		}
	}
	came, err := r.Actuals(t.Context(), 1, []uint64{3, 4}, hour, hour)
	if err != nil || len(came) != 1 || came[0].TimeMS != hour || came[0].Value != 2 {
		t.Errorf("%+v %v", came, err)
	}
}
