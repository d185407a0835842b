// Package lokiapi answers Loki's HTTP API in its own dialect, so that Grafana, logcli and scripts take this server for a Loki: queries
// in LogQL, labels, series, statistics, volume, patterns, detected fields and live tails. What a stream's labels are is said in
// docs/api/loki.md. Evaluation is in package logql, storage in the store; this package translates between them and encodes.
package lokiapi

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/logql"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/limits"
	"github.com/faultline-io/faultline/services/query/problem"
)

// apiVersion is the version of Loki whose API this is; clients choose features by it.
const apiVersion = "3.5.0"

// Prefix is where the API lives.
const Prefix = "/loki/api/v1"

// Bounds of questions and answers.
const (
	// maxEntries is Loki's own bound on the lines of an answer (max_entries_limit_per_query).
	maxEntries = 5000
	// defaultEntries is Loki's own default.
	defaultEntries = 100
	// maxForm bounds the body of a posted query.
	maxForm = 1 << 20
	// maxAnswerBytes bounds the lines of one answer in memory (max_answer_bytes).
	maxAnswerBytes = 64 << 20
	// maxVolumeSeries bounds an answer about volume.
	maxVolumeSeries = 1000
	// maxTails bounds the live tails of a process: each decodes every batch that comes in.
	maxTails = 16
)

// Live gives accepted batches as they come; bus.Bus is one.
type Live interface {
	Subscribe(ctx context.Context, signal model.Signal, f func(*bus.Message)) error
}

// Deps is what code passes in.
type Deps struct {
	DB    *clickhouse.DB
	Live  Live
	Gate  *limits.Gate
	Log   *slog.Logger
	Clock func() time.Time
	// Revision is the commit of this build.
	Revision string
	// Limits bound metric queries; the zero value takes the defaults.
	Limits logql.Limits
}

// API answers requests. It is safe for concurrent use.
type API struct {
	deps   Deps
	reader *clickhouse.LogReader
	tails  chan struct{}
}

// New returns an API.
func New(deps Deps) *API {
	if deps.Limits == (logql.Limits{}) {
		deps.Limits = logql.DefaultLimits()
	}
	if deps.Clock == nil {
		deps.Clock = time.Now
	}
	return &API{deps: deps, reader: clickhouse.NewLogReader(deps.DB), tails: make(chan struct{}, maxTails)}
}

// Register adds the routes. They are not part of our own OpenAPI description: their reference is Loki's.
func (a *API) Register(r gin.IRouter) {
	gate := a.deps.Gate.Gin(func(c *gin.Context, err error) { a.fail(c, http.StatusTooManyRequests, err) })
	both := func(path string, h func(c *gin.Context) (any, error)) {
		r.GET(Prefix+path, gate, a.handle(h))
		r.POST(Prefix+path, gate, a.handle(h))
	}
	both("/query", a.query)
	both("/query_range", a.queryRange)
	both("/labels", a.labels)
	both("/label", a.labels)
	both("/series", a.series)
	both("/index/stats", a.stats)
	both("/index/volume", a.volume)
	both("/index/volume_range", a.volumeRange)
	both("/patterns", a.patterns)
	both("/detected_labels", a.detectedLabels)
	both("/detected_fields", a.detectedFields)
	both("/format_query", a.formatQuery)
	both("/label/:name/values", a.labelValues)
	both("/detected_field/:name/values", a.detectedValues)
	both("/detected_fields/:name/values", a.detectedValues)
	r.GET(Prefix+"/tail", a.tail)
	r.GET(Prefix+"/status/buildinfo", a.handle(a.buildInfo))
	r.GET(Prefix+"/drilldown-limits", a.handle(a.drilldownLimits))
	r.GET(Prefix+"/rules", a.noRules)
}

// Reads reports whether a path of ours asks and changes nothing, whatever its method.
func Reads(path string) bool {
	return strings.HasPrefix(path, Prefix+"/") && path != Prefix+"/push"
}

func (a *API) handle(h func(c *gin.Context) (any, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxForm)
		if err := c.Request.ParseForm(); err != nil {
			a.fail(c, http.StatusBadRequest, errs.New(errs.Invalid, "read the form: %w", err))
			return
		}
		v, err := h(c)
		if err != nil {
			a.fail(c, status(err), err)
			return
		}
		c.PureJSON(http.StatusOK, v)
	}
}

// status is Loki's status for an error: what a limit refuses is the query's fault.
func status(err error) int {
	switch kind := errs.KindOf(err); kind {
	case errs.Invalid, errs.Exhausted:
		return http.StatusBadRequest
	case errs.Timeout:
		return http.StatusGatewayTimeout
	case errs.Canceled:
		return problem.StatusClientGone
	default:
		return problem.Status(kind)
	}
}

// fail answers in plain text, as Loki does.
func (a *API) fail(c *gin.Context, code int, err error) {
	text := err.Error()
	if hint := errs.HintOf(err); hint != "" {
		text += " (" + hint + ")"
	}
	if code >= http.StatusInternalServerError {
		_ = c.Error(err)
		if code == http.StatusInternalServerError {
			text = "the server met an error it did not expect; its log has it"
		}
	}
	c.Abort()
	c.Data(code, "text/plain; charset=utf-8", []byte(text+"\n"))
}

// success is the frame of most answers.
type success struct {
	Status string `json:"status"`
	Data   any    `json:"data"`
}

func ok(data any) success { return success{Status: "success", Data: data} }

func (a *API) buildInfo(*gin.Context) (any, error) {
	return map[string]string{"version": apiVersion, "revision": a.deps.Revision, "branch": "faultline", "buildUser": "", "buildDate": "", "goVersion": runtime.Version()}, nil
}

// drilldownLimits tells Grafana's Logs Drilldown what there is.
func (a *API) drilldownLimits(*gin.Context) (any, error) {
	return gin.H{
		"version": apiVersion, "pattern_ingester_enabled": true,
		"limits": gin.H{
			"discover_log_levels": true, "discover_service_name": []string{"service_name"}, "log_level_fields": []string{"level", "detected_level"},
			"max_entries_limit_per_query": maxEntries, "max_query_series": a.deps.Limits.MaxSeries, "max_query_length": "0s", "max_query_lookback": "0s",
			"max_query_range": "0s", "max_query_bytes_read": "0B", "query_timeout": a.deps.Gate.Timeout().String(), "retention_period": "0s",
			"volume_enabled": true, "volume_max_series": maxVolumeSeries, "metric_aggregation_enabled": false, "pattern_persistence_enabled": false,
		},
	}, nil
}

// noRules answers that there are none; Grafana asks on its alerting pages.
func (a *API) noRules(c *gin.Context) {
	a.fail(c, http.StatusNotFound, errs.New(errs.NotFound, "no rule groups found"))
}

func (a *API) formatQuery(c *gin.Context) (any, error) {
	e, err := logql.Parse(c.Request.FormValue("query"))
	if err != nil {
		return nil, err
	}
	return ok(e.String()), nil
}
