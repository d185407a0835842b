// Package correlatorrole puts the correlator together. It is the one place where its parts get their dependencies.
package correlatorrole

import (
	"context"

	"github.com/faultline-io/faultline/services/cmd/internal/launch"
	"github.com/faultline-io/faultline/services/correlator/patterns"
	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
)

// Role is the correlator with the responder: so far it keeps the dictionary of log templates, evaluates rules and notifies.
func Role() launch.Role {
	return launch.Role{Name: "correlator", Short: "Evaluate rules, notify, watch telemetry and open incidents", Start: start}
}

// start adds the correlator's services. It reads all tenants, so it is a writer to the store, not a reader.
func start(_ context.Context, e *launch.Env) error {
	db, err := clickhouse.Open(clickhouse.Options{DSN: e.Store.DSN(launch.RoleWriter), MaxConns: 2, Log: e.Log})
	if err != nil {
		return err
	}
	e.Add(app.StageBus, app.Closer("correlator-store", db.Close))
	e.Add(app.StageProcess, patterns.New(patterns.Default(), patterns.Deps{Store: db, Log: e.Log, Metrics: e.Metrics}))
	forecasts, err := startOutlook(e, db)
	if err != nil {
		return err
	}
	if err := startBrain(e, db, forecasts.Findings); err != nil {
		return err
	}
	return startResponder(e)
}
