// Package logsapi answers questions about log records: search with pages, volume over time, values of fields, and a live tail. The
// contract is in docs/api/contract.md; the language of search in package logquery.
package logsapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/sse"
)

// Live gives accepted batches as they come; bus.Bus is one.
type Live interface {
	Subscribe(ctx context.Context, signal model.Signal, f func(*bus.Message)) error
}

// Deps is what the handlers need.
type Deps struct {
	DB   *clickhouse.DB
	Live Live
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// maxTails bounds the live tails of a process: each decodes every batch that comes in.
const maxTails = 16

type handlers struct {
	reader *clickhouse.LogReader
	db     *clickhouse.DB
	live   Live
	now    func() time.Time
	tails  chan struct{}
}

// Register adds the operations under /api/v1/logs to api. The plain router is not needed and kept for symmetry with other parts.
func Register(api huma.API, _ gin.IRouter, deps Deps) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	h := &handlers{reader: clickhouse.NewLogReader(deps.DB), db: deps.DB, live: deps.Live, now: deps.Now, tails: make(chan struct{}, maxTails)}
	huma.Register(api, operation("search-logs", "/api/v1/logs", "Search log records, newest first"), h.search)
	huma.Register(api, operation("log-histogram", "/api/v1/logs/histogram", "Count log records over time by severity"), h.histogram)
	huma.Register(api, operation("log-facets", "/api/v1/logs/facets", "Count log records by service, host and severity"), h.facets)
	sse.Register(api, operation("tail-logs", "/api/v1/logs/tail", "Follow log records as they are accepted"), map[string]any{"log": Record{}}, h.tail)
}

func operation(id, path, summary string) huma.Operation {
	return huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Tags: []string{"logs"}}
}
