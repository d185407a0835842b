// Package tracesapi answers questions about traces: one by its id, and search by what a span in it must have. The contract is in
// docs/api/contract.md.
package tracesapi

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
)

// Deps is what the handlers need.
type Deps struct {
	DB *clickhouse.DB
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

type handlers struct {
	reader *clickhouse.SpanReader
	db     *clickhouse.DB
	now    func() time.Time
}

// Register adds the operations under /api/v1/traces to api. The plain router is not needed and kept for symmetry with other parts.
func Register(api huma.API, _ gin.IRouter, deps Deps) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	h := &handlers{reader: clickhouse.NewSpanReader(deps.DB), db: deps.DB, now: deps.Now}
	huma.Register(api, operation("search-traces", "/api/v1/traces", "Search traces, newest first"), h.search)
	huma.Register(api, operation("get-trace", "/api/v1/traces/{id}", "Get one trace with all its spans"), h.trace)
}

func operation(id, path, summary string) huma.Operation {
	return huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Tags: []string{"traces"}}
}
