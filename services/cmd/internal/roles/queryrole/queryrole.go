// Package queryrole puts the query API and the console together. It is the one place where these parts get their dependencies.
package queryrole

import (
	"context"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/cmd/internal/launch"
	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/config"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/query"
	"github.com/faultline-io/faultline/web"
)

// Role is the query API with the console.
func Role() launch.Role {
	return launch.Role{Name: "query", Short: "Serve the query API and the console", Start: start}
}

// start adds the services of the query API and mounts its routes.
func start(_ context.Context, e *launch.Env) error {
	db, err := clickhouse.Open(clickhouse.Options{DSN: e.Store.DSN(launch.RoleReader), Log: e.Log})
	if err != nil {
		return err
	}
	system, err := clickhouse.Open(clickhouse.Options{DSN: e.Store.DSN(launch.RoleMigrator), MaxConns: 2, Log: e.Log})
	if err != nil {
		return err
	}
	var sql *clickhouse.SQL
	if e.Store.SQLURL != "" {
		if sql, err = clickhouse.OpenSQL(e.Store.SQLURL); err != nil {
			return err
		}
		e.Add(app.StageBus, app.Closer("query-sql", sql.Close))
	}
	e.Add(app.StageBus, app.Closer("query-store", db.Close), app.Closer("query-system-store", system.Close))
	q, err := query.New(queryConfig(e), query.Deps{
		Store: db, System: system, SQL: sql, Bus: e.Bus, Auth: e.Auth, Log: e.Log, Dist: web.Dist, Metrics: e.Metrics, Build: e.Build, Disk: e.Store.Disk, Targets: e.Targets,
		Ready: func(context.Context) error {
			if late := e.NotReady(); len(late) > 0 {
				return errs.New(errs.Unavailable, "not ready: %s", strings.Join(late, ", "))
			}
			return nil
		},
	})
	if err != nil {
		return err
	}
	e.Add(app.StageProcess, q.Parts()...)
	e.Mount("/", q.Handler(), q.Routes()...)
	return nil
}

func queryConfig(e *launch.Env) query.Config {
	c := query.Default()
	if len(e.Roles) == 1 {
		c.Mode = "cluster"
	}
	scheme := e.Config.Scheme() + "://"
	c.Endpoints = query.Endpoints{HTTP: scheme + e.Config.HTTPAddr, OTLPHTTP: scheme + e.Config.OTLPHTTPAddr, OTLPGRPC: e.Config.OTLPGRPCAddr}
	c.DiskWarnRatio, c.DiskFullRatio = e.Config.Disk.WarnRatio, e.Config.Disk.DropRatio
	l := e.Config.Query
	c.Limits.MaxConcurrent, c.Limits.MaxQueued, c.Limits.QueueTimeout, c.Limits.Timeout = l.MaxConcurrent, l.MaxQueued, l.QueueTimeout, l.Timeout
	c.MaxSamples, c.MaxMemory = l.MaxSamples, l.MaxMemory
	c.Series.MaxSamples, c.Series.MaxSeries = l.MaxSamples, l.MaxSeries
	c.PlanOff = e.Config.Query.Pushdown == config.PushdownOff
	c.Warm.BlockBytes = int(e.Config.Query.CacheBytes)
	c.Retention = retentionDays(e.Config.Retention)
	return c
}

func retentionDays(r config.Retention) map[string]int {
	days := func(d time.Duration) int { return int(d.Hours() / 24) }
	return map[string]int{
		"metrics": days(r.Metrics), "metrics_5m": days(r.Metrics5m), "metrics_1h": days(r.Metrics1h), "logs": days(r.Logs), "spans": days(r.Spans), "changes": days(r.Changes),
		"findings": days(r.Findings), "incidents": days(r.Incidents),
	}
}
