package query

import (
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/query/alertsapi"
	"github.com/faultline-io/faultline/services/query/forecastsapi"
	"github.com/faultline-io/faultline/services/query/jaegerapi"
	"github.com/faultline-io/faultline/services/query/problem"
	"github.com/faultline-io/faultline/services/query/reqctx"
	"github.com/faultline-io/faultline/services/query/tempoapi"
)

// requestIDHeader carries the request's id back, and in when a proxy made one.
const requestIDHeader = "X-Request-Id"

// contentSecurityPolicy lets the console load its own files only. Styles may be inline because the chart library sets them so.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// releaseOnce guards gin's mode, which it keeps in a package variable.
var releaseOnce sync.Once

// ginRelease makes gin print nothing.
func ginRelease() { releaseOnce.Do(func() { gin.SetMode(gin.ReleaseMode) }) }

// isAPI reports whether a path belongs to the API, and not to the console.
func isAPI(path string) bool {
	return strings.HasPrefix(path, tempoapi.Prefix+"/") || strings.HasPrefix(path, jaegerapi.Prefix+"/") ||
		strings.HasPrefix(path, "/loki/") || strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/prometheus/api/") ||
		strings.HasPrefix(path, alertsapi.Prefix+"/") || strings.HasPrefix(path, forecastsapi.KubernetesPrefix+"/") || strings.HasPrefix(path, "/-/") || path == "/metrics"
}

// withRequestID gives the request an id and, when it ended badly, writes what happened under it to the log.
func (q *Query) withRequestID(c *gin.Context) {
	id := c.GetHeader(requestIDHeader)
	if !validRequestID(id) {
		id = newRequestID()
	}
	c.Header(requestIDHeader, id)
	c.Request = c.Request.WithContext(reqctx.WithRequestID(c.Request.Context(), id))
	started := q.deps.Clock()
	c.Next()
	if len(c.Errors) == 0 {
		return
	}
	q.deps.Log.ErrorContext(c.Request.Context(), "a request failed",
		slog.String("request_id", id), slog.String("method", c.Request.Method), slog.String("path", c.Request.URL.Path),
		slog.Int("status", c.Writer.Status()), slog.Duration("elapsed", q.deps.Clock().Sub(started)), slog.Any("error", c.Errors.Last().Err))
}

// validRequestID refuses ids that could forge log lines or fill them.
func validRequestID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	return !strings.ContainsFunc(id, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_')
	})
}

func newRequestID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: the runtime ends the process instead
	return hex.EncodeToString(b[:])
}

// securityHeaders go with every answer.
func (q *Query) securityHeaders(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	if isAPI(c.Request.URL.Path) {
		h.Set("Cache-Control", "no-store")
	}
	if c.Request.TLS != nil {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	c.Next()
}

// recoverPanics answers a bug with a 500; the process goes on. http.ErrAbortHandler is how a handler drops a connection on purpose.
func (q *Query) recoverPanics(c *gin.Context) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if v == http.ErrAbortHandler {
			panic(v)
		}
		err := errs.New(errs.Internal, "panic: %v\n%s", v, debug.Stack())
		if c.Writer.Written() {
			_ = c.Error(err)
			c.Abort()
			return
		}
		problem.Write(c, err)
	}()
	c.Next()
}

// fromLoopback reports whether the request comes from this machine and not through a proxy on it.
func fromLoopback(r *http.Request) bool {
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
