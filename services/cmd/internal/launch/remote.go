package launch

import (
	"context"
	"log/slog"

	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/bus/natsbus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/migrations"
)

// Remote returns the openers of servers elsewhere, which every binary has.
func Remote() Openers {
	return Openers{
		Bus:   map[string]OpenBus{"nats": openNATS, "tls": openNATS},
		Store: map[string]OpenStore{"clickhouse": openClickHouse},
	}
}

// openNATS connects to a NATS server.
func openNATS(ctx context.Context, o Opening) (bus.Bus, error) {
	nc, err := natsbus.Dial(o.Config.NATS.URL, o.Name, o.Log)
	if err != nil {
		return nil, err
	}
	b, err := natsbus.Open(ctx, nc, natsbus.Config{Shards: o.Config.Shards}, o.Log)
	if err != nil {
		nc.Close()
		return nil, err
	}
	o.Group.Add(app.StageBus, app.Closer("bus", func() error { b.Close(); return nil }))
	o.Say("  transport: NATS at %s", nc.ConnectedUrlRedacted())
	return b, nil
}

// storeHint is what to do when a ClickHouse server elsewhere cannot be used.
const storeHint = "check clickhouse_url, that the server runs, and that its user may create and use the database"

// openClickHouse checks that a ClickHouse server answers. Every role uses the address as it is: its user must have the rights.
func openClickHouse(ctx context.Context, o Opening) (Store, error) {
	dsn, c := o.Config.ClickHouse.URL, o.Config.ClickHouse
	target := migrations.Target{Cluster: c.Cluster, OnCluster: c.Cluster != "", Replicated: c.Replicated}
	if o.Migrating {
		if err := clickhouse.CreateDatabase(ctx, dsn, target); err != nil {
			return Store{}, &errs.Error{Kind: errs.KindOf(err), Err: err, Hint: storeHint}
		}
	}
	db, err := clickhouse.Open(clickhouse.Options{DSN: dsn, MaxConns: 1, Log: o.Log})
	if err != nil {
		return Store{}, err
	}
	if err := db.Ping(ctx); err != nil {
		if cerr := db.Close(); cerr != nil {
			o.Log.DebugContext(ctx, "close after a failed ping", slog.Any("error", cerr))
		}
		return Store{}, &errs.Error{Kind: errs.Unavailable, Err: err, Hint: storeHint}
	}
	o.Say("  store: ClickHouse, database %s", db.Database())
	return Store{DSN: func(string) string { return dsn }, SQLURL: c.SQLURL, Target: target}, db.Close()
}
