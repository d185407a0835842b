// Package promapi answers Prometheus' HTTP API in its own dialect, so that Grafana, promtool and scripts take this server for a
// Prometheus: instant and range queries, exemplars, series, labels, metadata, remote read, the parser, and what there is to say about the
// server. Rules and alerts are not here. It evaluates with Prometheus' own engine over our tables.
package promapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/features"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/limits"
	"github.com/faultline-io/faultline/services/query/problem"
)

// apiVersion is the version of Prometheus whose API and language this is; clients choose features by it.
const apiVersion = "3.14.0"

// maxPoints is Prometheus' own bound on the steps of a range query: enough for a pixel each on any screen.
const maxPoints = 11_000

// maxForm bounds the body of a posted query.
const maxForm = 4 << 20

// lookback is how long a sample speaks for its series; Prometheus' default, which all dashboards assume.
const lookback = 5 * time.Minute

// MetadataReader returns what metric families mean.
type MetadataReader interface {
	Metadata(ctx context.Context, tenant model.TenantID, family string, limit int) ([]model.MetricMetadata, error)
}

// Config bounds queries.
type Config struct {
	// MaxSamples is how many samples a query may hold in memory at once.
	MaxSamples int
	// Timeout is how long a query may run.
	Timeout time.Duration
	// Retention is how long samples are kept, for clients that ask; 0 is for ever.
	Retention time.Duration
	// PlanOff leaves every query to Prometheus' engine.
	PlanOff bool
}

// Deps is what code passes in.
type Deps struct {
	Queryable storage.Queryable
	// Chunked is the same for remote read.
	Chunked storage.SampleAndChunkQueryable
	// Exemplars returns the exemplars of the series that any of the sets matches, and whether there are more than it may return.
	Exemplars func(ctx context.Context, minMS, maxMS int64, sets ...[]*labels.Matcher) ([]exemplar.QueryResult, bool, error)
	Stats     StatsReader
	// Targets tells of this process's scraping; nil when it does not scrape.
	Targets  Targets
	Metadata MetadataReader
	Gate     *limits.Gate
	// Memory ends queries when all together use too much; nil does not.
	Memory *limits.Memory
	Log    *slog.Logger
	Clock  func() time.Time
	// Revision is the commit of this build.
	Revision string
}

// API answers requests. It is safe for concurrent use.
type API struct {
	cfg     Config
	deps    Deps
	engine  *promql.Engine
	parser  parser.Parser
	known   features.Collector
	started time.Time
}

// language is Prometheus' with everything that it has behind flags: what is an error without a flag has a meaning here, and nothing
// else changes.
var language = parser.Options{
	EnableExperimentalFunctions: true, ExperimentalDurationExpr: true, EnableExtendedRangeSelectors: true, EnableBinopFillModifiers: true,
}

// New returns an API; its engine lives as long as the process.
func New(cfg Config, deps Deps) *API {
	a := &API{cfg: cfg, deps: deps, parser: parser.NewParser(language), started: deps.Clock().UTC()}
	a.known = a.collectFeatures()
	a.engine = promql.NewEngine(promql.EngineOpts{
		Logger:                   deps.Log,
		MaxSamples:               cfg.MaxSamples,
		Timeout:                  cfg.Timeout,
		LookbackDelta:            lookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		EnablePerStepStats:       true, // counted only for requests with stats=all
		FeatureRegistry:          a.known,
		Parser:                   a.parser,
	})
	return a
}

// Engine returns the engine, with the planner before it, for parts of this server that ask questions themselves.
func (a *API) Engine() promql.QueryEngine { return a.planned() }

// Close releases the engine.
func (a *API) Close() error { return a.engine.Close() }

// prefixes are where the API is: at Prometheus' own place, and where clients expect it that know a Prometheus behind a path.
var prefixes = [...]string{"/api/v1", "/prometheus/api/v1"}

// Register adds the routes. They are not part of our own OpenAPI description: their reference is Prometheus'.
func (a *API) Register(r gin.IRouter) {
	gate := a.deps.Gate.Gin(func(c *gin.Context, err error) { a.fail(c, err) })
	read := a.remoteRead()
	for _, prefix := range prefixes {
		both := func(path string, h func(c *gin.Context) (reply, error)) {
			r.GET(prefix+path, gate, a.handle(h))
			r.POST(prefix+path, gate, a.handle(h))
		}
		both("/query", a.query)
		both("/query_range", a.queryRange)
		both("/query_exemplars", a.queryExemplars)
		both("/series", a.series)
		both("/labels", a.labels)
		both("/format_query", a.formatQuery)
		both("/explain", a.explain)
		both("/parse_query", a.parseQuery)
		r.GET(prefix+"/label/:name/values", gate, a.handle(a.labelValues))
		r.GET(prefix+"/metadata", gate, a.handle(a.metadata))
		r.POST(prefix+"/read", gate, read)
		a.registerStatus(r, prefix, gate)
	}
}

// ReadsByPost reports whether a path is one of the questions here that are posted because they may be long, and change nothing.
func ReadsByPost(path string) bool {
	for _, prefix := range prefixes {
		switch rest, ok := strings.CutPrefix(path, prefix); {
		case !ok:
		case rest == "/query", rest == "/query_range", rest == "/query_exemplars", rest == "/series", rest == "/labels", rest == "/format_query",
			rest == "/parse_query", rest == "/read", rest == "/explain":
			return true
		}
	}
	return false
}

// reply is a successful answer: data is encoded JSON.
type reply struct {
	data []byte
	// none says that there is nothing to say: the answer has no body.
	none     bool
	warnings []string
	infos    []string
}

func (a *API) handle(h func(c *gin.Context) (reply, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxForm)
		if err := c.Request.ParseForm(); err != nil {
			a.fail(c, badData("read the form: %v", err))
			return
		}
		r, err := h(c)
		if err != nil {
			a.fail(c, err)
			return
		}
		if r.none {
			c.Status(http.StatusNoContent)
			c.Writer.WriteHeaderNow()
			return
		}
		c.Data(http.StatusOK, "application/json", r.encode())
	}
}

func badData(format string, args ...any) error { return errs.New(errs.Invalid, format, args...) }

// evalError marks an error that the engine met while it evaluated: the query is well formed and cannot be answered.
type evalError struct{ err error }

func (e *evalError) Error() string { return e.err.Error() }
func (e *evalError) Unwrap() error { return e.err }

// fail answers with Prometheus' error object.
func (a *API) fail(c *gin.Context, err error) {
	status, kind := classify(err)
	if status >= http.StatusInternalServerError {
		_ = c.Error(err)
	}
	text := err.Error()
	if hint := errs.HintOf(err); hint != "" {
		text += " (" + hint + ")"
	}
	text += limitOfEngine(err)
	if status == http.StatusInternalServerError {
		text = "the server met an error it did not expect; its log has it"
	}
	if status == http.StatusTooManyRequests {
		c.Header("Retry-After", "1")
	}
	c.Abort()
	c.Data(status, "application/json", encodeError(kind, text))
}

// limitOfEngine names the setting behind an error of the engine, which does not know our names.
func limitOfEngine(err error) string {
	var (
		tooMany promql.ErrTooManySamples
		timeout promql.ErrQueryTimeout
	)
	switch {
	case errors.As(err, &tooMany):
		return " (query.max_samples)"
	case errors.As(err, &timeout):
		return " (query.timeout, or the request's own timeout)"
	}
	return ""
}

// classify returns the status and Prometheus' name for an error.
func classify(err error) (status int, errorType string) {
	var (
		timeout  promql.ErrQueryTimeout
		canceled promql.ErrQueryCanceled
		tooMany  promql.ErrTooManySamples
		broken   promql.ErrStorage
		eval     *evalError
	)
	evaluated := errors.As(err, &eval)
	switch {
	case errors.As(err, &timeout):
		return http.StatusServiceUnavailable, "timeout"
	case errors.As(err, &canceled):
		return problem.StatusClientGone, "canceled"
	case errors.As(err, &tooMany):
		return http.StatusUnprocessableEntity, "execution"
	case errors.As(err, &broken):
		err = broken.Err
	}
	kind := errs.KindOf(err)
	switch kind {
	case errs.Invalid:
		return http.StatusBadRequest, "bad_data"
	case errs.NotFound:
		return http.StatusNotFound, "not_found"
	case errs.Exhausted:
		if evaluated {
			return http.StatusUnprocessableEntity, "execution"
		}
		return http.StatusTooManyRequests, "unavailable"
	case errs.Timeout:
		return http.StatusServiceUnavailable, "timeout"
	case errs.Canceled:
		return problem.StatusClientGone, "canceled"
	case errs.Unavailable:
		return http.StatusServiceUnavailable, "unavailable"
	default:
	}
	if evaluated && !isOurs(err) {
		return http.StatusUnprocessableEntity, "execution"
	}
	return problem.Status(kind), "internal"
}

// isOurs reports whether an error has a kind, as those of the store do; the engine's own have none and are about the query.
func isOurs(err error) bool {
	var e *errs.Error
	return errors.As(err, &e)
}
