package main

import (
	"context"
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/faultline-io/faultline/services/cmd/internal/launch"
	"github.com/faultline-io/faultline/services/cmd/internal/roles/agentrole"
	"github.com/faultline-io/faultline/services/cmd/internal/roles/correlatorrole"
	"github.com/faultline-io/faultline/services/cmd/internal/roles/gatewayrole"
	"github.com/faultline-io/faultline/services/cmd/internal/roles/queryrole"
	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/bus/diskguard"
	"github.com/faultline-io/faultline/services/internal/bus/embedded"
	"github.com/faultline-io/faultline/services/internal/bus/natsbus"
	"github.com/faultline-io/faultline/services/internal/config"
	"github.com/faultline-io/faultline/services/internal/datadir"
	"github.com/faultline-io/faultline/services/internal/engine"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
)

// processName is the all-in-one's name in its lock, its log and its transport.
const processName = "faultline"

// clusterRoles are the parts that can be processes of their own, in the order in which they start. What a role consists of is in its
// own package.
func clusterRoles() []launch.Role {
	return []launch.Role{gatewayrole.Role(), queryrole.Role(), correlatorrole.Role()}
}

// roles are the parts of the all-in-one.
func roles() []launch.Role { return append(clusterRoles(), agentrole.Role()) }

// openers are the backends: those elsewhere, and the embedded ones that only this binary has.
func openers() launch.Openers {
	o := launch.Remote()
	o.Bus["embedded"] = openNATS
	o.Store["embedded"] = openEngine
	return o
}

// runAll runs everything on this machine.
func runAll(cmd *cobra.Command, flags *launch.Flags) error {
	cfg, err := flags.Load()
	if err != nil {
		return err
	}
	p := launch.Process{
		Name: processName, Roles: roles(), Openers: openers(), Migrate: true, Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr(),
	}
	return p.Run(cmd.Context(), cfg)
}

// engineConfig translates the configuration for the engine.
func engineConfig(cfg config.Config) engine.Config {
	return engine.Config{
		Dir: filepath.Join(cfg.DataDir, "engine"), LibraryPath: cfg.Engine.Path, MemoryBytes: cfg.Engine.MemoryBytes,
		Fsync: cfg.NATS.Sync == config.SyncAlways, TenantTables: clickhouse.TenantTables(), TenantViews: clickhouse.TenantViews(),
	}
}

// openEngine starts the embedded ClickHouse and waits until it answers.
func openEngine(ctx context.Context, o launch.Opening) (launch.Store, error) {
	e, err := engine.New(engineConfig(o.Config), engine.Deps{Log: o.Log})
	if err != nil {
		return launch.Store{}, err
	}
	o.Say("  store: starting the ClickHouse engine …")
	o.Group.Add(app.StageStore, e)
	if err := e.WaitReady(ctx); err != nil {
		return launch.Store{}, err
	}
	o.Say("  store: ClickHouse %s ready in %.1f s", e.Version(), e.ReadyIn().Seconds())
	disk := func() (string, uint64, uint64, uint64, error) { return datadir.Usage(o.Config.DataDir) }
	return launch.Store{DSN: e.DSN, SQLURL: e.HTTPURL(engine.RoleSQL), Version: e.Version, Up: e.Up, Disk: disk}, nil
}

// openNATS starts nats-server in this process.
func openNATS(ctx context.Context, o launch.Opening) (bus.Bus, error) {
	cfg := embedded.Config{
		Dir: filepath.Join(o.Config.DataDir, "nats"), SyncAlways: o.Config.NATS.Sync == config.SyncAlways,
		MaxStoreBytes: o.Config.NATS.MaxBytes, ListenAddr: o.Config.NATS.Listen,
	}
	if cfg.ListenAddr != "" {
		token, _, err := datadir.Secret(filepath.Join(o.Config.DataDir, "nats-token"), datadir.RandomToken)
		if err != nil {
			return nil, err
		}
		cfg.Token = token
	}
	s, err := embedded.Start(cfg, embedded.Deps{Log: o.Log})
	if err != nil {
		return nil, err
	}
	b, err := openBus(ctx, o, s)
	if err != nil {
		s.Shutdown()
		return nil, err
	}
	o.Group.Add(app.StageBus, app.Closer("bus", func() error {
		b.Close()
		s.Shutdown()
		return nil
	}))
	o.Log.DebugContext(ctx, "transport ready", slog.Int64("store_limit_bytes", s.StoreLimitBytes()))
	o.Say("  transport: NATS JetStream ready")
	return diskguard.New(b, func() (uint64, error) {
		_, _, _, free, err := datadir.Usage(cfg.Dir)
		return free, err
	}), nil
}

// streamShare is the part of the transport's store that one telemetry stream may fill: there are four of them, the dead letters have
// an eighth of one, and a fifth is left for control state, so that signing in works when telemetry is full.
const streamShare = 0.19

// openBus connects to the embedded server and opens the streams.
func openBus(ctx context.Context, o launch.Opening, s *embedded.Server) (*natsbus.Bus, error) {
	nc, err := s.Connect()
	if err != nil {
		return nil, err
	}
	b, err := natsbus.Open(ctx, nc, natsbus.Config{Shards: o.Config.Shards, MaxBytes: int64(streamShare * float64(s.StoreLimitBytes()))}, o.Log)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return b, nil
}

// probeEngine finds the engine library and loads it in a child process, which is the only proof that it fits.
func probeEngine(ctx context.Context, cfg config.Config) (string, error) {
	return engine.Probe(ctx, engineConfig(cfg))
}
