package promstore

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse/chtest"
	"github.com/faultline-io/faultline/services/query/promplan"
	"github.com/faultline-io/faultline/services/query/reqctx"
	"github.com/faultline-io/faultline/services/query/warm"
)

// BenchmarkPlans asks for the processors of a hundred hosts, 6,400 series and two hours at 15 seconds, all packed: by Prometheus' engine
// and by the planner, from the tables and from memory. Series are found once.
func BenchmarkPlans(b *testing.B) {
	db := chtest.Start(b)
	end := time.Now().Truncate(time.Hour)
	fill(b, db.Admin, end.Add(-2*time.Hour), end)
	if _, err := db.Admin.Pack(b.Context(), time.Now().Add(time.Hour)); err != nil {
		b.Fatal(err)
	}
	inner := promql.NewEngine(promql.EngineOpts{MaxSamples: 50_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, Parser: parser.NewParser(parser.Options{})})
	ctx := reqctx.WithIdentity(context.Background(), reqctx.Identity{User: "bench", Tenant: 1})
	plain := clickhouse.NewMetricReader(db.Reader)
	for _, e := range []struct {
		name   string
		engine promql.QueryEngine
	}{{"engine", inner}, {"plan", promplan.New(inner, promplan.Config{MaxSamples: 50_000_000})}} {
		for _, r := range []struct {
			name   string
			reader Reader
		}{{"tables", plain}, {"memory", warm.New(warm.Default(), warm.Deps{Tables: plain, System: db.Admin, Now: time.Now})}} {
			store := New(Config{SeriesTTL: time.Hour}, r.reader, nil, time.Now)
			for name, expr := range map[string]string{
				"fleet": `sum by (mode) (rate(node_cpu_seconds_total[5m]))`,
				"host":  `100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle",instance="host-7"}[5m])))`,
			} {
				b.Run(name+"/"+e.name+"/"+r.name, func(b *testing.B) {
					own, engines := cpuMS(b)
					for b.Loop() {
						q, err := e.engine.NewRangeQuery(ctx, store, nil, expr, end.Add(-2*time.Hour), end, time.Minute)
						if err != nil {
							b.Fatal(err)
						}
						if m, err := q.Exec(ctx).Matrix(); err != nil || len(m) == 0 {
							b.Fatalf("%d series, %v", len(m), err)
						}
						q.Close()
					}
					ownNow, enginesNow := cpuMS(b)
					b.ReportMetric((ownNow-own)/float64(b.N), "own-cpu-ms/op")
					b.ReportMetric((enginesNow-engines)/float64(b.N), "engine-cpu-ms/op")
				})
			}
		}
	}
}
