// Package tempoapi answers the HTTP API of Grafana Tempo over our spans, so that Grafana's data source of that type works: traces by
// id, search by TraceQL and by tags, names and values of tags, and metrics over spans. It holds no state and writes nothing.
package tempoapi

import (
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/query/limits"
	"github.com/faultline-io/faultline/services/query/problem"
	"github.com/faultline-io/faultline/services/query/timeparam"
)

// Prefix is where Tempo's paths live. They are served without it as well, since nobody else has them.
const Prefix = "/tempo"

// apiVersion is the version of Tempo whose API this is; Grafana chooses features by it.
const apiVersion = "2.8.0"

// defaultSpan is how far back a question without a start looks.
const defaultSpan = time.Hour

// Deps is what the handlers need.
type Deps struct {
	DB   *clickhouse.DB
	Gate *limits.Gate
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Revision is the commit of this build.
	Revision string
}

type handlers struct {
	deps   Deps
	reader *clickhouse.SpanReader
}

// Register adds the routes. They are not part of our own OpenAPI description: their reference is Tempo's.
func Register(r gin.IRouter, deps Deps) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	h := &handlers{deps: deps, reader: clickhouse.NewSpanReader(deps.DB)}
	gate := deps.Gate.Gin(fail)
	for _, prefix := range []string{Prefix, ""} {
		get := func(path string, f gin.HandlerFunc) { r.GET(prefix+path, gate, f) }
		get("/api/traces/:id", h.trace)
		get("/api/v2/traces/:id", h.traceV2)
		get("/api/search", h.search)
		get("/api/search/tags", h.tags)
		get("/api/v2/search/tags", h.tagsV2)
		get("/api/search/tag/:tag/values", h.values)
		get("/api/v2/search/tag/:tag/values", h.valuesV2)
		get("/api/metrics/query_range", h.queryRange)
		r.GET(prefix+"/api/echo", func(c *gin.Context) { c.String(http.StatusOK, "echo") })
		r.GET(prefix+"/api/status/buildinfo", h.buildInfo)
	}
	r.GET(Prefix+"/ready", func(c *gin.Context) { c.String(http.StatusOK, "ready") })
}

func (h *handlers) buildInfo(c *gin.Context) {
	c.JSON(http.StatusOK, gin.H{
		"version": apiVersion, "revision": h.deps.Revision, "branch": "faultline", "buildUser": "", "buildDate": "", "goVersion": runtime.Version(),
	})
}

// fail answers as Tempo does: a status and a line of text.
func fail(c *gin.Context, err error) {
	status := problem.Status(errs.KindOf(err))
	text := err.Error()
	if hint := errs.HintOf(err); hint != "" {
		text += " (" + hint + ")"
	}
	if status >= http.StatusInternalServerError {
		_ = c.Error(err)
	}
	if status == http.StatusInternalServerError {
		text = "the server met an error it did not expect; its log has it"
	}
	if status == http.StatusTooManyRequests {
		c.Header("Retry-After", "1")
	}
	c.Abort()
	c.String(status, "%s", text)
}

// times reads start and end, which Tempo has as Unix seconds.
func (h *handlers) times(c *gin.Context) (startNS, endNS int64, err error) {
	r, err := timeparam.ParseRange(c.Query("start"), c.Query("end"), h.deps.Now(), defaultSpan)
	if err != nil {
		return 0, 0, err
	}
	return r.Start.UnixNano(), r.End.UnixNano(), nil
}

// tagParam returns the tag of the path. Grafana escapes it twice, so that a slash in it survives.
func tagParam(c *gin.Context) string {
	tag := c.Param("tag")
	if strings.Contains(tag, "%") {
		if plain, err := url.PathUnescape(tag); err == nil {
			return plain
		}
	}
	return tag
}
