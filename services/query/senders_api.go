package query

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

// Sender is a way to send data here, with what to type, and whether anything came that way.
type Sender struct {
	Protocol        string     `json:"protocol" enum:"agent,otlp_grpc,otlp_http,remote_write,loki,scrape"`
	Title           string     `json:"title"`
	Endpoint        string     `json:"endpoint"`
	Snippet         string     `json:"snippet"`
	SnippetLanguage string     `json:"snippet_language"`
	Docs            string     `json:"docs"`
	Waiting         bool       `json:"waiting" doc:"Nothing has arrived yet"`
	FirstSeen       *time.Time `json:"first_seen,omitempty"`
	LastSeen        *time.Time `json:"last_seen,omitempty"`
	Accepted        uint64     `json:"accepted"`
}

type sendersOutput struct {
	Body struct {
		Items []Sender `json:"items"`
	}
}

// docsBase is where the pages about senders are.
const docsBase = "https://github.com/faultline-io/faultline/blob/main/docs/getting-started.md#"

func (q *Query) registerSenders() {
	huma.Register(q.api, huma.Operation{
		OperationID: "list-senders", Method: http.MethodGet, Path: "/api/v1/senders", Summary: "How to send data here, and what has arrived", Tags: []string{"system"},
	}, func(ctx context.Context, _ *struct{}) (*sendersOutput, error) {
		seen, err := clickhouse.NewLedgerReader(q.deps.Store).Senders(ctx, reqctx.Tenant(ctx))
		if err != nil {
			return nil, err
		}
		out := &sendersOutput{}
		out.Body.Items = withArrivals(senders(q.cfg.Endpoints), seen)
		return out, nil
	})
}

// withArrivals notes what came over each way. Variants of a protocol (remote_write_v2) count for it; our agent speaks OTLP and is told
// apart by its source.
func withArrivals(items []Sender, seen []clickhouse.Sender) []Sender {
	for i := range items {
		it := &items[i]
		it.Waiting = true
		for _, s := range seen {
			if s.Agent != (it.Protocol == "agent") || (!s.Agent && !strings.HasPrefix(s.Protocol, it.Protocol)) {
				continue
			}
			it.Waiting = false
			it.Accepted += s.Accepted
			first, last := s.First.UTC(), s.Last.UTC()
			if it.FirstSeen == nil || first.Before(*it.FirstSeen) {
				it.FirstSeen = &first
			}
			if it.LastSeen == nil || last.After(*it.LastSeen) {
				it.LastSeen = &last
			}
		}
	}
	return items
}

// senders are the ways in, each with the least that works as it stands.
func senders(e Endpoints) []Sender {
	return []Sender{
		{
			Protocol: "agent", Title: "Faultline agent", Endpoint: e.HTTP, SnippetLanguage: "bash", Docs: docsBase + "agent",
			Snippet: "faultline agent --endpoint " + e.OTLPHTTP,
		},
		{
			Protocol: "otlp_grpc", Title: "OpenTelemetry over gRPC", Endpoint: e.OTLPGRPC, SnippetLanguage: "bash", Docs: docsBase + "opentelemetry",
			Snippet: "export OTEL_EXPORTER_OTLP_PROTOCOL=grpc\nexport OTEL_EXPORTER_OTLP_ENDPOINT=http://" + e.OTLPGRPC,
		},
		{
			Protocol: "otlp_http", Title: "OpenTelemetry over HTTP", Endpoint: e.OTLPHTTP, SnippetLanguage: "bash", Docs: docsBase + "opentelemetry",
			Snippet: "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\nexport OTEL_EXPORTER_OTLP_ENDPOINT=" + e.OTLPHTTP,
		},
		{
			Protocol: "remote_write", Title: "Prometheus remote write", Endpoint: e.HTTP + "/api/v1/write", SnippetLanguage: "yaml", Docs: docsBase + "prometheus",
			Snippet: "remote_write:\n  - url: " + e.HTTP + "/api/v1/write\n",
		},
		{
			Protocol: "loki", Title: "Loki push (Promtail, Alloy, Fluent Bit)", Endpoint: e.HTTP + "/loki/api/v1/push", SnippetLanguage: "yaml", Docs: docsBase + "loki",
			Snippet: "clients:\n  - url: " + e.HTTP + "/loki/api/v1/push\n",
		},
		{
			Protocol: "scrape", Title: "Scrape Prometheus targets", Endpoint: "", SnippetLanguage: "yaml", Docs: docsBase + "scraping",
			Snippet: "# prometheus.yml, then: faultline --scrape-config prometheus.yml\nscrape_configs:\n  - job_name: node\n    static_configs:\n      - targets: [\"127.0.0.1:9100\"]\n",
		},
	}
}
