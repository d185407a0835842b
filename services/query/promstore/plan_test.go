package promstore

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse/chtest"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/promplan"
	"github.com/faultline-io/faultline/services/query/warm"
)

// warmTables is tables read through memory.
type warmTables struct{ *tables }

func (s warmTables) Querier(minMS, maxMS int64) (storage.Querier, error) {
	plain := clickhouse.NewMetricReader(s.db.Reader)
	reader := warm.New(warm.Default(), warm.Deps{Tables: plain, System: s.db.Admin, Now: time.Now})
	q, err := New(Config{SeriesTTL: time.Hour}, reader, nil, time.Now).Querier(minMS, maxMS)
	return tenantQuerier{q, s.tenant}, err
}

func minutely(int64) int64 { return time.Minute.Milliseconds() }

// TestPrometheusOwnPlanned runs the quick files of Prometheus' tests with the planner and with memory.
func TestPrometheusOwnPlanned(t *testing.T) {
	db := chtest.Start(t)
	for name, pack := range map[string]bool{"recent": false, "packed": true} {
		t.Run(name, func(t *testing.T) {
			e := promplan.New(testEngine(t), promplan.Config{MaxSamples: 10_000_000, NoStepSubqueryInterval: minutely, DelayedNames: true})
			promqltest.RunBuiltinTestsWithStorage(filtered{t, filesPlanned}, e, func(tb testing.TB) storage.Storage { return warmTables{newTables(tb, db, pack)} })
		})
	}
}

var filesPlanned = []string{"literals.test", "range_queries.test", "staleness.test"}

// TestPlansChangeNothingOverTables evaluates shapes of queries with and without a plan over samples that are packed, that are not, and
// that are both, with staleness markers, resets and gaps: the results are the same bit by bit.
func TestPlansChangeNothingOverTables(t *testing.T) {
	db := chtest.Start(t)
	s := newTables(t, db, false)
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 5))
	fill := func(fromMS, toMS int64) {
		a := s.AppenderV2(t.Context())
		for i := range 12 {
			ls := labels.FromStrings("__name__", []string{"requests_total", "temperature"}[i%2], "host", fmt.Sprint(i%3), "mode", fmt.Sprint(i/2))
			v := r.Float64() * 100
			for at := fromMS + int64(r.IntN(60_000)); at < toMS; at += 15_000 + int64(r.IntN(3)) {
				if v += float64(r.IntN(10)); r.IntN(80) == 0 {
					at, v = at+int64(r.IntN(600_000)), 0
				}
				sample := v
				if r.IntN(60) == 0 {
					sample = clickhouse.StaleMarker()
				}
				if _, err := a.Append(0, ls, 0, at, sample, nil, nil, storage.AppendV2Options{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := a.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	inner := testEngine(t)
	// What is stored is seen a moment later when memory answers; the clock moves past that moment before questions are asked.
	var ahead time.Duration
	reader := warm.New(warm.Default(), warm.Deps{Tables: clickhouse.NewMetricReader(db.Reader), System: db.Admin, Now: func() time.Time { return time.Now().Add(ahead) }})
	remembered := tenantQueryable{New(Config{SeriesTTL: time.Millisecond}, reader, nil, time.Now), s.tenant}
	planned := promplan.New(inner, promplan.Config{MaxSamples: 10_000_000, NoStepSubqueryInterval: minutely, DelayedNames: true, Workers: 3})
	day := time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC).UnixMilli() // across midnight, where blocks are cut
	for round, pack := range []bool{false, true, false, true} {
		fill(day+int64(round)*3_000_000, day+int64(round+1)*3_000_000)
		if pack {
			if _, err := db.Admin.Pack(t.Context(), time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		ahead += 2 * time.Second
		native := 0
		for range 40 {
			leaf := []string{"rate", "increase", "delta", "irate", "sum_over_time", "avg_over_time", "max_over_time", "count_over_time", "changes", "resets"}[r.IntN(10)]
			name := []string{"requests_total", "temperature", `requests_total{host=~"[01]"}`}[r.IntN(3)]
			modifier := []string{"", "", " offset 11m", " offset -4m", " @ end()", fmt.Sprintf(" @ %d", day/1000+int64(r.IntN(9000)))}[r.IntN(6)]
			arg := []string{leaf + "(" + name + "[" + []string{"40s", "5m", "1h"}[r.IntN(3)] + "]" + modifier + ")", name + modifier}[r.IntN(2)]
			expr := []string{"sum", "avg", "min", "max", "count"}[r.IntN(5)] + []string{"", " by (host)", " without (mode)"}[r.IntN(3)] + " (" + arg + ")"
			start := time.UnixMilli(day + int64(r.IntN(12_000_000)))
			end, step := start.Add(time.Duration(r.IntN(7200))*time.Second), time.Duration(1+r.IntN(300))*time.Second
			eval := func(e promql.QueryEngine, s storage.Queryable) (string, *promplan.Plan) {
				q, err := e.NewRangeQuery(t.Context(), s, nil, expr, start, end, step)
				if err != nil {
					t.Fatal(err)
				}
				res := q.Exec(t.Context())
				m, err := res.Matrix()
				if err != nil {
					t.Fatal(err)
				}
				text := ""
				for _, s := range m {
					text += s.Metric.String()
					for _, p := range s.Floats {
						text += fmt.Sprintf(" %d:%x", p.T, math.Float64bits(p.F))
					}
				}
				return text, promplan.PlanOf(q)
			}
			want, _ := eval(inner, s)
			got, plan := eval(planned, remembered)
			if want != got {
				t.Fatalf("seed %d round %d: %s from %s to %s step %s:\n%.1000s\n%.1000s", seed, round, expr, start, end, step, want, got)
			}
			if plan.Mode == promplan.ModeNative {
				native++
			}
		}
		if native < 12 {
			t.Errorf("round %d: only %d queries were evaluated natively", round, native)
		}
	}
}

// tenantQueryable asks as a tenant.
type tenantQueryable struct {
	*Store
	tenant model.TenantID
}

func (q tenantQueryable) Querier(minMS, maxMS int64) (storage.Querier, error) {
	inner, err := q.Store.Querier(minMS, maxMS)
	return tenantQuerier{inner, q.tenant}, err
}
