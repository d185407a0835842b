package correlatorrole

import (
	"github.com/faultline-io/faultline/services/cmd/internal/launch"
	"github.com/faultline-io/faultline/services/correlator/outlook"
	"github.com/faultline-io/faultline/services/gateway"
	"github.com/faultline-io/faultline/services/gateway/promappend"
	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
)

// startOutlook adds the service that forecasts. It reads as the query API does and writes its series through the gateway's intake, by
// Prometheus' interface.
func startOutlook(e *launch.Env, writer *clickhouse.DB) (*outlook.Service, error) {
	reader, err := clickhouse.Open(clickhouse.Options{DSN: e.Store.DSN(launch.RoleReader), MaxConns: 2, Log: e.Log})
	if err != nil {
		return nil, err
	}
	e.Add(app.StageBus, app.Closer("forecast-store", reader.Close))
	c := gateway.Default()
	c.Shards = e.Config.Shards
	intake, err := gateway.NewIntake(c, gateway.Deps{Publisher: e.Bus, Log: e.Log, Metrics: e.Metrics})
	if err != nil {
		return nil, err
	}
	origin := model.Origin{Tenant: model.DefaultTenant, Source: "forecasts", Protocol: "forecasts"}
	s := outlook.New(outlook.Default(), outlook.Deps{
		Reader: clickhouse.NewMetricReader(reader), Past: clickhouse.NewForecastReader(reader), Writer: writer, Buckets: e.Bus,
		Out: promappend.New(intake, origin), Log: e.Log, Metrics: e.Metrics,
	})
	e.Add(app.StageProcess, s)
	return s, nil
}
