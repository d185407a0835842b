package promapi

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/storage/remote"
)

// Bounds of remote read.
const (
	// maxReadBody bounds a request: selectors, and nothing else.
	maxReadBody = 1 << 20
	// maxReadFrame is the largest frame of a stream of chunks: Prometheus' own default.
	maxReadFrame = 1 << 20
)

// remoteRead answers Prometheus' remote read with its own handler: whole samples or a stream of chunks, as the asker accepts. How many
// run at once is the gate's business.
func (a *API) remoteRead() gin.HandlerFunc {
	h := remote.NewReadHandler(a.deps.Log, nil, a.deps.Chunked, func() config.Config { return config.Config{} },
		a.cfg.MaxSamples, a.deps.Gate.MaxConcurrent(), maxReadFrame)
	return func(c *gin.Context) {
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxReadBody)
		h.ServeHTTP(c.Writer, c.Request)
	}
}
