package lokiapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/logql"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

// Bounds of the detection of fields.
const (
	defaultFields      = 1000
	maxFieldCandidates = 5000
	maxFieldValues     = 1000
)

// field is a label that lines turned out to have.
type field struct {
	name    string
	parsers []string
	values  map[string]bool
	kind    string
}

// sampled reads the newest lines of the query and collects their fields: metadata, keys of JSON and of logfmt.
func (a *API) sampled(r *http.Request) (map[string]*field, int, error) {
	e, err := logql.ParseLog(r.FormValue("query"))
	if err != nil {
		return nil, 0, err
	}
	sp, err := a.spanOf(r)
	if err != nil {
		return nil, 0, err
	}
	lines, err := limitOf(r, "line_limit", 1000, maxEntries)
	if err != nil {
		return nil, 0, err
	}
	limit, err := limitOf(r, "limit", defaultFields, maxFieldCandidates)
	if err != nil {
		return nil, 0, err
	}
	src := a.source(reqctx.Tenant(r.Context()))
	found, err := src.lines(r.Context(), logQuery{expr: e, span: sp, limit: lines})
	if err != nil {
		return nil, 0, err
	}
	fields := map[string]*field{}
	note := func(name, value, parser string) {
		f := fields[name]
		if f == nil {
			if len(fields) >= maxFieldCandidates {
				return
			}
			f = &field{name: name, values: map[string]bool{}, kind: kindOf(value)}
			fields[name] = f
		}
		if parser != "" && !slices.Contains(f.parsers, parser) {
			f.parsers = append(f.parsers, parser)
		}
		if kindOf(value) != f.kind {
			f.kind = "string"
		}
		if len(f.values) < maxFieldValues {
			f.values[value] = true
		}
	}
	parsers := parsersOf()
	for i := range found {
		l := &found[i]
		for _, ls := range [][]logql.Label{l.meta, l.parsed} {
			for _, x := range ls {
				note(x.Name, x.Value, "")
			}
		}
		for _, p := range parsers {
			p.fields(l, note)
		}
	}
	return fields, limit, nil
}

// fieldParser finds the fields of lines in one format.
type fieldParser struct {
	name string
	p    *logql.Pipeline
}

func parsersOf() []fieldParser {
	var out []fieldParser
	for _, name := range []string{"json", "logfmt"} {
		e, err := logql.ParseLog(`{a="b"} | ` + name + ` | __error__=""`)
		if err == nil {
			out = append(out, fieldParser{name, logql.NewPipeline(e)})
		}
	}
	return out
}

func (f fieldParser) fields(l *line, note func(name, value, parser string)) {
	isJSON := strings.HasPrefix(strings.TrimLeft(l.text, " "), "{")
	if isJSON != (f.name == "json") || f.name == "logfmt" && !strings.Contains(l.text, "=") {
		return
	}
	out, ok := f.p.Run(&logql.Entry{Line: l.text, Stream: &logql.Stream{Labels: l.stream}})
	if !ok {
		return
	}
	for _, x := range out.Parsed {
		if x.Value != "" {
			note(strings.Clone(x.Name), strings.Clone(x.Value), f.name)
		}
	}
}

func kindOf(v string) string {
	if _, err := strconv.ParseInt(v, 10, 64); err == nil {
		return "int"
	}
	if _, err := strconv.ParseFloat(v, 64); err == nil {
		return "float"
	}
	if v == "true" || v == "false" {
		return "boolean"
	}
	if _, err := time.ParseDuration(v); err == nil {
		return "duration"
	}
	if i := strings.IndexFunc(v, func(r rune) bool { return (r < '0' || r > '9') && r != '.' }); i > 0 {
		switch strings.ToLower(v[i:]) {
		case "b", "kb", "mb", "gb", "kib", "mib", "gib":
			return "bytes"
		}
	}
	return "string"
}

func (a *API) detectedFields(c *gin.Context) (any, error) {
	fields, limit, err := a.sampled(c.Request)
	if err != nil {
		return nil, err
	}
	all := make([]*field, 0, len(fields))
	for _, f := range fields {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b *field) int { return strings.Compare(a.name, b.name) })
	out := []gin.H{}
	for _, f := range all[:min(len(all), limit)] {
		h := gin.H{"label": f.name, "type": f.kind, "cardinality": len(f.values), "parsers": f.parsers}
		if slices.Contains(f.parsers, "json") {
			h["jsonPath"] = []string{f.name}
		}
		out = append(out, h)
	}
	return gin.H{"fields": out, "limit": limit}, nil
}

func (a *API) detectedValues(c *gin.Context) (any, error) {
	fields, limit, err := a.sampled(c.Request)
	if err != nil {
		return nil, err
	}
	values := []string{}
	if f := fields[c.Param("name")]; f != nil {
		for v := range f.values {
			values = append(values, v)
		}
		slices.Sort(values)
	}
	return gin.H{"values": values[:min(len(values), limit)], "limit": limit}, nil
}
