// Package query is the query API: it answers the console, Grafana and scripts over HTTP from the store and the bus, signs people in,
// and serves the console's files. It writes nothing but sessions, silences,
// alerts that people add, commands about incidents, and replays of dead letters.
package query

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzhttp"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/query/alertsapi"
	"github.com/faultline-io/faultline/services/query/backtestsapi"
	"github.com/faultline-io/faultline/services/query/changesapi"
	"github.com/faultline-io/faultline/services/query/console"
	"github.com/faultline-io/faultline/services/query/forecastsapi"
	"github.com/faultline-io/faultline/services/query/incidentsapi"
	"github.com/faultline-io/faultline/services/query/jaegerapi"
	"github.com/faultline-io/faultline/services/query/limits"
	"github.com/faultline-io/faultline/services/query/logsapi"
	"github.com/faultline-io/faultline/services/query/lokiapi"
	"github.com/faultline-io/faultline/services/query/patternsapi"
	"github.com/faultline-io/faultline/services/query/problem"
	"github.com/faultline-io/faultline/services/query/promapi"
	"github.com/faultline-io/faultline/services/query/promstore"
	"github.com/faultline-io/faultline/services/query/session"
	"github.com/faultline-io/faultline/services/query/sqlapi"
	"github.com/faultline-io/faultline/services/query/tempoapi"
	"github.com/faultline-io/faultline/services/query/tracesapi"
	"github.com/faultline-io/faultline/services/query/warm"
)

// Config is what a user may set.
type Config struct {
	Limits limits.Config
	Series promstore.Config
	// MaxMemory is at how many bytes of this process PromQL queries are ended; 0 is a share of the machine's.
	MaxMemory int64
	// Warm bounds what is kept in memory of metrics between queries.
	Warm warm.Config
	// PlanOff leaves PromQL to Prometheus' engine alone.
	PlanOff bool
	// MaxSamples is how many samples one PromQL query may hold at once.
	MaxSamples int
	// Mode is all-in-one or cluster, for the system page.
	Mode string
	// Retention says per signal how many days of history are kept; 0 is for ever.
	Retention map[string]int
	// Endpoints are what senders are told to use.
	Endpoints Endpoints
	// DiskWarnRatio and DiskFullRatio are the fill levels of the data disk at which it counts as filling and as full.
	DiskWarnRatio, DiskFullRatio float64
}

// Endpoints are the addresses that senders are told to use, as a person would type them.
type Endpoints struct {
	// HTTP is the address of this server: http://127.0.0.1:8080.
	HTTP string
	// OTLPHTTP and OTLPGRPC are the OpenTelemetry addresses: http://127.0.0.1:4318 and 127.0.0.1:4317.
	OTLPHTTP string
	OTLPGRPC string
}

// Default returns the configuration of the all-in-one.
func Default() Config {
	return Config{
		Limits:     limits.Default(),
		Series:     promstore.Default(),
		Warm:       warm.Default(),
		MaxSamples: 50_000_000,
		Mode:       "all-in-one",
		Retention:  map[string]int{},
		Endpoints:  Endpoints{HTTP: "http://127.0.0.1:8080", OTLPHTTP: "http://127.0.0.1:4318", OTLPGRPC: "127.0.0.1:4317"},
	}
}

// Validate names the first key with a value that cannot work.
func (c *Config) Validate() error {
	switch {
	case c.Mode != "all-in-one" && c.Mode != "cluster":
		return errs.New(errs.Invalid, "query.mode: %q is not all-in-one or cluster", c.Mode)
	case c.MaxSamples <= 0:
		return errs.New(errs.Invalid, "query.max_samples: must be positive, is %d", c.MaxSamples)
	case c.Limits.MaxConcurrent <= 0:
		return errs.New(errs.Invalid, "query.max_concurrent: must be positive, is %d", c.Limits.MaxConcurrent)
	}
	return nil
}

// Verifier checks passwords. Errors: errs.Unauthenticated for a wrong one, errs.Exhausted after too many failures from an address.
type Verifier interface {
	VerifyPassword(remoteAddr, user, password string) error
}

// Deps is what code passes in.
type Deps struct {
	// Store answers queries, under a user that may only read.
	Store *clickhouse.DB
	// System reads system tables, for the system page; nil leaves the sizes out.
	System *clickhouse.DB
	// SQL runs people's own statements; nil answers that there is no address for them.
	SQL   *clickhouse.SQL
	Bus   bus.Bus
	Auth  Verifier
	Log   *slog.Logger
	Clock func() time.Time
	// Dist is the built console.
	Dist fs.FS
	// Metrics is the process's own set; nil serves none.
	Metrics *metrics.Set
	Build   app.Build
	// Disk reads the data disk when it is this machine's: a full one may keep the disk guard from publishing what it saw. nil is a store
	// elsewhere.
	Disk func() (path string, total, used, free uint64, err error)
	// Targets returns the state of this process's scraping as JSON in Prometheus' form; nil when it does not scrape.
	Targets func(state, pool string) ([]byte, error)
	// Ready says what must be ready besides the store and the bus; nil is nothing.
	Ready func(ctx context.Context) error
}

// Query is the query API.
type Query struct {
	cfg      Config
	deps     Deps
	started  time.Time
	gate     *limits.Gate
	memory   *limits.Memory
	sessions *session.Manager
	series   *promstore.Store
	metrics  *clickhouse.MetricReader
	warm     *warm.Reader
	prom     *promapi.API
	alerts   *alertsapi.API
	brain    *incidentsapi.API
	api      huma.API
	replayed keys
	handler  http.Handler
	routes   gin.RoutesInfo
}

// New builds the API. Errors: errs.Invalid for a configuration that cannot work.
func New(cfg Config, deps Deps) (*Query, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Clock == nil {
		deps.Clock = time.Now
	}
	files, err := console.New(deps.Dist)
	if err != nil {
		return nil, err
	}
	q := &Query{cfg: cfg, deps: deps, started: deps.Clock(), gate: limits.NewGate(cfg.Limits), memory: limits.NewMemory(cfg.MaxMemory)}
	q.sessions = session.NewManager(deps.Bus, deps.Clock, deps.Log)
	q.metrics = clickhouse.NewMetricReader(deps.Store)
	q.warm = warm.New(cfg.Warm, warm.Deps{Tables: q.metrics, System: deps.System, Log: deps.Log, Now: deps.Clock})
	q.series = promstore.New(cfg.Series, q.warm, deps.Log, deps.Clock)
	prom := promapi.Config{MaxSamples: cfg.MaxSamples, Timeout: q.gate.Timeout(), Retention: time.Duration(cfg.Retention["metrics"]) * 24 * time.Hour, PlanOff: cfg.PlanOff}
	q.prom = promapi.New(prom, promapi.Deps{
		Queryable: q.series, Chunked: promstore.Chunked{Store: q.series}, Exemplars: q.exemplars, Stats: q.metrics, Targets: deps.Targets,
		Metadata: q.metrics, Gate: q.gate, Memory: q.memory, Log: deps.Log, Clock: deps.Clock, Revision: deps.Build.Commit,
	})
	q.alerts = alertsapi.New(alertsapi.Deps{Bus: deps.Bus, History: deps.Store, Log: deps.Log, Now: deps.Clock})
	q.brain = incidentsapi.New(incidentsapi.Deps{DB: deps.Store, Bus: deps.Bus, Log: deps.Log, Now: deps.Clock})
	router := q.router(files)
	q.routes = router.Routes()
	if q.handler, err = compressed(router); err != nil {
		return nil, err
	}
	q.registerOwnMetrics()
	return q, nil
}

func (q *Query) exemplars(ctx context.Context, minMS, maxMS int64, sets ...[]*labels.Matcher) ([]exemplar.QueryResult, bool, error) {
	return q.series.Exemplars(ctx, q.metrics, minMS, maxMS, sets...)
}

// Handler answers every path that belongs to the query API, the console's included.
func (q *Query) Handler() http.Handler { return q.handler }

// Routes returns what Handler serves besides the console, as "GET /path/:name".
func (q *Query) Routes() []string {
	out := make([]string, len(q.routes))
	for i, r := range q.routes {
		out[i] = r.Method + " " + r.Path
	}
	return out
}

// Public reports whether a path of the API needs no sign-in.
func Public(path string) bool { return public[path] || path == "/metrics" }

// Parts returns what must run beside the handler.
func (q *Query) Parts() []app.Service { return []app.Service{q.sessions, q.memory, q.alerts, q.brain} }

// OpenAPI returns the description of our own operations, as YAML.
func (q *Query) OpenAPI() ([]byte, error) { return q.api.OpenAPI().YAML() }

// router builds the routes. The order of the middleware matters: a panic anywhere below is answered, with the request's id, under the
// security headers; who asks is known before anything else runs.
func (q *Query) router(files http.Handler) *gin.Engine {
	problem.Install()
	ginRelease()
	router := gin.New()
	router.HandleMethodNotAllowed = true
	router.RedirectTrailingSlash = false
	router.Use(q.withRequestID, q.securityHeaders, q.recoverPanics, q.authenticate)
	router.NoRoute(q.noRoute(files))
	router.NoMethod(func(c *gin.Context) {
		problem.Write(c, problem.MethodNotAllowed(c.Request.Method, c.Request.URL.Path))
	})
	q.api = humagin.New(router, apiConfig(q.deps.Build.Version))
	q.api.UseMiddleware(q.gate.Huma)
	q.registerSession()
	q.registerSystem()
	q.registerSenders()
	q.registerLedger()
	q.registerDeadLetters()
	q.registerHosts()
	q.registerServices()
	logsapi.Register(q.api, router, logsapi.Deps{DB: q.deps.Store, Live: q.deps.Bus, Now: q.deps.Clock})
	patternsapi.Register(q.api, patternsapi.Deps{DB: q.deps.Store, Now: q.deps.Clock})
	tracesapi.Register(q.api, router, tracesapi.Deps{DB: q.deps.Store, Now: q.deps.Clock})
	backtestsapi.Register(q.api, backtestsapi.Deps{Bus: q.deps.Bus, Now: q.deps.Clock})
	changesapi.Register(q.api, router, changesapi.Deps{DB: q.deps.Store, Now: q.deps.Clock})
	forecastsapi.Register(q.api, router, forecastsapi.Deps{DB: q.deps.Store, Bus: q.deps.Bus, Now: q.deps.Clock})
	sqlapi.Register(q.api, sqlapi.Deps{SQL: q.deps.SQL})
	tempoapi.Register(router, tempoapi.Deps{DB: q.deps.Store, Gate: q.gate, Now: q.deps.Clock, Revision: q.deps.Build.Commit})
	jaegerapi.Register(router, jaegerapi.Deps{DB: q.deps.Store, Gate: q.gate, Now: q.deps.Clock})
	q.alerts.Register(q.api, router)
	q.brain.Register(q.api)
	q.registerHealth(router)
	q.prom.Register(router)
	lokiapi.New(lokiapi.Deps{
		DB: q.deps.Store, Live: q.deps.Bus, Gate: q.gate, Log: q.deps.Log, Clock: q.deps.Clock, Revision: q.deps.Build.Commit,
	}).Register(router)
	return router
}

// noRoute gives unknown paths of the API a problem and all others the console.
func (q *Query) noRoute(files http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		if isAPI(c.Request.URL.Path) || (c.Request.Method != http.MethodGet && c.Request.Method != http.MethodHead) {
			problem.Write(c, errs.WithHint(errs.NotFound, "GET /api/openapi.json lists what there is", "there is no %s", c.Request.URL.Path))
			return
		}
		c.Status(http.StatusOK)
		files.ServeHTTP(c.Writer, c.Request)
	}
}

// apiConfig describes our own API: OpenAPI 3.1, no documentation page (its scripts come from outside), no $schema in answers.
func apiConfig(version string) huma.Config {
	if version == "" {
		version = "devel"
	}
	cfg := huma.DefaultConfig("Faultline", version)
	cfg.CreateHooks = nil
	cfg.DocsPath = ""
	cfg.SchemasPath = ""
	cfg.OpenAPIPath = "/api/openapi"
	cfg.Info.Description = "Query API of Faultline. Prometheus' paths answer in Prometheus' own dialect and are described by Prometheus."
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"session": {Type: "apiKey", In: "cookie", Name: cookieName, Description: "Set by POST /api/v1/session; writes need the header X-Faultline-CSRF too."},
		"basic":   {Type: "http", Scheme: "basic"},
		"bearer":  {Type: "http", Scheme: "bearer"},
	}
	cfg.Security = []map[string][]string{{"session": {}}, {"basic": {}}, {"bearer": {}}}
	return cfg
}

// compressed packs answers that are worth it. Streams are left alone: a compressor holds events back.
func compressed(h http.Handler) (http.Handler, error) {
	wrap, err := gzhttp.NewWrapper(
		gzhttp.MinSize(4<<10),
		gzhttp.CompressionLevel(1), // large answers are columns of numbers: more effort gives little
		gzhttp.ContentTypes([]string{"application/json", "application/problem+json", "application/openapi+json", "application/openapi+yaml", "text/plain", "text/html"}),
	)
	if err != nil {
		return nil, errs.New(errs.Internal, "set up compression: %w", err)
	}
	return wrap(h), nil
}
