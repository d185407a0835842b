// Package launch starts a process of Faultline: configuration, secrets, transport, store, shared listener, and then the roles that its
// main names. The all-in-one and the role binaries differ in the lists that they pass in, and in nothing else. It is not linked by
// the agent.
package launch

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/VictoriaMetrics/metrics"

	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/auth"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/config"
	"github.com/faultline-io/faultline/services/internal/store/migrations"
)

// Role is a part of the product that can be a process of its own. Start builds its services on an Env whose transport and store are
// ready, adds them by Env.Add, and mounts what it serves by Env.Mount.
type Role struct {
	Name  string // As in `faultline <name>`.
	Short string // One line for --help.
	Start func(ctx context.Context, e *Env) error
}

// Env is what roles are built on.
type Env struct {
	Config config.Config
	Log    *slog.Logger
	Build  app.Build
	Auth   *auth.Store
	TLS    *auth.TLS // Never nil; its Config is when TLS is off.
	Bus    bus.Bus
	Store  Store
	Roles  []string // All roles of this process.
	// Metrics are the process' own, served at /metrics.
	Metrics *metrics.Set
	// Targets returns the state of this process's scraping as JSON in Prometheus' form. The gateway's role sets it; nil is no gateway.
	Targets func(state, pool string) ([]byte, error)

	group   *app.Group
	mux     *http.ServeMux
	mounts  []Mounted
	reloads reloads
}

// Mounted is one pattern on the shared listener.
type Mounted struct {
	Pattern string
	// Routes are what lies behind a pattern that stands for a whole tree, as "GET /path/:name".
	Routes []string
}

// Add starts services in a stage of the shutdown.
func (e *Env) Add(stage app.Stage, services ...app.Service) { e.group.Add(stage, services...) }

// Mount serves pattern (as http.ServeMux reads it) on the shared listener. routes are what lies behind a pattern that stands for a
// whole tree; a test compares all of them.
func (e *Env) Mount(pattern string, h http.Handler, routes ...string) {
	e.mux.Handle(pattern, h)
	e.mounts = append(e.mounts, Mounted{Pattern: pattern, Routes: routes})
}

// Mounts returns what is mounted, in that order.
func (e *Env) Mounts() []Mounted { return e.mounts }

// PatternOf returns the mounted pattern that a request goes to.
func (e *Env) PatternOf(r *http.Request) string {
	_, pattern := e.mux.Handler(r)
	return pattern
}

// OnReload calls f at SIGHUP and at POST /-/reload. f reads its file again, or returns why that file cannot be used and leaves all as
// it is.
func (e *Env) OnReload(name string, f func() error) { e.reloads.add(name, f) }

// NotReady names the services of this process that are not ready; empty means ready.
func (e *Env) NotReady() []string { return e.group.NotReady() }

// Store is an opened store.
type Store struct {
	// DSN returns the clickhouse:// address for a role of package engine: writer, reader or migrator.
	DSN func(role string) string
	// SQLURL is the http:// address for people's own statements; empty where there is none.
	SQLURL string
	// Version and Up tell about the embedded engine; nil for a server elsewhere.
	Version func() string
	Up      func() bool
	// Disk returns size and use of the disk with the data when it is this machine's; nil for a server elsewhere.
	Disk func() (path string, total, used, free uint64, err error)
	// Target says what the schema is made for; the zero value is a single server.
	Target migrations.Target
}

// Openers are the backends that a binary links, by the scheme of their address. The role binaries have only the remote ones.
type Openers struct {
	Bus   map[string]OpenBus
	Store map[string]OpenStore
}

// Opening is what an opener gets.
type Opening struct {
	Config config.Config
	Log    *slog.Logger
	Name   string     // Of this process.
	Group  *app.Group // For the services that the backend consists of.
	// Migrating says that the schema is brought up to date next, so a database that is missing is created.
	Migrating bool
	Say       func(format string, args ...any)
}

// OpenBus opens a transport and returns when it is usable.
type OpenBus func(ctx context.Context, o Opening) (bus.Bus, error)

// OpenStore opens a store and returns when it answers.
type OpenStore func(ctx context.Context, o Opening) (Store, error)

// The roles under which a part signs in to the store, as package engine names them. They are repeated here because the role binaries
// must not link the engine; a test compares them.
const (
	RoleWriter   = "writer"
	RoleReader   = "reader"
	RoleMigrator = "migrator"
)
