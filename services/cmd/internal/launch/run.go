package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/auth"
	"github.com/faultline-io/faultline/services/internal/config"
	"github.com/faultline-io/faultline/services/internal/datadir"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
)

// Process is what a main wants to be started.
type Process struct {
	Name    string // For people, logs and the transport.
	Roles   []Role
	Openers Openers
	Migrate bool      // Bring the schema up to date before the roles start.
	Out     io.Writer // The short lines for people.
	Err     io.Writer // The log.
	// Started is called once when everything is ready, before the greeting; nil is nothing.
	Started func(*Env)
}

// Run starts the process and blocks until ctx ends or a part of it fails.
func (p Process) Run(ctx context.Context, cfg config.Config) error {
	started := time.Now()
	log, err := newLog(p.Err, cfg.Log)
	if err != nil {
		return err
	}
	log = log.With(slog.String("process", p.Name))
	if err := datadir.Make(cfg.DataDir); err != nil {
		return err
	}
	lock, err := datadir.Acquire(ctx, filepath.Join(cfg.DataDir, p.Name+".lock"))
	if err != nil {
		return err
	}
	secrets, err := auth.Open(auth.Config{PasswordPath: cfg.AdminPasswordPath(), KeyPath: cfg.IngestKeyPath()}, auth.Deps{})
	if err != nil {
		return errors.Join(err, lock.Release())
	}
	cert, err := certificate(cfg)
	if err != nil {
		return errors.Join(err, lock.Release())
	}
	say := func(format string, args ...any) { fmt.Fprintf(p.Out, format+"\n", args...) }
	listener, err := app.ListenHTTP(ctx, "http", cfg.HTTPAddr, cert.Config, log)
	if err != nil {
		return errors.Join(err, lock.Release())
	}
	env := &Env{Config: cfg, Log: log, Build: app.BuildInfo(), Auth: secrets, TLS: cert, Metrics: metrics.NewSet(), mux: http.NewServeMux(), group: &app.Group{Log: log, StopTimeout: cfg.StopTimeout}}
	for _, r := range p.Roles {
		env.Roles = append(env.Roles, r.Name)
	}
	say("Faultline %s, data in %s", env.Build.Version, cfg.DataDir)
	env.group.Add(app.StageReceive, listener)
	env.group.Add(app.StageProcess, memoryKeeper(), env.reloads.service(log))
	env.group.Start = func(ctx context.Context) error {
		if err := p.start(ctx, env, say); err != nil {
			return err
		}
		listener.SetHandler(env.Handler())
		select {
		case <-env.group.Ready(ctx):
		case <-ctx.Done():
			return nil
		}
		if p.Started != nil {
			p.Started(env)
		}
		return p.greet(env, listener.Addr(), time.Since(started))
	}
	err = env.group.Run(ctx)
	if ctx.Err() != nil {
		say("Stopped.")
	}
	return errors.Join(err, lock.Release())
}

// start opens store and transport, migrates, and starts the roles.
func (p Process) start(ctx context.Context, e *Env, say func(string, ...any)) error {
	o := Opening{Config: e.Config, Log: e.Log, Name: p.Name, Group: e.group, Migrating: p.Migrate, Say: say}
	openStore, ok := p.Openers.Store[scheme(e.Config.ClickHouse.URL)]
	if !ok {
		return notLinked("clickhouse_url", p.Name)
	}
	var err error
	if e.Store, err = openStore(ctx, o); err != nil {
		return err
	}
	if p.Migrate {
		if err := Migrate(ctx, e.Store, e.Log); err != nil {
			return err
		}
	}
	openBus, ok := p.Openers.Bus[scheme(e.Config.NATS.URL)]
	if !ok {
		return notLinked("nats_url", p.Name)
	}
	if e.Bus, err = openBus(ctx, o); err != nil {
		return err
	}
	for _, r := range p.Roles {
		if err := r.Start(ctx, e); err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
	}
	return nil
}

// MigrateOnly opens the store, brings its schema up to date and ends.
func (p Process) MigrateOnly(ctx context.Context, cfg config.Config) error {
	log, err := newLog(p.Err, cfg.Log)
	if err != nil {
		return err
	}
	if err := datadir.Make(cfg.DataDir); err != nil {
		return err
	}
	open, ok := p.Openers.Store[scheme(cfg.ClickHouse.URL)]
	if !ok {
		return notLinked("clickhouse_url", p.Name)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g := &app.Group{Log: log, StopTimeout: cfg.StopTimeout}
	g.Start = func(ctx context.Context) error {
		defer cancel() // Done or not, the store is not needed any more.
		s, err := open(ctx, Opening{Config: cfg, Log: log, Name: p.Name, Group: g, Migrating: true, Say: func(string, ...any) {}})
		if err != nil {
			return err
		}
		if err := Migrate(ctx, s, log); err != nil {
			return err
		}
		_, err = fmt.Fprintln(p.Out, "The schema is up to date.")
		return err
	}
	return g.Run(ctx)
}

// Migrate brings the schema of a store up to date.
func Migrate(ctx context.Context, s Store, log *slog.Logger) error {
	db, err := clickhouse.Open(clickhouse.Options{DSN: s.DSN(RoleMigrator), MaxConns: 1, Log: log})
	if err != nil {
		return err
	}
	err = clickhouse.Migrate(ctx, db, s.Target)
	return errors.Join(err, db.Close())
}

// Handler is the shared listener's handler: what the roles mounted, and health and readiness where no role serves them itself.
func (e *Env) Handler() http.Handler {
	fallback := http.NewServeMux()
	fallback.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	fallback.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if late := e.NotReady(); len(late) > 0 {
			http.Error(w, "not ready: "+strings.Join(late, ", "), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	fallback.Handle("POST /-/reload", e.reloads.handler(e.Auth))
	fallback.Handle("PUT /-/reload", e.reloads.handler(e.Auth))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Below /-/ only what a role mounts by its own name is the role's.
		if _, pattern := e.mux.Handler(r); pattern != "" && (pattern != "/" || !strings.HasPrefix(r.URL.Path, "/-/")) {
			e.mux.ServeHTTP(w, r)
			return
		}
		fallback.ServeHTTP(w, r)
	})
}

// greet prints where everything is. The first start also shows the password, once.
func (p Process) greet(e *Env, addr string, took time.Duration) error {
	w := p.Out
	url := e.Config.Scheme() + "://" + reachable(addr)
	fmt.Fprintf(w, "Ready in %.1f s: %s\n", took.Seconds(), url)
	first, err := e.Auth.FirstPassword()
	if err != nil {
		return err
	}
	if e.Auth.Created() {
		fmt.Fprintf(w, "  Sign in as %s with the password %s (kept in %s)\n", auth.AdminUser, first.Reveal(), e.Auth.PasswordPath())
	} else {
		fmt.Fprintf(w, "  Sign in as %s; the password is in %s\n", auth.AdminUser, e.Auth.PasswordPath())
	}
	if !e.Config.Expose {
		fmt.Fprintf(w, "  Reachable from this machine only; --expose opens it to others\n")
		return nil
	}
	fmt.Fprintf(w, "  Open to other machines: console and API on %s, OTLP on %s (gRPC) and %s (HTTP)\n", e.Config.HTTPAddr, e.Config.OTLPGRPCAddr, e.Config.OTLPHTTPAddr)
	fmt.Fprintf(w, "  Senders elsewhere need the ingest key in %s\n", e.Auth.KeyPath())
	if e.TLS.Config == nil {
		fmt.Fprintf(w, "  TLS is off: passwords and keys cross the network in the clear\n")
		return nil
	}
	fmt.Fprintf(w, "  Certificate SHA-256 %s\n", e.TLS.Fingerprint)
	if e.TLS.CAPath != "" {
		fmt.Fprintf(w, "  It is signed by this installation: senders need %s\n", e.TLS.CAPath)
	}
	return nil
}

// certificate returns the listeners' certificate; its Config is nil when TLS is off.
func certificate(cfg config.Config) (*auth.TLS, error) {
	switch {
	case !cfg.TLSEnabled():
		return &auth.TLS{}, nil
	case cfg.TLSCert != "":
		return auth.LoadTLS(cfg.TLSCert, cfg.TLSKey)
	}
	return auth.SelfSigned(filepath.Join(cfg.DataDir, "tls"), time.Now())
}

// scheme returns the part of an address before its colon.
func scheme(url string) string {
	s, _, _ := strings.Cut(url, ":")
	return s
}

// notLinked is the error for a backend that this binary does not have.
func notLinked(key, name string) error {
	return errs.WithHint(errs.Invalid, "set "+key+" to the address of a server, or run the all-in-one binary faultline, which has it built in",
		"%s: %s has no embedded servers", key, name)
}

// reachable turns a listening address into one for a browser.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
		if h, err := os.Hostname(); err == nil {
			host = h
		}
	}
	return net.JoinHostPort(host, port)
}

// newLog makes the process' log.
func newLog(w io.Writer, c config.Log) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return nil, errs.New(errs.Invalid, "log.level: %w", err)
	}
	opts := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return slog.New(slog.NewTextHandler(w, opts)), nil
}
