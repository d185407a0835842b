// Package gateway receives telemetry: OTLP, Prometheus remote write, Loki push and scraping. Each protocol is a package below it
// that turns messages into columnar batches (model.Metrics, model.Logs, model.Spans); this package gives them HTTP and gRPC, keys,
// limits and the way to the bus. A sender gets its answer after the bus has its data, never before.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/faultline-io/faultline/services/gateway/changes"
	"github.com/faultline-io/faultline/services/gateway/datadog"
	"github.com/faultline-io/faultline/services/gateway/graphite"
	"github.com/faultline-io/faultline/services/gateway/influx"
	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/jaeger"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/lokipush"
	"github.com/faultline-io/faultline/services/gateway/otlp"
	"github.com/faultline-io/faultline/services/gateway/pipeline"
	"github.com/faultline-io/faultline/services/gateway/promwrite"
	"github.com/faultline-io/faultline/services/gateway/series"
	"github.com/faultline-io/faultline/services/gateway/statsd"
	"github.com/faultline-io/faultline/services/gateway/zipkin"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/logshape"
	"github.com/faultline-io/faultline/services/model"
)

// Config is what a user may set.
type Config struct {
	// OTLPGRPCAddr and OTLPHTTPAddr are where OTLP is listened for; empty turns that listener off.
	OTLPGRPCAddr string
	OTLPHTTPAddr string
	// TLSCertFile and TLSKeyFile turn TLS on for both; both or neither.
	TLSCertFile string
	TLSKeyFile  string
	// RequireKey asks for an ingest key on loopback as well.
	RequireKey bool
	// ScrapeConfigFile is a Prometheus configuration with scrape_configs; empty turns scraping off.
	ScrapeConfigFile string
	// PipelineFile says what is done with telemetry on its way (package pipeline); empty redacts secrets and does nothing else.
	PipelineFile string
	Receivers    Receivers
	// Shards is the number of shards of the telemetry streams: a power of two of at most series.MaxShards.
	Shards int
	Limits limits.Limits
}

// Default returns the configuration of a fresh installation.
func Default() Config {
	return Config{OTLPGRPCAddr: "127.0.0.1:4317", OTLPHTTPAddr: "127.0.0.1:4318", Shards: 1, Limits: limits.Default()}
}

// Receivers are the protocols with a port of their own: host:port for each, empty is off.
type Receivers struct {
	Syslog     string // UDP and TCP.
	SyslogTLS  string // TLS over TCP.
	GELF       string // UDP and TCP.
	Fluent     string // TCP.
	FluentTLS  string // TLS over TCP.
	Elastic    string // HTTP.
	Statsd     string // UDP and TCP.
	Graphite   string // UDP and TCP.
	Zipkin     string // HTTP.
	JaegerHTTP string // Thrift over HTTP.
	JaegerGRPC string
	// TrustedNetworks are the networks, as CIDR, whose senders are taken without a key where the protocol knows none. Loopback always is.
	TrustedNetworks []string
	// WebhookSecretFile has the secret that forges sign their webhooks with; empty asks for an ingest key instead.
	WebhookSecretFile string
	// FluentSharedKeyFile has the key that senders of Fluent forward must prove to know; with it they are taken from everywhere, without it from
	// trusted networks.
	FluentSharedKeyFile string
	// SyslogTimezone is the zone of syslog times that name none, as Europe/Berlin; empty is that of this machine.
	SyslogTimezone string
}

// Validate names the first setting that makes no sense.
func (c Config) Validate() error {
	if (c.TLSCertFile == "") != (c.TLSKeyFile == "") {
		return errors.New("gateway.tls_cert_file and gateway.tls_key_file: set both or neither")
	}
	if c.Shards < 1 || c.Shards > series.MaxShards || c.Shards&(c.Shards-1) != 0 {
		return fmt.Errorf("gateway.shards is %d, must be 1, 2, 4, 8 or %d", c.Shards, series.MaxShards)
	}
	if err := c.Limits.Validate(); err != nil {
		return fmt.Errorf("gateway.limits.%w", err)
	}
	if _, err := parseNetworks(c.Receivers.TrustedNetworks); err != nil {
		return fmt.Errorf("gateway.receivers.trusted_networks: %w", err)
	}
	if _, err := c.Receivers.zone(); err != nil {
		return err
	}
	return nil
}

// zone returns the zone of syslog times that name none.
func (r *Receivers) zone() (*time.Location, error) {
	if r.SyslogTimezone == "" {
		return time.Local, nil
	}
	zone, err := time.LoadLocation(r.SyslogTimezone)
	if err != nil {
		return nil, errs.New(errs.Invalid, "gateway.receivers.syslog_timezone: %w", err)
	}
	return zone, nil
}

// KeyVerifier tells which tenant an ingest key belongs to; errs.Unauthenticated when it is not a key.
type KeyVerifier interface {
	VerifyIngestKey(key string) (model.TenantID, error)
}

// RejectionSink keeps counts of refused items.
type RejectionSink interface {
	StoreRejections(ctx context.Context, at time.Time, rs []limits.Rejection) error
}

// Deps is what the gateway is given. Only Publisher is needed; the rest has defaults.
type Deps struct {
	Publisher bus.Publisher
	// Auth verifies ingest keys; without it only loopback senders are taken.
	Auth       KeyVerifier
	Rejections RejectionSink
	// Alerts keeps alerts that others raised; without it their paths are not served.
	Alerts  AlertSink
	Log     *slog.Logger
	Metrics *metrics.Set
	Clock   func() time.Time
	// Shape hashes the masked tokens of a log body; logshape.Hash when nil.
	Shape func(body string) uint64
}

// Gateway is the receiving side of Faultline.
type Gateway struct {
	cfg      Config
	deps     Deps
	core     *intake.Core
	pipeline *pipeline.Holder
	budget   *limits.Budget
	buffers  limits.Buffers
	decoder  limits.Decoder
	promw    *promwrite.Receiver
	otlp     *otlp.Receiver
	loki     *lokipush.Receiver
	changes  *changes.Receiver
	influx   *influx.Receiver
	graphite *graphite.Receiver
	datadog  *datadog.Receiver
	statsd   *statsd.Receiver
	zipkin   *zipkin.Receiver
	jaeger   *jaeger.Receiver
	logs     logReceivers
	measures *measures
	handler  http.Handler
	// networks are trusted by protocols without keys.
	networks []netip.Prefix
	// webhookSecret is what webhooks are signed with; empty asks for keys.
	webhookSecret string
	// fluentKey is what senders of Fluent forward must know; empty asks for nothing.
	fluentKey string
}

// New returns a gateway. It starts nothing: Parts and Handler do.
func New(cfg Config, deps Deps) (*Gateway, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Publisher == nil {
		return nil, errors.New("gateway needs a publisher")
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Metrics == nil {
		deps.Metrics = metrics.NewSet()
	}
	if deps.Clock == nil {
		deps.Clock = time.Now
	}
	if deps.Shape == nil {
		deps.Shape = logshape.Hash
	}
	networks, err := parseNetworks(cfg.Receivers.TrustedNetworks)
	if err != nil {
		return nil, err
	}
	g := &Gateway{cfg: cfg, deps: deps, budget: limits.NewBudget(cfg.Limits.MaxInflightBytes), networks: networks}
	g.measures = newMeasures(deps.Metrics, g)
	g.core = &intake.Core{
		Limits:   cfg.Limits,
		Sink:     &busSink{publisher: deps.Publisher, measures: g.measures},
		Rejected: limits.NewRejections(),
		Index:    series.NewIndex(&g.cfg.Limits),
		Shards:   cfg.Shards,
		Clock:    deps.Clock,
		Log:      deps.Log,
		Shape:    deps.Shape,
	}
	if g.pipeline, err = pipeline.NewHolder(pipeline.Deps{File: cfg.PipelineFile, Core: g.core, Metrics: deps.Metrics, Log: deps.Log}); err != nil {
		return nil, err
	}
	g.core.Pipeline = g.pipeline
	g.promw = promwrite.New(g.core)
	g.otlp = otlp.New(g.core)
	g.loki = lokipush.New(g.core)
	g.changes, g.influx, g.graphite, g.datadog = changes.New(g.core), influx.New(g.core), graphite.New(g.core), datadog.New(g.core)
	g.statsd = statsd.New(g.core, deps.Log)
	g.zipkin, g.jaeger = zipkin.New(g.otlp), jaeger.New(g.otlp)
	if g.webhookSecret, err = readSecret("receivers.webhook_secret_file", cfg.Receivers.WebhookSecretFile); err != nil {
		return nil, err
	}
	if g.fluentKey, err = readSecret("receivers.fluent_shared_key_file", cfg.Receivers.FluentSharedKeyFile); err != nil {
		return nil, err
	}
	g.logs = newLogReceivers(g.core)
	g.handler = g.router()
	return g, nil
}

// Reload reads the pipeline's file again. Errors: errs.Invalid with file and line, and then all stays as it was.
func (g *Gateway) Reload() error { return g.pipeline.Reload() }

// Rejections returns the counts of refused items since the start.
func (g *Gateway) Rejections() []limits.Rejection { return g.core.Rejected.Total() }
