package correlatorrole

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"

	"github.com/faultline-io/faultline/services/cmd/internal/launch"
	"github.com/faultline-io/faultline/services/correlator/backtest"
	"github.com/faultline-io/faultline/services/correlator/brain"
	"github.com/faultline-io/faultline/services/correlator/live"
	"github.com/faultline-io/faultline/services/gateway"
	"github.com/faultline-io/faultline/services/gateway/promappend"
	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
)

// startBrain adds the brain and the runner of backtests. forecasts has the findings that forecasts are.
func startBrain(e *launch.Env, writer *clickhouse.DB, forecasts func() []model.Finding) error {
	reader, err := clickhouse.Open(clickhouse.Options{DSN: e.Store.DSN(launch.RoleReader), MaxConns: 2, Log: e.Log})
	if err != nil {
		return err
	}
	e.Add(app.StageBus, app.Closer("brain-store", reader.Close))
	c := gateway.Default()
	c.Shards = e.Config.Shards
	intake, err := gateway.NewIntake(c, gateway.Deps{Publisher: e.Bus, Log: e.Log, Metrics: e.Metrics})
	if err != nil {
		return err
	}
	cfg := live.Default()
	cfg.Shards = e.Config.Shards
	alerts := live.NewAlerts(model.DefaultTenant, e.Bus, e.Log, time.Now)
	derived := promappend.New(intake, model.Origin{Tenant: model.DefaultTenant, Source: brain.DerivedSource, Protocol: brain.DerivedSource})
	e.Add(app.StageProcess, alerts,
		live.New(cfg, live.Deps{
			Bus: e.Bus, Store: live.NewTables(writer), Derived: appendDerived(derived), Outside: []func() []model.Finding{alerts.Findings, forecasts},
			Log: e.Log, Metrics: e.Metrics, Now: time.Now,
		}),
		backtest.NewRunner(cfg.Brain, backtest.RunnerDeps{Bus: e.Bus, Source: backtest.NewTables(reader), Log: e.Log}))
	return nil
}

// appendDerived hands derived samples to the intake, as recording rules do.
func appendDerived(to storage.Appendable) live.Intake {
	return func(ctx context.Context, _ model.TenantID, ds []model.Derived) error {
		a := to.Appender(ctx)
		b := labels.NewScratchBuilder(8)
		for i := range ds {
			d := &ds[i]
			b.Reset()
			b.Add(model.LabelName, d.Name)
			for _, l := range d.Labels {
				b.Add(l.Name, l.Value)
			}
			b.Sort()
			v := d.Value
			if d.Stale {
				v = math.Float64frombits(value.StaleNaN)
			}
			if _, err := a.Append(0, b.Labels(), d.TimeMS, v); err != nil {
				return fmt.Errorf("append %s: %w", d.Name, err)
			}
		}
		return a.Commit()
	}
}
