package sqlapi

import (
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/query/problem"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

// format is one form of an answer.
type format struct {
	name   string
	engine string // as ClickHouse calls it
	media  string
	accept []string // other names of the media type
	file   string   // suffix of a file to save, empty for what is shown
}

var formats = []format{
	{name: "json", engine: "JSONCompact", media: "application/json"},
	{name: "json_objects", engine: "JSON", media: "application/json"},
	{name: "ndjson", engine: "JSONEachRow", media: "application/x-ndjson", accept: []string{"application/jsonl", "application/jsonlines"}},
	{name: "csv", engine: "CSVWithNames", media: "text/csv", file: "csv"},
	{name: "tsv", engine: "TSVWithNames", media: "text/tab-separated-values", file: "tsv"},
	{name: "parquet", engine: "Parquet", media: "application/vnd.apache.parquet", accept: []string{"application/x-parquet"}, file: "parquet"},
	{name: "arrow", engine: "ArrowStream", media: "application/vnd.apache.arrow.stream", file: "arrows"},
	{name: "pretty", engine: "PrettyCompactNoEscapes", media: "text/plain"},
}

// answers describes the answer for OpenAPI.
func answers() map[string]*huma.Response {
	content := map[string]*huma.MediaType{}
	for _, f := range formats {
		content[f.media] = &huma.MediaType{}
	}
	return map[string]*huma.Response{"200": {Description: "Rows, in the format asked for. An answer that ends early is broken off, never ended as if it were whole.", Content: content}}
}

// choose returns the format by its name, or else the first of Accept's that there is, or JSON.
func choose(name, accept string) (format, error) {
	if name != "" {
		i := slices.IndexFunc(formats, func(f format) bool { return f.name == name })
		if i < 0 {
			return format{}, problem.InvalidField("query.format", "is not one of json, json_objects, ndjson, csv, tsv, parquet, arrow, pretty", name)
		}
		return formats[i], nil
	}
	for part := range strings.SplitSeq(accept, ",") {
		media, _, err := mime.ParseMediaType(part)
		if err != nil || media == "text/plain" { // the format for people is never meant by accident
			continue
		}
		if i := slices.IndexFunc(formats, func(f format) bool { return f.media == media || slices.Contains(f.accept, media) }); i >= 0 {
			return formats[i], nil
		}
	}
	return formats[0], nil
}

// served returns what the server says it sent: a FORMAT clause in the statement wins over everything. Forms that are none of ours are
// shown as text, whatever they contain.
func served(engine string) format {
	if i := slices.IndexFunc(formats, func(f format) bool { return f.engine == engine }); i >= 0 {
		return formats[i]
	}
	switch engine {
	case "CSV":
		return formats[slices.IndexFunc(formats, func(f format) bool { return f.name == "csv" })]
	case "TSV", "TabSeparated":
		return formats[slices.IndexFunc(formats, func(f format) bool { return f.name == "tsv" })]
	}
	return format{media: "text/plain"}
}

// body reads a posted statement: as it is, as JSON {"query": …, "format": …}, or as a form.
func body(in *postInput) (text, format string, err error) {
	media, _, _ := mime.ParseMediaType(in.ContentType)
	switch media {
	case "application/json":
		var b struct {
			Query  string `json:"query"`
			Format string `json:"format"`
		}
		if err := json.Unmarshal(in.RawBody, &b); err != nil {
			return "", "", errs.New(errs.Invalid, "read the body as JSON: %w", err)
		}
		if in.Format != "" {
			b.Format = in.Format
		}
		return b.Query, b.Format, nil
	case "application/x-www-form-urlencoded":
		// What curl -d sends when nobody says otherwise; it may be a form, or simply the statement.
		if v, err := url.ParseQuery(string(in.RawBody)); err == nil && v.Get("query") != "" {
			return v.Get("query"), in.Format, nil
		}
	}
	return string(in.RawBody), in.Format, nil
}

// answer runs a statement and streams its answer.
func (h *handlers) answer(ctx context.Context, text, name, accept string) (*huma.StreamResponse, error) {
	sql, err := h.ready()
	if err != nil {
		return nil, err
	}
	f, err := choose(name, accept)
	if err != nil {
		return nil, err
	}
	statement, err := Statement(text)
	if err != nil {
		return nil, err
	}
	a, err := sql.Run(ctx, reqctx.Tenant(ctx), statement, f.engine)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) { stream(hctx, a) }}, nil
}

// stream copies an answer to its reader. One that cannot be finished is broken off, so that no reader takes a part for the whole.
func stream(hctx huma.Context, a *clickhouse.SQLAnswer) {
	defer a.Body.Close()
	f := served(a.Format)
	media := f.media
	if strings.HasPrefix(media, "text/") {
		media += "; charset=utf-8"
	}
	hctx.SetHeader("Content-Type", media)
	if f.file != "" {
		hctx.SetHeader("Content-Disposition", `attachment; filename="faultline.`+f.file+`"`)
	}
	c := humagin.Unwrap(hctx)
	control := http.NewResponseController(c.Writer)
	if deadline, ok := hctx.Context().Deadline(); ok {
		// A reader that stops reading must not hold its place for longer than its statement may run.
		_ = control.SetWriteDeadline(deadline)
		defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
	}
	hctx.SetStatus(http.StatusOK)
	if _, err := io.Copy(c.Writer, a.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
}
