package query

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/query/problem"
)

// readyTimeout bounds the check of what this server needs.
const readyTimeout = 3 * time.Second

// registerHealth adds what load balancers and scrapers ask for. These speak plain text, as everybody's do.
func (q *Query) registerHealth(r gin.IRouter) {
	r.GET("/-/healthy", func(c *gin.Context) { c.String(http.StatusOK, "healthy\n") })
	r.GET("/-/ready", func(c *gin.Context) {
		ctx, cancel := context.WithTimeout(c.Request.Context(), readyTimeout)
		defer cancel()
		if err := q.checkReady(ctx); err != nil {
			problem.Write(c, err)
			return
		}
		c.String(http.StatusOK, "ready\n")
	})
	r.GET("/metrics", func(c *gin.Context) {
		c.Header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		c.Status(http.StatusOK)
		if q.deps.Metrics != nil {
			q.deps.Metrics.WritePrometheus(c.Writer)
		}
		metrics.WriteProcessMetrics(c.Writer)
	})
}

// checkReady asks everything that queries need. Errors: errs.Unavailable naming what is not ready.
func (q *Query) checkReady(ctx context.Context) error {
	checks := []error{q.deps.Store.Ping(ctx), q.deps.Bus.Ready(ctx)}
	if q.deps.Ready != nil {
		checks = append(checks, q.deps.Ready(ctx))
	}
	if err := errors.Join(checks...); err != nil {
		return problem.WithCode("not_ready", errs.WithHint(errs.Unavailable, "it is normal for a few seconds after a start; then look at the log, or run `faultline doctor`",
			"not ready: %v", err))
	}
	return nil
}

// registerOwnMetrics exports what this part does.
func (q *Query) registerOwnMetrics() {
	if q.deps.Metrics == nil {
		return
	}
	q.deps.Metrics.NewGauge("faultline_query_running", func() float64 { return float64(q.gate.InUse()) })
	q.deps.Metrics.NewGauge("faultline_query_uptime_seconds", func() float64 { return q.deps.Clock().Sub(q.started).Seconds() })
}
