// Package embedded runs nats-server with JetStream inside this process. Clients of this process connect without a socket; other
// processes can connect only when an address to listen on is given. Streams and messages are the business of the bus package.
package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/faultline-io/faultline/services/internal/datadir"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// Defaults and bounds of the server.
const (
	// maxPayload holds the largest batch (1 MiB) many times over, so that a single huge log line never gets stuck.
	maxPayload = 8 << 20
	// maxPending is what may wait for a slow client before it is cut off.
	maxPending = 64 << 20
	// readyWithin is long because JetStream reads its whole store at the start.
	readyWithin = 60 * time.Second
	// storeShare and maxStore bound the file store when nothing is configured: a fifth of the free disk, at most 20 GiB.
	storeShare = 0.2
	maxStore   = 20 << 30
	// minStore is the least with which the streams can work at all.
	minStore = 256 << 20
)

// Config is what a user may set about the embedded server.
type Config struct {
	Dir           string // Folder of the file store.
	ListenAddr    string // host:port for other processes; empty is no listener at all.
	Token         string // Required from clients that come over the listener; mandatory with ListenAddr.
	SyncAlways    bool   // Flush each message to the disk before it is acknowledged: safe against power loss, slower.
	MaxStoreBytes int64  // Bound of the file store; 0 derives it from the free disk.
}

// Deps is what code passes to the server.
type Deps struct {
	Log *slog.Logger
}

// Server is a running nats-server. Its methods may be called from several goroutines.
type Server struct {
	ns    *server.Server
	limit int64
	token string
	addr  string
}

// Start runs the server and returns when JetStream is ready.
func Start(cfg Config, deps Deps) (*Server, error) {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if err := datadir.Make(cfg.Dir); err != nil {
		return nil, err
	}
	limit, err := storeLimit(cfg)
	if err != nil {
		return nil, err
	}
	opts, err := options(cfg)
	if err != nil {
		return nil, err
	}
	ns, err := server.NewServer(opts)
	if err != nil {
		return nil, errs.New(errs.Unavailable, "start nats-server: %w", err)
	}
	ns.SetLoggerV2(&logger{log: deps.Log}, false, false, false)
	ns.Start()
	if !ns.ReadyForConnections(readyWithin) {
		ns.Shutdown()
		return nil, errs.WithHint(errs.Unavailable, "look at the log at level debug; a damaged store is in "+cfg.Dir, "nats-server was not ready within %s", readyWithin)
	}
	if !ns.JetStreamEnabled() {
		ns.Shutdown()
		return nil, errs.WithHint(errs.Unavailable, "check the permissions and the free space of "+cfg.Dir, "JetStream could not open its store")
	}
	s := &Server{ns: ns, limit: limit, token: cfg.Token}
	if a, ok := ns.Addr().(*net.TCPAddr); ok && cfg.ListenAddr != "" {
		s.addr = a.String()
	}
	return s, nil
}

// options translates cfg into the server's own options.
func options(cfg Config) (*server.Options, error) {
	opts := &server.Options{
		ServerName: "faultline",
		DontListen: cfg.ListenAddr == "",
		JetStream:  true,
		StoreDir:   cfg.Dir,
		SyncAlways: cfg.SyncAlways,
		MaxPayload: maxPayload,
		MaxPending: maxPending,
		NoSigs:     true, // Signals belong to the process, not to this part.
		// JetStream keeps telemetry in files only; memory streams would escape the store's limit.
		JetStreamMaxMemory: 64 << 20,
		// The streams' own limits are what bounds the store (StoreLimitBytes, which their owner divides up). A limit here would be
		// checked against what the streams reserve, and a disk that got fuller between two starts would keep them from opening.
		JetStreamMaxStore: 1 << 50,
	}
	if cfg.ListenAddr == "" {
		return opts, nil
	}
	host, port, err := net.SplitHostPort(cfg.ListenAddr)
	if err != nil {
		return nil, errs.WithHint(errs.Invalid, "write it as host:port, for example 127.0.0.1:4222", "NATS listen address %q: %v", cfg.ListenAddr, err)
	}
	if cfg.Token == "" {
		return nil, errs.New(errs.Invalid, "BUG: a NATS listener needs a token")
	}
	opts.Host, opts.Authorization = host, cfg.Token
	if opts.Port, err = strconv.Atoi(port); err != nil {
		return nil, errs.New(errs.Invalid, "NATS listen address %q: %w", cfg.ListenAddr, err)
	}
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	return opts, nil
}

// Connect returns a connection inside this process. The caller closes it.
func (s *Server) Connect(opts ...nats.Option) (*nats.Conn, error) {
	all := []nats.Option{nats.InProcessServer(s.ns), nats.Name("faultline"), nats.MaxReconnects(-1)}
	if s.token != "" {
		all = append(all, nats.Token(s.token))
	}
	nc, err := nats.Connect("", append(all, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to the embedded NATS: %w", err)
	}
	return nc, nil
}

// Addr returns host:port of the listener, "" if there is none.
func (s *Server) Addr() string { return s.addr }

// StoreLimitBytes returns what the streams may take together.
func (s *Server) StoreLimitBytes() int64 { return s.limit }

// storeLimit returns the configured bound of the file store, or a share of the disk.
func storeLimit(cfg Config) (int64, error) {
	if cfg.MaxStoreBytes > 0 {
		return cfg.MaxStoreBytes, nil
	}
	free, err := freeBytes(cfg.Dir)
	if err != nil {
		return 0, err
	}
	used := usedBytes(filepath.Join(cfg.Dir, "jetstream"))
	return min(max(int64(storeShare*float64(free+used)), minStore), maxStore), nil
}

// Shutdown stops the server and returns after its store is closed. Calling it again does nothing.
func (s *Server) Shutdown() {
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
}

// freeBytes returns what this user may still write to the file system of dir.
func freeBytes(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, errors.Join(errs.New(errs.Unavailable, "free space of %q: %w", dir, err))
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}
