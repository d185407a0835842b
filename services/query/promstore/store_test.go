package promstore

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
)

// fakeReader counts questions; it answers with as many series as it is told.
type fakeReader struct {
	clickhouse.MetricReader
	asked  int
	series int
}

func (f *fakeReader) Series(context.Context, model.TenantID, []clickhouse.Matcher, time.Time, int) ([]clickhouse.SeriesRow, error) {
	f.asked++
	rows := make([]clickhouse.SeriesRow, f.series)
	for i := range rows {
		// One label "i", in the engine's row format.
		v := fmt.Sprint(i)
		rows[i] = clickhouse.SeriesRow{ID: uint64(i), MetricID: 1, Name: "m", Labels: "\x01\x01i" + string(rune(len(v))) + v}
	}
	return rows, nil
}

func TestSeriesAreRememberedForAWhile(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	r := &fakeReader{series: 3}
	s := New(Config{SeriesTTL: 5 * time.Second}, r, nil, func() time.Time { return now })
	find := func(tenant model.TenantID, value string) *foundSeries {
		t.Helper()
		f, err := s.find(t.Context(), tenant, []*labels.Matcher{equal("__name__", value)}, now)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if got := find(1, "m"); len(got.series) != 3 || got.series[2].labels.Get("i") != "2" || !got.whole {
		t.Errorf("found %+v", got.series)
	}
	find(1, "m")
	if r.asked != 1 {
		t.Errorf("asked %d times, want once", r.asked)
	}
	find(2, "m") // another tenant must never see the first one's
	find(0xD800, "m")
	find(0xD801, "m")
	find(0xFFFFFFFF, "m")
	find(1, "n")
	if r.asked != 6 {
		t.Errorf("asked %d times, want 6", r.asked)
	}
	now = now.Add(5 * time.Second)
	r.series = 4
	if got := find(1, "m"); len(got.series) != 4 {
		t.Errorf("%d series after the time to live, want 4", len(got.series))
	}
}

func TestCachesAreBounded(t *testing.T) {
	r := &fakeReader{series: 10}
	s := New(Config{SeriesTTL: time.Hour, CacheSeries: 40}, r, nil, time.Now)
	for i := range 50 {
		m := labels.MustNewMatcher(labels.MatchRegexp, "i", fmt.Sprintf("[0-9]|x%d", i))
		if _, err := s.find(t.Context(), 1, []*labels.Matcher{m}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if s.found.series > 40 || len(s.found.byKey) != s.found.order.Len() {
		t.Errorf("%d series in %d entries, %d in order", s.found.series, len(s.found.byKey), s.found.order.Len())
	}
	if n := len(s.labels.young) + len(s.labels.old); n > 40 {
		t.Errorf("%d label sets are kept, want 40 at most", n)
	}
}

func TestIteratorMergesWhatWasReadTwice(t *testing.T) {
	stale := clickhouse.StaleMarker()
	it := &iterator{times: []int64{30, 10, 20, 20, 10, 40}, values: []float64{3, 1, stale, 2, 1, stale}}
	it.order()
	it.clip(10, 40)
	var got []string
	for it.Next() != 0 {
		ts, v := it.At()
		if clickhouse.IsStale(v) {
			got = append(got, fmt.Sprintf("%d:stale", ts))
			continue
		}
		got = append(got, fmt.Sprintf("%d:%g", ts, v))
	}
	if want := "[10:1 20:2 30:3 40:stale]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestIteratorSeeks(t *testing.T) {
	it := &iterator{times: []int64{10, 20, 30, 40}, values: []float64{1, 2, 3, 4}, hists: []model.HistogramSample{{TimeMS: 25, Count: 7}}}
	it.clip(15, 35)
	f := func(to, want int64, kind string) {
		t.Helper()
		got := it.Seek(to)
		if got.String() != kind || (want != 0 && it.AtT() != want) {
			t.Errorf("Seek(%d) = %s at %d, want %s at %d", to, got, it.AtT(), kind, want)
		}
	}
	f(0, 20, "float")
	f(20, 20, "float")
	f(5, 20, "float") // never back
	f(21, 25, "floathistogram")
	f(26, 30, "float")
	f(31, 0, "none")
	if it.Next() != 0 {
		t.Error("goes on after its end")
	}
}

func TestLimitsAreNamed(t *testing.T) {
	s := New(Config{MaxSamples: 10}, &fakeReader{}, nil, time.Now)
	if err := s.tooMany(); errs.KindOf(err) != errs.Exhausted || errs.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
}
