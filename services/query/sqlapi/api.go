// Package sqlapi answers questions in ClickHouse's SQL, for people and for BI tools, in the formats that these read. What a statement
// may see is decided by the engine (a user with row policies, in readonly mode); here its text is checked for the few functions that
// reach past tables, the answer is streamed through, and its limits and its end are seen to. It costs no memory by row.
package sqlapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
)

// Deps is what the handlers need.
type Deps struct {
	// SQL is nil where no address for statements is configured.
	SQL *clickhouse.SQL
}

type handlers struct {
	sql *clickhouse.SQL
}

// Register adds the operations under /api/v1/sql.
func Register(api huma.API, deps Deps) {
	h := &handlers{sql: deps.SQL}
	get := operation("query-sql", http.MethodGet, "/api/v1/sql", "Answer one read-only statement in ClickHouse's SQL")
	post := operation("post-sql", http.MethodPost, "/api/v1/sql", "The same, with the statement as the body")
	post.MaxBodyBytes = maxStatement + 4096
	for _, op := range []*huma.Operation{&get, &post} {
		op.Description = "Formats: json (default), json_objects, ndjson, csv, tsv, parquet, arrow, pretty; by the parameter or the Accept header. See docs/api/sql.md."
		op.Responses = answers()
	}
	huma.Register(api, get, h.get)
	huma.Register(api, post, h.post)
	huma.Register(api, operation("get-sql-schema", http.MethodGet, "/api/v1/sql/schema", "Tables and columns that statements can read"), h.schema)
}

func operation(id, method, path, summary string) huma.Operation {
	return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{"sql"}}
}

// ready returns the client, or why there is none.
func (h *handlers) ready() (*clickhouse.SQL, error) {
	if h.sql == nil {
		return nil, errs.WithHint(errs.Unavailable, "set clickhouse_sql_url to the HTTP address of ClickHouse with the user for statements: docs/api/sql.md",
			"no address for SQL statements is configured")
	}
	return h.sql, nil
}

type getInput struct {
	Query  string `query:"query" required:"true" doc:"The statement" example:"SELECT service, count() FROM logs GROUP BY service"`
	Format string `query:"format" enum:"json,json_objects,ndjson,csv,tsv,parquet,arrow,pretty" doc:"Format of the answer; before Accept"`
	Accept string `header:"Accept"`
}

func (h *handlers) get(ctx context.Context, in *getInput) (*huma.StreamResponse, error) {
	return h.answer(ctx, in.Query, in.Format, in.Accept)
}

type postInput struct {
	Format      string `query:"format" enum:"json,json_objects,ndjson,csv,tsv,parquet,arrow,pretty" doc:"Format of the answer; before Accept"`
	Accept      string `header:"Accept"`
	ContentType string `header:"Content-Type"`
	RawBody     []byte `contentType:"text/plain"`
}

func (h *handlers) post(ctx context.Context, in *postInput) (*huma.StreamResponse, error) {
	text, format, err := body(in)
	if err != nil {
		return nil, err
	}
	return h.answer(ctx, text, format, in.Accept)
}
