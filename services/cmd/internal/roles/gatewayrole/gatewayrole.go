// Package gatewayrole puts the gateway together: the receivers, the writers that bring what they accepted into the store, and the
// upkeep of the store. It is the one place where these parts get their dependencies.
package gatewayrole

import (
	"context"
	"fmt"
	"time"

	"github.com/faultline-io/faultline/services/cmd/internal/launch"
	"github.com/faultline-io/faultline/services/gateway"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/scrape"
	"github.com/faultline-io/faultline/services/gateway/upkeep"
	"github.com/faultline-io/faultline/services/gateway/writer"
	"github.com/faultline-io/faultline/services/internal/alerts"
	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/config"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
)

// Role is the gateway.
func Role() launch.Role {
	return launch.Role{Name: "gateway", Short: "Take telemetry in and write it to the store", Start: start}
}

// start adds the gateway's services.
func start(_ context.Context, e *launch.Env) error {
	db, err := clickhouse.Open(clickhouse.Options{DSN: e.Store.DSN(launch.RoleWriter), Log: e.Log})
	if err != nil {
		return err
	}
	owner, err := clickhouse.Open(clickhouse.Options{DSN: e.Store.DSN(launch.RoleMigrator), MaxConns: 2, Log: e.Log})
	if err != nil {
		return err
	}
	// The pools close after the writers, which are in an earlier stage.
	e.Add(app.StageBus, app.Closer("writer-store", db.Close), app.Closer("upkeep-store", owner.Close))
	for _, signal := range []model.Signal{model.SignalMetrics, model.SignalLogs, model.SignalSpans, model.SignalChanges} {
		for shard := range e.Config.Shards {
			e.Add(app.StageProcess, writer.New(writer.Default(signal), signal, shard, writer.Deps{Bus: e.Bus, Store: db, Log: e.Log}))
		}
	}
	e.Add(app.StageProcess, upkeep.New(upkeepConfig(e.Config), upkeep.Deps{Store: owner, Bus: e.Bus, Log: e.Log, Disk: e.Store.Disk}))

	g, parts, err := gateway.Parts(gatewayConfig(e), gateway.Deps{Publisher: e.Bus, Auth: e.Auth, Rejections: rejections{db}, Alerts: alerts.NewInbox(e.Bus), Log: e.Log, Metrics: e.Metrics})
	if err != nil {
		return err
	}
	e.Add(app.StageReceive, parts...)
	e.OnReload("pipeline", g.Reload)
	e.Targets = scrape.Targets
	for _, p := range g.Patterns() {
		e.Mount(p, g.Handler())
	}
	return nil
}

func gatewayConfig(e *launch.Env) gateway.Config {
	c := gateway.Default()
	c.OTLPGRPCAddr, c.OTLPHTTPAddr = e.Config.OTLPGRPCAddr, e.Config.OTLPHTTPAddr
	if e.TLS.Config != nil {
		c.TLSCertFile, c.TLSKeyFile = e.TLS.CertPath, e.TLS.KeyPath
	}
	c.ScrapeConfigFile, c.Shards, c.PipelineFile = e.Config.ScrapeConfig, e.Config.Shards, e.Config.Pipeline
	c.Receivers = gateway.Receivers(e.Config.Receivers)
	l := e.Config.Limits
	c.Limits.MaxBodyBytes = l.MaxBodyBytes
	c.Limits.MaxDecodedBytes = max(c.Limits.MaxDecodedBytes, l.MaxBodyBytes)
	c.Limits.MaxInflightBytes = max(c.Limits.MaxInflightBytes, 2*c.Limits.MaxDecodedBytes)
	c.Limits.MaxLabels, c.Limits.MaxLabelNameBytes, c.Limits.MaxLabelValueBytes = l.MaxLabels, l.MaxLabelNameBytes, l.MaxLabelValueBytes
	c.Limits.MaxSeries, c.Limits.MaxFuture = l.MaxSeries, l.MaxFuture
	return c
}

func upkeepConfig(c config.Config) upkeep.Config {
	u := upkeep.Default()
	u.WarnRatio, u.DropRatio = c.Disk.WarnRatio, c.Disk.DropRatio
	u.Retention = clickhouse.Retention{
		"metrics": c.Retention.Metrics, "metrics_5m": c.Retention.Metrics5m, "metrics_1h": c.Retention.Metrics1h,
		"logs": c.Retention.Logs, "spans": c.Retention.Spans, "changes": c.Retention.Changes,
		"findings": c.Retention.Findings, "incidents": c.Retention.Incidents,
	}
	return u
}

// rejections keeps the gateway's counts of refused items in the ledger.
type rejections struct{ db *clickhouse.DB }

func (r rejections) StoreRejections(ctx context.Context, at time.Time, rs []limits.Rejection) error {
	rows := make([]store.RejectedRow, len(rs))
	for i, x := range rs {
		rows[i] = store.RejectedRow{Tenant: x.Tenant, MinuteMS: at.UnixMilli(), Signal: x.Signal, Source: x.Source, Protocol: x.Protocol, Reason: x.Reason, Count: x.Count}
	}
	return r.db.InsertRejected(ctx, fmt.Sprintf("rejected:%d", at.UnixNano()), rows)
}
