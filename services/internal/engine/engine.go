// Package engine runs the embedded ClickHouse: it finds the engine library, writes its configuration, starts it in a child process
// (the same binary with a hidden subcommand), restarts it when it dies, and hands out clickhouse:// addresses. Above the address
// nothing differs from a ClickHouse cluster. It does not know tables, and it does not speak the native protocol.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faultline-io/faultline/services/internal/datadir"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// The roles under which a part may sign in to the engine. Each has its own random password.
const (
	RoleWriter   = "writer"   // inserts and reads; no DDL
	RoleReader   = "reader"   // reads the product's database only: no system tables, no file, url or remote
	RoleMigrator = "migrator" // everything inside the product's database
	RoleSQL      = "sql"      // people's own statements: reads the product's tables, rows of the tenant in the query's id, no settings
)

// Database is the name of the product's database, created at each start if it is missing.
const Database = "faultline"

// DistributedDatabase is the database with the tables that read all shards of a cluster; the migrations create it.
const DistributedDatabase = Database + "_all"

// SubCommand is the hidden first argument under which the product's binary must call Main.
const SubCommand = "__engine"

// Config is what a user may set about the engine.
type Config struct {
	Dir         string   // Folder of the engine; it has its configuration, its passwords and its data.
	LibraryPath string   // The engine library; empty looks in the usual places (see FindLibrary).
	LibraryDirs []string // Further folders to look in.
	MemoryBytes int64    // Most memory that the engine allocates; 0 takes 40 % of the machine's, at most 2 GiB.
	Fsync       bool     // Wait for the disk on each insert: safe against power loss, slower.
	ListenHost  string   // Address to listen on; empty is 127.0.0.1.
	TCPPort     int      // Port of the native protocol; 0 chooses a free one.
	HTTPPort    int      // Port for HTTP; 0 chooses a free one.
	Cluster     *Cluster // Other engines that share the data; nil is a single one.
	// TenantTables are tables of which the reader sees only the rows of the tenant named in the setting TenantSetting.
	TenantTables []string
	// TenantViews are plain views over such tables, for RoleSQL.
	TenantViews []string
}

// Cluster describes engines that hold the shards of one database. All of them need the same description.
type Cluster struct {
	Name   string   // Name for ON CLUSTER and Distributed tables.
	Secret string   // Shared by the engines; a query travels under its own user between them.
	Shards []string // host:port of the native protocol, one per shard.
}

// Deps is what code passes to the engine.
type Deps struct {
	Log *slog.Logger
	// Executable is the program that calls Main when its first argument is SubCommand; empty is this program.
	Executable string
}

// Engine supervises one embedded engine. Its methods may be called from several goroutines.
type Engine struct {
	cfg     Config
	log     *slog.Logger
	exe     string
	library string
	ports   *ports
	users   passwords
	output  *output
	http    *client

	ready     chan struct{}
	readyOnce sync.Once
	pid       atomic.Int64
	restarts  atomic.Int64
	up        atomic.Bool

	// mu guards version and readyIn.
	mu      sync.Mutex
	version string
	readyIn time.Duration
}

// New prepares an engine: it finds the library, creates the folder and its passwords, and takes its ports. Errors carry a hint.
func New(cfg Config, deps Deps) (*Engine, error) {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.ListenHost == "" {
		cfg.ListenHost = "127.0.0.1"
	}
	if cfg.MemoryBytes <= 0 {
		cfg.MemoryBytes = DefaultMemory()
	}
	lib, err := FindLibrary(cfg.LibraryPath, append([]string{filepath.Dir(cfg.Dir), cfg.Dir}, cfg.LibraryDirs...))
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("engine folder: %w", err)
	}
	cfg.Dir = dir
	exe, err := executable(deps.Executable)
	if err != nil {
		return nil, err
	}
	if err := datadir.Make(cfg.Dir); err != nil {
		return nil, err
	}
	users, err := loadPasswords(filepath.Join(cfg.Dir, usersFile))
	if err != nil {
		return nil, err
	}
	p, err := reservePorts(cfg.ListenHost, cfg.TCPPort, cfg.HTTPPort)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		cfg: cfg, log: deps.Log, exe: exe, library: lib, ports: p, users: users,
		output: newOutput(deps.Log), ready: make(chan struct{}),
	}
	e.http = &client{addr: e.HTTPAddr(), users: users}
	return e, nil
}

// Name returns "engine".
func (e *Engine) Name() string { return "engine" }

// Ready returns a channel that is closed when the engine answered for the first time.
func (e *Engine) Ready() <-chan struct{} { return e.ready }

// Up reports whether the engine answers at present; it is false between a crash and the end of the restart.
func (e *Engine) Up() bool { return e.up.Load() }

// Addr returns host:port of the native protocol. It stays the same for the life of the Engine.
func (e *Engine) Addr() string { return net.JoinHostPort(e.cfg.ListenHost, strconv.Itoa(e.ports.tcp)) }

// HTTPAddr returns host:port of the HTTP interface.
func (e *Engine) HTTPAddr() string {
	return net.JoinHostPort(e.cfg.ListenHost, strconv.Itoa(e.ports.http))
}

// DSN returns the clickhouse:// address with user, password and database for a role. An unknown role gives "".
func (e *Engine) DSN(role string) string {
	pass, ok := e.users.of(role)
	if !ok {
		return ""
	}
	u := url.URL{Scheme: "clickhouse", User: url.UserPassword(role, pass), Host: e.Addr(), Path: "/" + Database}
	return u.String()
}

// HTTPURL returns the http:// address with user, password and database for a role, for answers in the engine's own formats. An
// unknown role gives "".
func (e *Engine) HTTPURL(role string) string {
	pass, ok := e.users.of(role)
	if !ok {
		return ""
	}
	u := url.URL{Scheme: "http", User: url.UserPassword(role, pass), Host: e.HTTPAddr(), Path: "/" + Database}
	return u.String()
}

// PID returns the process id of the child, 0 when there is none.
func (e *Engine) PID() int { return int(e.pid.Load()) }

// Restarts returns how often the child was started again after it ended unexpectedly.
func (e *Engine) Restarts() int64 { return e.restarts.Load() }

// Library returns the path of the engine library in use.
func (e *Engine) Library() string { return e.library }

// Version returns the engine's version, "" before it was ready.
func (e *Engine) Version() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.version
}

// ReadyIn returns how long the last start took until the engine answered.
func (e *Engine) ReadyIn() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.readyIn
}

// WaitReady blocks until the engine answered for the first time or ctx ends.
func (e *Engine) WaitReady(ctx context.Context) error {
	select {
	case <-e.ready:
		return nil
	case <-ctx.Done():
		return errs.New(errs.KindOf(ctx.Err()), "wait for the engine: %w%s", ctx.Err(), e.output.quote())
	}
}

// Run starts the engine, keeps it running, and stops it in order when ctx ends. It fails when the engine cannot be started at all;
// once the engine has been ready, it is restarted for as long as ctx lives.
func (e *Engine) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, e.ports.release()) }()
	lockCtx, cancel := context.WithTimeout(ctx, staleChildWait)
	lock, err := datadir.Acquire(lockCtx, filepath.Join(e.cfg.Dir, "lock"))
	cancel()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if err := e.writeConfig(); err != nil {
		return err
	}
	return e.supervise(ctx, lock)
}
