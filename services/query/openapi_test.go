package query

import (
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
)

var update = flag.Bool("update", false, "write docs/api/openapi.yaml anew")

// foreign are the routes that speak somebody else's dialect, or plain text, and so are not described.
var foreign = []string{
	"GET /api/v1/rules", "GET /api/v1/alerts",
	"GET /api/v2/status", "GET /api/v2/receivers", "GET /api/v2/alerts", "GET /api/v2/alerts/groups", "GET /api/v2/silences", "GET /api/v2/silence/:id",
	"POST /api/v2/alerts", "POST /api/v2/silences", "DELETE /api/v2/silence/:id",
	"GET /-/healthy", "GET /-/ready", "GET /metrics",
	"GET /api/openapi.json", "GET /api/openapi.yaml", "GET /api/openapi-3.0.json", "GET /api/openapi-3.0.yaml",
	"GET /api/v1/query", "POST /api/v1/query", "GET /api/v1/query_range", "POST /api/v1/query_range",
	"GET /api/v1/series", "POST /api/v1/series", "GET /api/v1/labels", "POST /api/v1/labels", "GET /api/v1/label/:name/values",
	"GET /api/annotations",
	"GET /api/v1/format_query", "POST /api/v1/format_query", "GET /api/v1/explain", "POST /api/v1/explain", "GET /api/v1/metadata", "GET /api/v1/status/buildinfo",
	"GET /api/v1/status/runtimeinfo", "GET /api/v1/status/config", "GET /api/v1/status/flags", "GET /api/v1/status/walreplay", "GET /api/v1/status/tsdb",
	"GET /api/v1/alertmanagers", "GET /api/v1/targets", "GET /api/v1/features", "GET /api/v1/notifications", "GET /api/v1/query_exemplars", "POST /api/v1/query_exemplars",
	"GET /api/v1/parse_query", "POST /api/v1/parse_query", "POST /api/v1/read",
	"GET /api/traces", "GET /api/traces/:id", "GET /api/v2/traces/:id", "GET /api/search", "GET /api/search/tags", "GET /api/v2/search/tags",
	"GET /api/search/tag/:tag/values", "GET /api/v2/search/tag/:tag/values", "GET /api/metrics/query_range", "GET /api/echo", "GET /api/status/buildinfo",
	"GET /apis/external.metrics.k8s.io/v1beta1", "GET /apis/external.metrics.k8s.io/v1beta1/namespaces/:namespace/:metric",
}

func TestOpenAPIGolden(t *testing.T) {
	s := start(t)
	got, err := s.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	got = []byte(strings.Replace(string(got), "version: 1.2.3", "version: devel", 1))
	path := filepath.Join("..", "..", "docs", "api", "openapi.yaml")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s is out of date: run `go test ./query -run OpenAPIGolden -update` in services and review the difference", path)
	}
	if strings.Contains(string(got), "$schema") || strings.Contains(string(got), "- array\n") {
		t.Error("the description has $schema fields or lists that may be null")
	}
	t.Run("every_route", func(t *testing.T) { everyRouteIsDescribed(t, s) })
	t.Run("served", func(t *testing.T) {
		for _, p := range []string{"/api/openapi.yaml", "/api/openapi.json"} {
			if a := s.do(t, p, call{nobody: true}); a.StatusCode != http.StatusOK || !strings.Contains(string(a.body), "3.1") {
				t.Errorf("%s: %s", p, a.Status)
			}
		}
	})
}

// foreignPrefix reports whether a path lies under a prefix where all of it is somebody else's dialect.
func foreignPrefix(path string) bool {
	for _, p := range []string{"/tempo/", "/jaeger/", "/loki/", "/prometheus/", "/alertmanager/"} {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}

func everyRouteIsDescribed(t *testing.T, s *server) {
	described := []string{}
	for path, item := range s.api.OpenAPI().Paths {
		for method, op := range map[string]bool{"GET": item.Get != nil, "POST": item.Post != nil, "DELETE": item.Delete != nil, "PUT": item.Put != nil, "PATCH": item.Patch != nil} {
			if op {
				described = append(described, method+" "+strings.NewReplacer("{", ":", "}", "").Replace(path))
			}
		}
	}
	for _, r := range s.routes {
		route := r.Method + " " + r.Path
		if !slices.Contains(described, route) && !slices.Contains(foreign, route) && !foreignPrefix(r.Path) {
			t.Errorf("%s is neither in the OpenAPI file nor among the foreign routes", route)
		}
	}
	for _, route := range slices.Concat(described, foreign) {
		if !slices.ContainsFunc(s.routes, func(r gin.RouteInfo) bool { return r.Method+" "+r.Path == route }) {
			t.Errorf("%s is described and does not exist", route)
		}
	}
}
