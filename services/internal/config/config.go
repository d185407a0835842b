// Package config is the one configuration of the all-in-one and of the role binaries. Each setting is defined once, in a table, and
// from that it has a default, a key in the YAML file, a FAULTLINE_… variable and a flag, in rising order of precedence.
package config

import (
	"net"
	"path/filepath"
	"time"

	"github.com/faultline-io/faultline/services/internal/datadir"
)

// Config is everything that a user may set. Fill it by Default or Load; it is not changed after that.
type Config struct {
	DataDir string

	HTTPAddr     string
	OTLPGRPCAddr string
	OTLPHTTPAddr string
	Expose       bool   // Listen on all addresses of the machine; the one way to be reachable from elsewhere.
	TLS          string // TLSAuto, TLSOn or TLSOff.
	TLSCert      string
	TLSKey       string

	AdminPasswordFile string // Empty is DIR/admin-password.
	IngestKeyFile     string // Empty is DIR/ingest-key.

	NATS       NATS
	ClickHouse ClickHouse
	Engine     Engine
	Retention  Retention
	Disk       Disk
	Limits     Limits
	Query      Query
	Receivers  Receivers
	Agent      Agent
	Alerting   Alerting
	Log        Log

	ScrapeConfig string
	Pipeline     string // File with the processing on the way; empty is the default.
	Shards       int
	StopTimeout  time.Duration
}

// Embedded as the address of a backend means: run it in this installation.
const Embedded = "embedded:"

// Values of Config.TLS. Automatic is on where other machines can reach us, and off on loopback.
const (
	TLSAuto = "auto"
	TLSOn   = "on"
	TLSOff  = "off"
)

// Values of NATS.Sync.
const (
	SyncInterval = "interval"
	SyncAlways   = "always"
)

// NATS is the transport.
type NATS struct {
	URL      string
	Sync     string
	MaxBytes int64 // 0 derives it from the free disk.
	Listen   string
}

// ClickHouse is the store.
type ClickHouse struct {
	URL        string
	SQLURL     string // HTTP address for people's own statements; the embedded engine has its own.
	Cluster    string // Empty is a single server.
	Replicated bool
}

// Engine is the embedded ClickHouse.
type Engine struct {
	Path        string
	MemoryBytes int64 // 0 derives it from the machine.
}

// Retention says how long each signal is kept.
type Retention struct {
	Metrics   time.Duration
	Metrics5m time.Duration
	Metrics1h time.Duration
	Logs      time.Duration
	Spans     time.Duration
	Changes   time.Duration
	Findings  time.Duration
	Incidents time.Duration // Their revisions, and what people asked.
}

// Disk has the fill levels of the data disk at which something happens.
type Disk struct {
	WarnRatio float64 // Say so.
	DropRatio float64 // Drop the oldest partitions.
}

// Limits bound what a sender may send.
type Limits struct {
	MaxBodyBytes       int64
	MaxLabels          int
	MaxLabelNameBytes  int
	MaxLabelValueBytes int
	MaxSeries          int
	MaxFuture          time.Duration
}

// Values of Query.Pushdown.
const (
	PushdownOn  = "on"
	PushdownOff = "off"
)

// Query bounds what a reader may ask.
type Query struct {
	MaxConcurrent int           // Queries that run at once.
	MaxQueued     int           // Queries that wait for their turn; more are refused at once.
	QueueTimeout  time.Duration // How long one waits.
	Timeout       time.Duration
	MaxSamples    int    // Samples that one PromQL query holds at once, and that one selector reads.
	MaxSeries     int    // Series that one selector matches.
	MaxMemory     int64  // Bytes of the process at which PromQL queries are ended; 0 is half of the machine's memory, at most 4 GiB.
	Pushdown      string // PushdownOn or PushdownOff.
	CacheBytes    int64  // Memory for packed samples that queries have read; 0 keeps nothing.
}

// Receivers are the addresses of protocols with a port of their own; empty is off.
type Receivers struct {
	Syslog          string
	SyslogTLS       string
	GELF            string
	Fluent          string
	FluentTLS       string
	Elastic         string
	Statsd          string
	Graphite        string
	Zipkin          string
	JaegerHTTP      string
	JaegerGRPC      string
	TrustedNetworks []string
	// WebhookSecretFile has the secret of signed webhooks.
	WebhookSecretFile string
	// FluentSharedKeyFile has the key of senders of Fluent forward.
	FluentSharedKeyFile string
	SyslogTimezone      string
}

// addresses returns the settings by their keys.
func (r *Receivers) addresses() []address {
	return []address{
		{"receivers.syslog_addr", &r.Syslog}, {"receivers.syslog_tls_addr", &r.SyslogTLS}, {"receivers.gelf_addr", &r.GELF},
		{"receivers.fluent_addr", &r.Fluent}, {"receivers.fluent_tls_addr", &r.FluentTLS}, {"receivers.elastic_addr", &r.Elastic}, {"receivers.statsd_addr", &r.Statsd}, {"receivers.graphite_addr", &r.Graphite},
		{"receivers.zipkin_addr", &r.Zipkin}, {"receivers.jaeger_http_addr", &r.JaegerHTTP}, {"receivers.jaeger_grpc_addr", &r.JaegerGRPC},
	}
}

// address is a listening address and its key.
type address struct {
	key  string
	addr *string
}

// Agent is the collector for this host.
type Agent struct {
	Enabled  bool
	Interval time.Duration
	LogGlobs []string
	Journal  bool
	Endpoint string // Where `faultline agent` sends to; the all-in-one's own agent sends to itself.
	KeyFile  string
}

// Log is our own log.
type Log struct {
	Level  string
	Format string
}

// day is a day of retention.
const day = 24 * time.Hour

// Default returns the configuration of a first start on a small machine: reachable from this machine only, all embedded.
func Default() Config {
	return Config{
		DataDir:      datadir.Default(),
		HTTPAddr:     "127.0.0.1:8080",
		OTLPGRPCAddr: "127.0.0.1:4317",
		OTLPHTTPAddr: "127.0.0.1:4318",
		TLS:          TLSAuto,
		NATS:         NATS{URL: Embedded, Sync: SyncInterval},
		ClickHouse:   ClickHouse{URL: Embedded},
		// Raw samples for more than a year, so that last year's same week can be seen; the rollups cost a hundredth of that.
		Retention: Retention{Metrics: 400 * day, Metrics5m: 800 * day, Metrics1h: 1830 * day, Logs: 30 * day, Spans: 14 * day, Changes: 400 * day, Findings: 400 * day, Incidents: 1830 * day},
		Disk:      Disk{WarnRatio: 0.80, DropRatio: 0.90},
		Limits: Limits{
			MaxBodyBytes: 64 << 20, MaxLabels: 64, MaxLabelNameBytes: 256, MaxLabelValueBytes: 4096,
			MaxSeries: 2_000_000, MaxFuture: 10 * time.Minute,
		},
		Query: Query{
			MaxConcurrent: 16, MaxQueued: 500, QueueTimeout: 10 * time.Second, Timeout: time.Minute, MaxSamples: 50_000_000, MaxSeries: 500_000,
			// Blocks of an hour of 65,000 series that are scraped every 15 seconds take about half of it.
			Pushdown: PushdownOn, CacheBytes: 128 << 20,
		},
		Alerting:    defaultAlerting(),
		Agent:       Agent{Enabled: true, Interval: 10 * time.Second, Journal: true, Endpoint: "http://127.0.0.1:4318"},
		Log:         Log{Level: "info", Format: "text"},
		Shards:      1,
		StopTimeout: time.Minute,
	}
}

// NATSEmbedded reports whether NATS runs in this process.
func (c *Config) NATSEmbedded() bool { return c.NATS.URL == Embedded }

// ClickHouseEmbedded reports whether the engine is our own child.
func (c *Config) ClickHouseEmbedded() bool { return c.ClickHouse.URL == Embedded }

// AdminPasswordPath returns the file with the first password of the admin user.
func (c *Config) AdminPasswordPath() string {
	if c.AdminPasswordFile != "" {
		return c.AdminPasswordFile
	}
	return filepath.Join(c.DataDir, "admin-password")
}

// IngestKeyPath returns the file with the ingest key.
func (c *Config) IngestKeyPath() string {
	if c.IngestKeyFile != "" {
		return c.IngestKeyFile
	}
	return filepath.Join(c.DataDir, "ingest-key")
}

// TLSEnabled reports whether the listeners speak TLS.
func (c *Config) TLSEnabled() bool {
	return c.TLS == TLSOn || (c.TLS == TLSAuto && c.Expose)
}

// Scheme returns http or https, as the listeners speak it.
func (c *Config) Scheme() string {
	if c.TLSEnabled() {
		return "https"
	}
	return "http"
}

// applyExpose opens the addresses that are still on loopback when the user asked for it.
func (c *Config) applyExpose() {
	if !c.Expose {
		return
	}
	for _, a := range []*string{&c.HTTPAddr, &c.OTLPGRPCAddr, &c.OTLPHTTPAddr} {
		if host, port, err := net.SplitHostPort(*a); err == nil && IsLoopback(host) {
			*a = net.JoinHostPort("0.0.0.0", port)
		}
	}
}

// IsLoopback reports whether host can be reached from this machine only.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
