package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/cmd/internal/launch"
	"github.com/faultline-io/faultline/services/internal/config"
	"github.com/faultline-io/faultline/services/query"
)

// Who a path belongs to, by the decision on paths: protocols of others live under their prefixes, Prometheus' paths belong to
// Prometheus. The first that fits counts. A route that fits none fails the test: say here whose it is.
var families = []struct{ owner, prefix string }{
	{"ours", "/api/v1/session"}, {"ours", "/api/v1/system"}, {"ours", "/api/v1/senders"}, {"ours", "/api/v1/ledger"}, {"ours", "/api/v1/dead-letters"},
	{"ours", "/api/v1/hosts"}, {"ours", "/api/v1/services"}, {"ours", "/api/v1/log"}, {"ours", "/api/v1/traces"}, {"ours", "/api/v1/sql"}, {"ours", "/api/openapi"},
	{"ours", "/api/v1/forecast"}, {"kubernetes", "/apis/external.metrics.k8s.io/"}, {"ours", "/api/v1/incidents"}, {"ours", "/api/v1/findings"}, {"ours", "/api/v1/feedback"}, {"ours", "/api/v1/maintenance"}, {"ours", "/api/v1/topology"}, {"ours", "/api/v1/brain"}, {"ours", "/api/v1/backtests"},
	{"ours", "/api/v1/changes"}, {"ours", "/api/v1/events"}, {"ours", "/api/v1/pipeline"}, {"ours", "/api/v1/explain"}, {"ours", "/api/v1/ingest"},
	{"ours", "/metrics"}, {"ours", "/-/"}, {"ours", "/ready"}, {"ours", "/hooks/"}, {"ours", "/alerts/event/"}, {"ours", "/insert/"}, {"ours", "/ingest/"},
	{"influx", "/api/v2/write"}, {"influx", "/influx/"}, {"influx", "/write"}, {"influx", "/ping"}, {"influx", "/health"}, {"influx", "/query"}, {"tempo", "/api/v2/traces"}, {"tempo", "/api/v2/search"},
	{"alertmanager", "/api/v2/"}, {"alertmanager", "/alertmanager/"}, {"grafana", "/api/annotations"},
	{"otlp", "/v1/"}, {"otlp", "/api/v1/otlp/"}, {"otlp", "/otlp/"}, {"otlp", "/opentelemetry/"},
	{"prometheus", "/api/v1/query"}, {"prometheus", "/api/v1/series"}, {"prometheus", "/api/v1/label"}, {"prometheus", "/api/v1/format_query"},
	{"prometheus", "/api/v1/parse_query"}, {"prometheus", "/api/v1/metadata"}, {"prometheus", "/api/v1/status/"}, {"prometheus", "/api/v1/targets"},
	{"prometheus", "/api/v1/rules"}, {"prometheus", "/api/v1/alert"}, {"prometheus", "/api/v1/write"}, {"prometheus", "/api/v1/read"},
	{"prometheus", "/api/v1/push"}, {"prometheus", "/api/v1/scrape_pools"}, {"prometheus", "/api/v1/features"}, {"prometheus", "/api/v1/notifications"}, {"prometheus", "/prometheus/"}, {"prometheus", "/federate"},
	{"loki", "/loki/"}, {"loki", "/api/prom/"}, {"tempo", "/tempo/"}, {"tempo", "/api/search"}, {"tempo", "/api/traces/"}, {"tempo", "/api/metrics/"},
	{"tempo", "/api/echo"}, {"tempo", "/api/status/buildinfo"}, {"jaeger", "/jaeger/"}, {"jaeger", "/api/traces"},
	{"elastic", "/elastic"}, {"elastic", "/_"}, {"elastic", "/{index}/"}, {"datadog", "/datadog/"}, {"splunk", "/services/collector"}, {"splunk", "/splunk/"},
	{"zipkin", "/zipkin/"}, {"graphite", "/graphite/"}, {"gelf", "/gelf"}, {"journald", "/upload"}, {"journald", "/journald/"}, {"newrelic", "/newrelic/"},
}

// shadowed are the routes of the query API that another part answers where it runs in the same process, with its pattern: the gateway takes
// alerts, and a query process by itself takes them too.
var shadowed = map[string]string{
	"POST /api/v2/alerts":              "POST /api/v2/alerts",
	"POST /alertmanager/api/v2/alerts": "POST /alertmanager/api/v2/alerts",
}

// TestRoutes starts everything that the all-in-one has, with its own roles, and looks at what they put on the shared listener. A
// pattern that is there twice, or two that collide, would end the start with a panic.
func TestRoutes(t *testing.T) {
	cfg := config.Default()
	cfg.DataDir = filepath.Join(t.TempDir(), "data")
	cfg.HTTPAddr, cfg.OTLPGRPCAddr, cfg.OTLPHTTPAddr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	cfg.Agent.Enabled = false
	ctx, cancel := context.WithCancel(t.Context())
	looked := false
	p := launch.Process{
		Name: processName, Roles: roles(), Openers: openers(), Migrate: true, Out: io.Discard, Err: t.Output(),
		Started: func(e *launch.Env) { look(t, e); looked = true; cancel() },
	}
	time.AfterFunc(2*time.Minute, cancel)
	if err := p.Run(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	if !looked {
		t.Fatal("not started within two minutes")
	}
}

func look(t *testing.T, e *launch.Env) {
	routes, owners := 0, map[string]int{}
	handler := e.Handler()
	for _, m := range e.Mounts() {
		if m.Pattern == "/" && len(m.Routes) == 0 {
			t.Error("nothing is said of what lies behind /")
		}
		list := m.Routes
		if len(list) == 0 {
			list = []string{m.Pattern}
		}
		for _, route := range list {
			routes++
			owners[check(t, e, handler, m, route)]++
		}
	}
	if routes < 60 || owners["prometheus"] < 5 || owners["otlp"] < 3 || owners["tempo"] < 15 || owners["jaeger"] < 6 || owners["loki"] < 1 {
		t.Errorf("%d routes, by owner %v: some of them are missing", routes, owners)
	}
}

// check looks at one route and returns whose it is.
func check(t *testing.T, e *launch.Env, handler http.Handler, m launch.Mounted, route string) string {
	method, path, ok := strings.Cut(route, " ")
	if !ok {
		method, path = http.MethodPost, route
	}
	owner := ""
	for _, f := range families {
		if strings.HasPrefix(path, f.prefix) || strings.TrimSuffix(f.prefix, "/") == path {
			owner = f.owner
			break
		}
	}
	if owner == "" && path != "/" {
		t.Errorf("%s: whose is it? say so in the list of families", route)
	}
	request := httptest.NewRequest(method, sample(path), http.NoBody)
	want := m.Pattern
	if m.Pattern == "/" && shadowed[route] != "" {
		want = shadowed[route]
	}
	if got := e.PatternOf(request); got != want {
		t.Errorf("%s belongs to the mount %s and goes to %s", route, want, got)
	}
	if m.Pattern != "/" || query.Public(path) {
		return owner
	}
	// From another machine, and nobody has signed in.
	request.RemoteAddr = "192.0.2.1:1"
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	if answer.Code != http.StatusUnauthorized {
		t.Errorf("%s answers %d to somebody who has not signed in", route, answer.Code)
	}
	return owner
}

// sample puts a value in the place of each parameter of a path.
func sample(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if p == "{$}" {
			parts[i] = ""
			continue
		}
		if strings.HasPrefix(p, ":") || strings.HasPrefix(p, "*") || strings.HasPrefix(p, "{") {
			parts[i] = "1"
		}
	}
	return strings.Join(parts, "/")
}
