// Package agent is Faultline's host agent: it reads the host's metrics, follows its logs, describes it, and delivers all of it over
// OTLP/HTTP through a spool on disk, so that a gateway that is away or a kill of the agent costs nothing. It links no server and no
// storage engine, and aims at under 50 MB of memory and 1 % of a core.
package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/faultline-io/faultline/services/agent/inventory"
	"github.com/faultline-io/faultline/services/agent/logs"
	"github.com/faultline-io/faultline/services/agent/ship"
	"github.com/faultline-io/faultline/services/agent/spool"
	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// Deps is what an Agent needs from its process. Zero values are filled with the obvious.
type Deps struct {
	Log     *slog.Logger
	Clock   func() time.Time
	Version string
	// Journalctl is the program that reads the journal; tests put their own here.
	Journalctl string
	// MinBackoff and MaxBackoff are the pauses between attempts to deliver.
	MinBackoff, MaxBackoff time.Duration
	// RequestTimeout bounds one attempt.
	RequestTimeout time.Duration
	// LogPoll is the pause between two looks at a log file; five of them lie between two looks for new files.
	LogPoll time.Duration
}

func (d *Deps) fill() {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Clock == nil {
		d.Clock = time.Now
	}
	if d.Version == "" {
		d.Version = "dev"
	}
	if d.Journalctl == "" {
		d.Journalctl = "journalctl"
	}
	if d.MinBackoff == 0 {
		d.MinBackoff = time.Second
	}
	if d.MaxBackoff == 0 {
		d.MaxBackoff = time.Minute
	}
	if d.RequestTimeout == 0 {
		d.RequestTimeout = 30 * time.Second
	}
	if d.LogPoll == 0 {
		d.LogPoll = time.Second
	}
}

// inventoryInterval is the pause between two inventory records.
const inventoryInterval = 15 * time.Minute

// drainTime is how long a graceful stop tries to deliver what is left; the rest is in the spool.
const drainTime = 2 * time.Second

// metricsShare is the part of the spool that metrics get, as a divisor. A flood of logs must not push the metrics out that explain it.
const metricsShare = 4

// Agent is the host agent.
type Agent struct {
	cfg    Config
	deps   Deps
	host   *inventory.Host
	client *http.Client
	ready  chan struct{}
}

var (
	_ app.Service = (*Agent)(nil)
	_ app.Readier = (*Agent)(nil)
)

// New checks the configuration, makes the state folder and finds out what host this is. It starts nothing.
func New(cfg Config, deps Deps) (*Agent, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	deps.fill()
	if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
		return nil, &errs.Error{Kind: errs.Invalid, Op: "make state folder", Err: err, Hint: "give a folder that may be written with --state-dir"}
	}
	client, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	host, err := inventory.Discover(inventory.Config{Proc: cfg.ProcPath, Sys: cfg.SysPath, Root: cfg.RootPath, StateDir: cfg.StateDir,
		HostID: cfg.HostID, Tags: cfg.Tags, Version: deps.Version})
	if err != nil {
		return nil, fmt.Errorf("identify host: %w", err)
	}
	return &Agent{cfg: cfg, deps: deps, host: host, client: client, ready: make(chan struct{})}, nil
}

// Name implements app.Service.
func (a *Agent) Name() string { return "agent" }

// Ready is closed after the first collection is in the spool.
func (a *Agent) Ready() <-chan struct{} { return a.ready }

// HostID returns the id under which the agent reports.
func (a *Agent) HostID() string { return a.host.ID }

// Run collects and delivers until ctx ends. It returns an error only when the state folder cannot be used.
func (a *Agent) Run(ctx context.Context) error {
	unlock, err := lockDir(a.cfg.StateDir)
	if err != nil {
		return err
	}
	defer unlock()
	p, err := a.openPipes()
	if err != nil {
		return err
	}
	a.deps.Log.InfoContext(ctx, "agent starts", slog.String("host_id", a.host.ID), slog.String("host", a.host.Name),
		slog.String("endpoint", a.cfg.Endpoint), slog.String("state_dir", a.cfg.StateDir), slog.Duration("interval", a.cfg.Interval))
	shipCtx, stopShip := context.WithCancel(context.WithoutCancel(ctx))
	shippers, shipCtx := errgroup.WithContext(shipCtx)
	shippers.Go(func() error { return p.metrics.shipper.Run(shipCtx) })
	shippers.Go(func() error { return p.logs.shipper.Run(shipCtx) })

	err = a.collect(ctx, p)
	p.batcher.Flush()
	stopShip()
	err = errors.Join(err, shippers.Wait())
	a.drain(ctx, p)
	err = errors.Join(err, p.metrics.spool.Close(), p.logs.spool.Close())
	a.client.CloseIdleConnections()
	a.deps.Log.InfoContext(ctx, "agent ended", slog.String("host_id", a.host.ID))
	return err
}

// collect runs everything that produces data until ctx ends.
func (a *Agent) collect(ctx context.Context, p *pipes) error {
	g, ctx := errgroup.WithContext(ctx)
	marks := p.logs.spool.Marks()
	excludes := a.cfg.Exclude
	if a.cfg.Journald && logs.HasJournal(a.deps.Journalctl, a.cfg.RootPath) {
		excludes = slices.Concat(excludes, journaldCopies[:])
		p.journal = logs.NewJournal(logs.JournalOptions{Command: a.deps.Journalctl, Root: a.cfg.RootPath, LookBack: journalLookBack,
			Marks: marks, Now: a.deps.Clock}, p.batcher, a.deps.Log.With(slog.String("source", "journal")))
		g.Go(func() error { return p.journal.Run(ctx) })
	}
	p.tailer = logs.NewTailer(logs.TailOptions{Root: a.cfg.RootPath, Patterns: a.cfg.LogFiles, Excludes: excludes, Containers: a.cfg.ContainerLogs,
		LookBack: a.cfg.LookBack, MaxFiles: a.cfg.MaxLogFiles, Poll: a.deps.LogPoll, Rescan: 5 * a.deps.LogPoll, Location: time.Local,
		Marks: marks, Now: a.deps.Clock}, p.batcher, a.deps.Log.With(slog.String("source", "files")))
	g.Go(func() error { return p.tailer.Run(ctx) })
	g.Go(func() error { return p.batcher.Run(ctx) })
	g.Go(func() error { return a.measure(ctx, p) })
	g.Go(func() error { return a.describe(ctx, p) })
	return g.Wait()
}

// journalLookBack is the number of journal entries that a first start sends.
const journalLookBack = 500

// describe sends the inventory now and then.
func (a *Agent) describe(ctx context.Context, p *pipes) error {
	src := &logs.Source{Resource: agentResource(a.host.ID, a.deps.Version)}
	t := time.NewTicker(inventoryInterval)
	defer t.Stop()
	for {
		now := a.deps.Clock().UnixNano()
		p.batcher.Put(&logs.Entry{Source: src, TimeNS: now, ObservedNS: now, Severity: logs.Info, Body: "host inventory of " + a.host.Name,
			Attrs: a.host.Inventory(), EventName: inventory.EventName})
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// drain tries for a moment to deliver what a graceful stop left in the spool.
func (a *Agent) drain(ctx context.Context, p *pipes) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	p.metrics.shipper.Drain(ctx)
	p.logs.shipper.Drain(ctx)
}

// newClient returns a client with one idle connection: the two signals take turns rarely enough.
func newClient(cfg Config) (*http.Client, error) {
	tr := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 2, MaxIdleConnsPerHost: 2, IdleConnTimeout: 2 * time.Minute,
		TLSHandshakeTimeout: 10 * time.Second, DisableCompression: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if cfg.CAFile != "" {
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read ca_file: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, errs.New(errs.Invalid, "ca_file: %q has no certificate", cfg.CAFile)
		}
		tr.TLSClientConfig.RootCAs = pool
	}
	return &http.Client{Transport: tr}, nil
}

// pipe is the way of one signal.
type pipe struct {
	spool   *spool.Spool
	shipper *ship.Shipper
}

// pipes are the ways of both signals and what feeds them.
type pipes struct {
	metrics, logs pipe
	batcher       *logs.Batcher
	tailer        *logs.Tailer
	journal       *logs.Journal
	encodeMetrics *encoder
	encodeLogs    *encoder
}

func (a *Agent) openPipes() (*pipes, error) {
	p := &pipes{}
	var err error
	if p.encodeMetrics, err = newEncoder(a.cfg.Compression); err != nil {
		return nil, err
	}
	if p.encodeLogs, err = newEncoder(a.cfg.Compression); err != nil {
		return nil, err
	}
	if p.metrics, err = a.openPipe("metrics", a.cfg.SpoolMaxBytes/metricsShare); err != nil {
		return nil, err
	}
	if p.logs, err = a.openPipe("logs", a.cfg.SpoolMaxBytes-a.cfg.SpoolMaxBytes/metricsShare); err != nil {
		return nil, errors.Join(err, p.metrics.spool.Close())
	}
	p.batcher = logs.NewBatcher(a.host.Resource, a.deps.Version, func(items int, payload []byte, marks map[string]string) error {
		enc, data, err := p.encodeLogs.encode(payload)
		if err == nil {
			_, err = p.logs.spool.Append(items, enc, len(payload), data, marks)
		}
		return err
	}, a.deps.Log, a.deps.Clock)
	return p, nil
}

// memoryShare bounds what one signal keeps in memory while the disk is full.
const memoryShare = 6 << 20

func (a *Agent) openPipe(signal string, maxBytes int64) (pipe, error) {
	sp, err := spool.Open(filepath.Join(a.cfg.StateDir, "spool", signal), spool.Options{MaxBytes: maxBytes, SegmentBytes: min(4<<20, maxBytes/4),
		MemoryBytes: memoryShare, Log: a.deps.Log.With(slog.String("signal", signal)), Now: a.deps.Clock})
	if err != nil {
		return pipe{}, err
	}
	sh := ship.New(ship.Config{Signal: signal, Endpoint: trimSlash(a.cfg.Endpoint), Key: string(a.cfg.Key), AgentID: a.host.ID, Version: a.deps.Version,
		Timeout: a.deps.RequestTimeout, MinBackoff: a.deps.MinBackoff, MaxBackoff: a.deps.MaxBackoff}, a.client, sp, a.deps.Log)
	return pipe{sp, sh}, nil
}
