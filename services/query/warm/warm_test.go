package warm

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse/chtest"
	"github.com/faultline-io/faultline/services/model"
)

// world is a database with a reader that remembers and one that does not.
type world struct {
	testing.TB
	db      chtest.Databases
	plain   *clickhouse.MetricReader
	warm    *Reader
	now     time.Time
	batches int
}

const tenant = model.TenantID(7)

func newWorld(tb testing.TB, cfg Config) *world {
	tb.Helper()
	w := &world{TB: tb, db: chtest.Start(tb), now: time.Now()}
	w.plain = clickhouse.NewMetricReader(w.db.Reader)
	// Time moves a second a look, so that every question looks at the parts.
	w.warm = New(cfg, Deps{Tables: w.plain, System: w.db.Admin, Now: func() time.Time { w.now = w.now.Add(time.Second); return w.now }})
	return w
}

func seriesID(i int) uint64 { return uint64(i+1) * 0x9e3779b97f4a7c15 }

// put stores samples of n series of a metric, every step from one time to another, and announces the series.
func (w *world) put(metric string, from, n int, fromMS, toMS, stepMS int64) {
	w.Helper()
	w.batches++
	id := model.MetricID(metric)
	m := &model.Metrics{Header: model.Header{Origin: model.Origin{Tenant: tenant}, ReceivedAtMS: time.Now().UnixMilli()}}
	for i := from; i < from+n; i++ {
		m.Announced = append(m.Announced, model.Series{ID: seriesID(i), MetricID: id, Name: metric, Labels: []model.Label{
			{Name: "even", Value: fmt.Sprint(i%2 == 0)}, {Name: "i", Value: fmt.Sprint(i)},
		}})
		count := uint32(0)
		for t := fromMS; t < toMS; t += stepMS {
			m.TimesMS, m.Values = append(m.TimesMS, t+int64(i)), append(m.Values, float64(i)+float64(t)/1000)
			count++
		}
		m.MetricIDs, m.SeriesIDs, m.Counts = append(m.MetricIDs, id), append(m.SeriesIDs, seriesID(i)), append(m.Counts, count)
	}
	if err := w.db.Admin.InsertMetrics(w.Context(), fmt.Sprint("batch-", w.batches), []*model.Metrics{m}); err != nil {
		w.Fatal(err)
	}
}

func (w *world) pack() {
	w.Helper()
	if _, err := w.db.Admin.Pack(w.Context(), time.Now().Add(time.Hour)); err != nil {
		w.Fatal(err)
	}
}

type sample struct {
	series uint64
	t      int64
	v      float64
}

type samplesReader interface {
	Samples(ctx context.Context, q clickhouse.SampleQuery, f func(c clickhouse.Chunk) error) error
}

// read returns the samples that answer a question, each once, in order.
func (w *world) read(ctx context.Context, from samplesReader, q clickhouse.SampleQuery) []sample {
	w.Helper()
	var out []sample
	err := from.Samples(ctx, q, func(c clickhouse.Chunk) error {
		times, values, err := c.Append(nil, nil)
		for i, t := range times {
			if t >= q.MinMS && t <= q.MaxMS && slices.Contains(q.IDs, c.SeriesID) {
				out = append(out, sample{c.SeriesID, t, values[i]})
			}
		}
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	slices.SortFunc(out, func(a, b sample) int { return cmp.Or(cmp.Compare(a.series, b.series), cmp.Compare(a.t, b.t)) })
	return slices.Compact(out)
}

// check asks both readers and returns what the warm one read.
func (w *world) check(q clickhouse.SampleQuery) *Stats {
	w.Helper()
	ctx, stats := WithStats(w.Context())
	want, got := w.read(w.Context(), w.plain, q), w.read(ctx, w.warm, q)
	if !slices.Equal(want, got) {
		w.Fatalf("%d samples from memory, %d from the tables, for %+v", len(got), len(want), q)
	}
	return stats
}

func question(metric string, minMS, maxMS int64, series ...int) clickhouse.SampleQuery {
	q := clickhouse.SampleQuery{Tenant: tenant, Metrics: []uint32{model.MetricID(metric)}, MinMS: minMS, MaxMS: maxMS}
	for _, i := range series {
		q.IDs = append(q.IDs, seriesID(i))
	}
	return q
}

const minute = int64(60_000)

// TestMemoryAnswersAsTheTablesDo asks random questions while samples come, late ones too, and are packed: each answer is the tables'.
func TestMemoryAnswersAsTheTablesDo(t *testing.T) {
	w := newWorld(t, Default())
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 3))
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	var kept, read int64
	for round := range 24 {
		from := day - 12*60*minute + int64(r.IntN(24*60))*minute
		w.put("a", 0, 10, from, from+int64(1+r.IntN(200))*minute, 20_000)
		if round%3 == 0 {
			w.pack()
		}
		for range 6 {
			lo := day - 13*60*minute + int64(r.IntN(26*60))*minute
			q := question("a", lo, lo+int64(r.IntN(2000))*minute, r.IntN(10), r.IntN(12))
			w.check(q)
			s := w.check(q)
			kept, read = kept+s.Kept.Load(), read+s.Read.Load()
		}
	}
	if kept == 0 || read != 0 {
		t.Errorf("asked twice: %d blocks from memory, %d read", kept, read)
	}
}

func TestNothingIsReadTwice(t *testing.T) {
	w := newWorld(t, Default())
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	w.put("a", 0, 5, day, day+600*minute, 30_000)
	w.pack()
	q := question("a", day+300*minute, day+360*minute, 0, 1, 2)
	if s := w.check(q); s.Read.Load() == 0 || s.Kept.Load() != 0 {
		t.Errorf("first: %d read, %d kept", s.Read.Load(), s.Kept.Load())
	}
	f := func(what string, q clickhouse.SampleQuery, mostRead int64) {
		t.Helper()
		s := w.check(q)
		if s.Read.Load() > mostRead || s.Recent.Load() != 0 {
			t.Errorf("%s: %d blocks read, want %d at most", what, s.Read.Load(), mostRead)
		}
	}
	f("again", q, 0)
	f("a part of it", question("a", day+310*minute, day+320*minute, 1), 0)
	f("further to the right", question("a", day+310*minute, day+380*minute, 0, 1, 2), 3)
	f("further to the left", question("a", day+200*minute, day+380*minute, 0, 1, 2), 6)
	f("all of that", question("a", day+200*minute, day+380*minute, 0, 1, 2), 0)
	f("a new series", question("a", day+310*minute, day+380*minute, 0, 3), 3)
	f("a series that is nowhere", question("a", day+310*minute, day+380*minute, 77), 0)
	w.put("a", 0, 1, day+305*minute+1, day+306*minute, 1000) // late
	w.pack()
	if s := w.check(q); s.Read.Load() == 0 {
		t.Error("what came late was not read")
	}
}

// TestNothingIsMissedWhilePacking reads all the time while samples move: every answer has every sample.
func TestNothingIsMissedWhilePacking(t *testing.T) {
	w := newWorld(t, Default())
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	w.put("a", 0, 20, day, day+100*minute, 15_000)
	q := question("a", day, day+100*minute, 0, 3, 19)
	want := len(w.read(t.Context(), w.plain, q))
	done := make(chan error, 1)
	go func() {
		for i := range 6 {
			if _, err := w.db.Admin.Pack(t.Context(), time.Now().Add(time.Hour)); err != nil {
				done <- err
				return
			}
			w.batches = 1000 + i
			w.put("a", 0, 20, day, day+100*minute, 15_000) // the same again, as a sender's retry would bring them
		}
		done <- nil
	}()
	for rounds := 0; ; rounds++ {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d readings", rounds)
			return
		default:
		}
		if got := w.read(t.Context(), w.warm, q); len(got) != want {
			t.Fatalf("reading %d has %d samples, want %d", rounds, len(got), want)
		}
	}
}

func TestSeriesAreThoseOfTheTable(t *testing.T) {
	w := newWorld(t, Default())
	name := clickhouse.Matcher{Op: clickhouse.MatchEqual, Name: model.LabelName, Value: "a"}
	sets := [][]clickhouse.Matcher{
		{name}, {name, {Op: clickhouse.MatchEqual, Name: "even", Value: "true"}}, {name, {Op: clickhouse.MatchNotEqual, Name: "even", Value: "true"}},
		{name, {Op: clickhouse.MatchEqual, Name: "absent"}}, {name, {Op: clickhouse.MatchNotEqual, Name: "absent"}}, {name, {Op: clickhouse.MatchRegexp, Name: "i", Value: "1.*"}},
		{name, {Op: clickhouse.MatchNotRegexp, Name: "i", Value: "1|2|3", OneOf: []string{"1", "2", "3"}}}, {{Op: clickhouse.MatchRegexp, Name: model.LabelName, Value: "a|b"}},
	}
	for round := range 4 {
		w.put("a", round*8, 12, 0, minute, 30_000)
		w.put("b", round*8+1000, 3, 0, minute, 30_000)
		for i, ms := range sets {
			for _, notBefore := range []time.Time{{}, time.Now(), time.Now().Add(48 * time.Hour)} {
				want, err := w.plain.Series(t.Context(), tenant, ms, notBefore, 1000)
				if err != nil {
					t.Fatal(err)
				}
				got, err := w.warm.Series(t.Context(), tenant, ms, notBefore, 1000)
				if err != nil {
					t.Fatal(err)
				}
				byID := func(a, b clickhouse.SeriesRow) int { return cmp.Compare(a.ID, b.ID) }
				slices.SortFunc(want, byID)
				slices.SortFunc(got, byID)
				if !slices.Equal(want, got) {
					t.Errorf("round %d, matchers %d, %s: %d series, want %d", round, i, notBefore, len(got), len(want))
				}
			}
		}
	}
	if got, err := w.warm.Series(t.Context(), tenant+1, sets[0], time.Time{}, 1000); err != nil || len(got) != 0 {
		t.Errorf("another tenant sees %d series, %v", len(got), err)
	}
	if _, err := w.warm.Series(t.Context(), tenant, sets[0], time.Time{}, 5); errs.KindOf(err) != errs.Exhausted {
		t.Errorf("error %v, want that of the limit", err)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	w := newWorld(t, Config{BlockBytes: 60_000, Series: 60})
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	for i := range 8 {
		metric := fmt.Sprint("m", i)
		w.put(metric, i*30, 30, day, day+200*minute, 15_000)
	}
	w.pack()
	for range 2 {
		for i := range 8 {
			metric := fmt.Sprint("m", i)
			ids := make([]int, 10)
			for j := range ids {
				ids[j] = i*30 + j
			}
			w.check(question(metric, day, day+200*minute, ids...))
			if _, err := w.warm.Series(t.Context(), tenant, []clickhouse.Matcher{{Op: clickhouse.MatchEqual, Name: model.LabelName, Value: metric}}, time.Time{}, 100); err != nil {
				t.Fatal(err)
			}
			if _, bytes := w.warm.blocks.size(); bytes > 60_000 {
				t.Fatalf("%d bytes are kept", bytes)
			}
			if n := len(w.warm.index.young) + len(w.warm.index.old); n > 4 {
				t.Fatalf("%d metrics are kept", n)
			}
		}
	}
}

// TestWithoutASystemUserTheTablesAnswer uses a user that may not see parts.
func TestWithoutASystemUserTheTablesAnswer(t *testing.T) {
	w := newWorld(t, Default())
	w.warm.deps.System = w.db.Reader
	w.put("a", 0, 5, 0, 10*minute, 30_000)
	w.pack()
	w.check(question("a", 0, 10*minute, 0, 1))
	if !w.warm.off() {
		t.Error("keeps asking for what it may not see")
	}
}
