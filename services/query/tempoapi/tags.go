package tempoapi

import (
	"context"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/traceql"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

// Bounds of lists of names and values: more is not chosen from.
const (
	defaultTags = 1000
	maxTags     = 10_000
)

// scopeTags are the names of one scope.
type scopeTags struct {
	Name string   `json:"name"`
	Tags []string `json:"tags"`
}

// scopes collects the names that are asked for.
func (h *handlers) scopes(c *gin.Context) ([]scopeTags, error) {
	ctx := c.Request.Context()
	start, end, err := h.times(c)
	if err != nil {
		return nil, err
	}
	limit, err := number(c, "limit", defaultTags, maxTags)
	if err != nil {
		return nil, err
	}
	want := c.Query("scope")
	out := []scopeTags{}
	for _, s := range []struct {
		name string
		tags func() ([]string, error)
	}{
		{"resource", func() ([]string, error) { return h.reader.ResourceTags(ctx, reqctx.Tenant(ctx), start, end, limit) }},
		{"span", func() ([]string, error) { return h.reader.SpanTags(ctx, reqctx.Tenant(ctx), start, end, limit) }},
		{"intrinsic", func() ([]string, error) { return traceql.Intrinsics(), nil }},
	} {
		if want != "" && want != "none" && want != s.name {
			continue
		}
		tags, err := s.tags()
		if err != nil {
			return nil, err
		}
		out = append(out, scopeTags{Name: s.name, Tags: notNil(tags)})
	}
	known := []string{"", "none", "resource", "span", "intrinsic", "event", "link", "instrumentation"}
	if !slices.Contains(known, want) {
		return nil, errs.New(errs.Invalid, "scope: %q is not one of resource, span, intrinsic", want)
	}
	return out, nil
}

func (h *handlers) tagsV2(c *gin.Context) {
	scopes, err := h.scopes(c)
	if err != nil {
		fail(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"scopes": scopes, "metrics": gin.H{}})
}

func (h *handlers) tags(c *gin.Context) {
	scopes, err := h.scopes(c)
	if err != nil {
		fail(c, err)
		return
	}
	names := []string{}
	for _, s := range scopes {
		if s.Name != "intrinsic" || c.Query("scope") == "intrinsic" {
			names = append(names, s.Tags...)
		}
	}
	slices.Sort(names)
	c.JSON(http.StatusOK, gin.H{"tagNames": slices.Compact(names), "metrics": gin.H{}})
}

// values answers in the older form, where a tag has no scope.
func (h *handlers) values(c *gin.Context) {
	tag := tagParam(c)
	f, ok := traceql.ParseField(tag)
	if !ok {
		switch tag {
		case "status.code":
			f = traceql.Field{Scope: traceql.Intrinsic, Name: "status"}
		case "root.name":
			f = traceql.Field{Scope: traceql.Intrinsic, Name: "rootName"}
		case "root.service.name":
			f = traceql.Field{Scope: traceql.Intrinsic, Name: "rootServiceName"}
		default:
			f = traceql.Field{Scope: traceql.Any, Name: tag}
		}
	}
	found, err := h.valuesOf(c, f)
	if err != nil {
		fail(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"tagValues": found, "metrics": gin.H{}})
}

// typedValue is a value with how it is written in a query: keywords are not quoted.
type typedValue struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

func (h *handlers) valuesV2(c *gin.Context) {
	tag := tagParam(c)
	f, ok := traceql.ParseField(tag)
	if !ok {
		fail(c, errs.WithHint(errs.Invalid, "write span.NAME, resource.NAME, .NAME or the name of an intrinsic", "there is no field %q", tag))
		return
	}
	found, err := h.valuesOf(c, f)
	if err != nil {
		fail(c, err)
		return
	}
	kind := "string"
	if traceql.EnumValues(f) != nil {
		kind = "keyword"
	}
	out := make([]typedValue, len(found))
	for i, v := range found {
		out[i] = typedValue{Type: kind, Value: v}
	}
	c.JSON(http.StatusOK, gin.H{"tagValues": out, "metrics": gin.H{}})
}

// valuesOf returns the values of a field. A query that is still being written narrows nothing, as in Tempo.
func (h *handlers) valuesOf(c *gin.Context, f traceql.Field) ([]string, error) {
	if v := traceql.EnumValues(f); v != nil {
		return v, nil
	}
	start, end, err := h.times(c)
	if err != nil {
		return nil, err
	}
	limit, err := number(c, "limit", defaultTags, maxTags)
	if err != nil {
		return nil, err
	}
	var q *traceql.Query
	if text := c.Query("q"); text != "" {
		if parsed, err := traceql.Parse(text); err == nil {
			q = parsed
		}
	}
	return h.listValues(c.Request.Context(), f, q, start, end, limit)
}

func (h *handlers) listValues(ctx context.Context, f traceql.Field, q *traceql.Query, start, end int64, limit int) ([]string, error) {
	if f.Scope == traceql.Intrinsic && slices.Contains([]string{"duration", "traceDuration", "traceID", "spanID", "parentID"}, f.Name) {
		return []string{}, nil // nothing that could be chosen from a list
	}
	found, err := h.reader.TagValues(ctx, f, q, reqctx.Tenant(ctx), start, end, limit)
	return notNil(found), err
}

func notNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
