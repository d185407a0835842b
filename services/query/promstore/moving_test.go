package promstore

import (
	"fmt"
	"math"
	"regexp"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse/chtest"
	"github.com/faultline-io/faultline/services/model"
)

// read returns the samples of every series of a metric, by its labels.
func read(t *testing.T, q storage.Queryable, minMS, maxMS int64, ms ...*labels.Matcher) map[string][]point {
	t.Helper()
	querier, err := q.Querier(minMS, maxMS)
	if err != nil {
		t.Fatal(err)
	}
	defer querier.Close()
	set := querier.Select(t.Context(), true, nil, ms...)
	out := map[string][]point{}
	var it chunkenc.Iterator
	for set.Next() {
		s := set.At()
		it = s.Iterator(it)
		var points []point
		for it.Next() == chunkenc.ValFloat {
			ts, v := it.At()
			points = append(points, point{ts, v})
		}
		if it.Err() != nil {
			t.Fatal(it.Err())
		}
		out[s.Labels().String()] = points
	}
	if set.Err() != nil {
		t.Fatal(set.Err())
	}
	return out
}

func equal(name, value string) *labels.Matcher {
	return labels.MustNewMatcher(labels.MatchEqual, name, value)
}

// TestNothingIsMissedWhilePacking reads all the time while samples move from table to table: every answer has every sample, once.
func TestNothingIsMissedWhilePacking(t *testing.T) {
	s := newTables(t, chtest.Start(t), false)
	const series, samples = 20, 500
	done := make(chan struct{})
	packed := make(chan error, 1)
	batch := func() *appender {
		a := s.AppenderV2(t.Context()).(*appender)
		for i := range series {
			for j := range samples {
				ts := int64(j) * 1000
				_, _ = a.Append(0, labels.FromStrings("__name__", "moving", "i", fmt.Sprint(i)), 0, ts, float64(ts)*0.5, nil, nil, storage.AppendV2Options{})
			}
		}
		return a
	}
	if err := batch().Commit(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(done)
		for range 5 {
			if _, err := s.db.Admin.Pack(t.Context(), time.Now().Add(time.Hour)); err != nil {
				packed <- err
				return
			}
			// Another packing needs fresh samples: the same again, as a sender's retry would bring them.
			again := []*model.Metrics{batch().batch}
			if err := s.db.Admin.InsertMetrics(t.Context(), fmt.Sprintf("again-%d", lastBatch.Add(1)), again); err != nil {
				packed <- err
				return
			}
		}
		packed <- nil
	}()
	t.Cleanup(func() { <-done })
	rounds := 0
	for open := true; open; rounds++ {
		select {
		case <-done:
			open = false
		default:
		}
		got := read(t, s, 0, math.MaxInt64, equal("__name__", "moving"))
		if len(got) != series {
			t.Fatalf("round %d: %d series, want %d", rounds, len(got), series)
		}
		for name, points := range got {
			if len(points) != samples {
				t.Fatalf("round %d: %s has %d samples, want %d", rounds, name, len(points), samples)
			}
			for i, p := range points {
				if p.t != int64(i)*1000 || p.v != float64(p.t)*0.5 {
					t.Fatalf("round %d: %s sample %d is %+v", rounds, name, i, p)
				}
			}
		}
	}
	if err := <-packed; err != nil {
		t.Fatal(err)
	}
	t.Logf("%d readings during five packings", rounds)
}

// TestOddStrings stores labels that would break a statement they were pasted into, and finds each by every kind of matcher.
func TestOddStrings(t *testing.T) {
	s := newTables(t, chtest.Start(t), false)
	odd := []string{`'`, `"`, `\`, `\'`, `a\nb`, "a\nb", "tab\t", "nul\x00", "{p0:String}", "/*condition*/", "' OR 1=1 --", "ünïcödé", "%", "[1,2]", "🔥", "\\\\", "a|b", ".*"}
	a := s.AppenderV2(t.Context())
	for i, v := range odd {
		if _, err := a.Append(0, labels.FromStrings("__name__", "odd", "v", v, "k"+v, "x"), 0, 1000, float64(i), nil, nil, storage.AppendV2Options{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Commit(); err != nil {
		t.Fatal(err)
	}
	for i, v := range odd {
		for _, m := range []*labels.Matcher{
			equal("v", v),
			equal("k"+v, "x"),
			labels.MustNewMatcher(labels.MatchRegexp, "v", regexp.QuoteMeta(v)),
			labels.MustNewMatcher(labels.MatchRegexp, "v", regexp.QuoteMeta(v)+"|nothing else"),
			labels.MustNewMatcher(labels.MatchRegexp, "v", "(?i:"+regexp.QuoteMeta(v)+")"),
		} {
			got := read(t, s, 0, 2000, equal("__name__", "odd"), m)
			if len(got) != 1 {
				t.Errorf("%s: %d series, want 1: %v", m, len(got), got)
				continue
			}
			for _, points := range got {
				if len(points) != 1 || points[0].v != float64(i) {
					t.Errorf("%s: %v, want %d", m, points, i)
				}
			}
		}
		if got := read(t, s, 0, 2000, equal("__name__", "odd"), labels.MustNewMatcher(labels.MatchNotEqual, "v", v)); len(got) != len(odd)-1 {
			t.Errorf("v != %q: %d series, want %d", v, len(got), len(odd)-1)
		}
	}
	values, err := clickhouse.NewMetricReader(s.db.Reader).LabelValues(t.Context(), s.tenant, "v", nil, time.Time{}, 100)
	if err != nil || len(values) != len(odd) {
		t.Errorf("%d values, want %d: %v", len(values), len(odd), err)
	}
}
