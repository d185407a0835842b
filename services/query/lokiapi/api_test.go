package lokiapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/engine/enginetest"
	"github.com/faultline-io/faultline/services/internal/logql"
	"github.com/faultline-io/faultline/services/internal/logshape"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse/chtest"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/limits"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

const t0 = int64(1795132800000000000) // 2026-11-20T00:00:00Z

// fakeLive hands a test's messages to the subscriber.
type fakeLive struct{ messages chan *bus.Message }

func (f *fakeLive) Subscribe(ctx context.Context, _ model.Signal, take func(*bus.Message)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-f.messages:
			take(m)
		}
	}
}

// batch has a line a second from one service, with severities and attributes that repeat.
func batch(tenant model.TenantID, service string, bodies ...string) *model.Logs {
	attrs := []model.Label{{Name: "k8s.pod.name", Value: service + "-1"}, {Name: "service.name", Value: service}}
	l := &model.Logs{Header: model.Header{Origin: model.Origin{Tenant: tenant}, ReceivedAtMS: t0 / 1e6}}
	l.Resources = []model.Resource{{ID: model.ResourceHash(attrs), Attributes: attrs, Service: service, Host: "h1"}}
	for i, b := range bodies {
		l.ResourceIdx, l.TimesNS, l.Severity = append(l.ResourceIdx, 0), append(l.TimesNS, t0+int64(i)*1e9), append(l.Severity, []uint8{9, 17, 0}[i%3])
		l.ShapeHash, l.Bodies = append(l.ShapeHash, logshape.Hash(b)), append(l.Bodies, b)
		l.Attributes = append(l.Attributes, []model.Label{{Name: "http.route", Value: fmt.Sprint("/r", i%2)}})
	}
	return l
}

type server struct {
	base string
	api  *API
	live *fakeLive
}

func serve(t *testing.T, batches ...*model.Logs) server {
	t.Helper()
	db := chtest.Start(t)
	if err := db.Admin.InsertLogs(t.Context(), "t:1", batches); err != nil {
		t.Fatal(err)
	}
	gin.SetMode(gin.TestMode)
	router := gin.New()
	live := &fakeLive{messages: make(chan *bus.Message)}
	a := New(Deps{DB: db.Reader, Live: live, Gate: limits.NewGate(limits.Config{}), Log: slog.New(slog.DiscardHandler), Clock: func() time.Time { return time.Unix(0, t0).Add(10 * time.Minute) }})
	a.Register(router)
	s := httptest.NewServer(router)
	t.Cleanup(s.Close)
	return server{base: s.URL, api: a, live: live}
}

// get asks as Grafana does and returns the status and the body.
func (s server) get(t *testing.T, path string, kv ...string) (int, string) {
	t.Helper()
	v := url.Values{}
	for i := 0; i < len(kv); i += 2 {
		v.Add(kv[i], kv[i+1])
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+"/loki/api/v1/"+path+"?"+v.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(kv, "categorize") {
		req.Header.Set("X-Loki-Response-Encoding-Flags", "categorize-labels")
	}
	req.Header.Set("X-Query-Tags", "Source=grafana")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestGrafanasRequests replays what Grafana's Loki data source, Explore and Logs Drilldown ask.
func TestGrafanasRequests(t *testing.T) {
	s := serve(t, batch(1, "cart", `level=info n=1`, `level=error n=2 "x"`, `{"n":3,"msg":"hi <b>"}`), batch(1, "pay", `user 1 in`, `user 2 in`), batch(2, "cart", `secret`))
	span := []string{"start", fmt.Sprint(t0 - 60e9), "end", fmt.Sprint(t0 + 600e9)}
	f := func(path string, kv []string, want ...string) {
		t.Helper()
		code, body := s.get(t, path, append(slices.Clone(span), kv...)...)
		for _, w := range want {
			if code != http.StatusOK || !strings.Contains(body, w) {
				t.Errorf("%s %v: %d %s\nwant %s", path, kv, code, body, w)
			}
		}
		if strings.Contains(body, "secret") {
			t.Errorf("%s shows another tenant: %s", path, body)
		}
	}
	q := func(query string, more ...string) []string { return append([]string{"query", query}, more...) }
	f("query", q(`vector(1)+vector(1)`, "time", "4000000000"), `"resultType":"vector"`, `"metric":{},"value":[4000000000,"2"]`)
	f("query", q(`1+1`), `"resultType":"scalar"`)
	f("labels", nil, `"data":["host","k8s_pod_name","level","service_name"]`)
	f("label/service_name/values", nil, `"data":["cart","pay"]`)
	f("label/level/values", q(`{service_name="pay"}`), `"data":["error","info"]`)
	f("series", []string{"match[]", `{service_name="pay",level="error"}`}, `"data":[{"host":"h1","k8s_pod_name":"pay-1","level":"error","service_name":"pay"}]`)
	f("query_range", q(`{service_name="cart"} |= "n="`, "limit", "1", "direction", "backward"), `"resultType":"streams"`, `"http_route":"/r1"`, `"values":[["1795132801000000000","level=error n=2 \"x\""]]`)
	f("query_range", q(`{service_name="cart"} | json | n=3`, "x", "categorize"), `"encodingFlags":["categorize-labels"]`, `{"parsed":{"msg":"hi <b>","n":"3"},"structuredMetadata":{"detected_level":"unknown","http_route":"/r0"}}`)
	f("query_range", q(`sum by (level, detected_level) (count_over_time({service_name=~".+"} [1m]))`, "step", "60"), `"resultType":"matrix"`, `{"metric":{"detected_level":"error","level":"error"},"values":[[1795132860,"2"]]}`)
	f("query_range", q(`{service_name="cart", level="warning"}`), `"result":[]`)
	f("query_range", q(`{k8s_pod_name="cart-1"} | detected_level=~"err.*"`), `level=error n=2`)
	f("query_range", q(`{service_name="cart"}`, "direction", "forward", "interval", "1h"), `"values":[["1795132800000000000","level=info n=1"]]`)
	f("index/stats", q(`{service_name="cart"}`), `"entries":3`)
	f("index/volume", q(`{service_name=~".+"}`, "limit", "5"), `{"metric":{"service_name":"cart"},"value":[1795133400,"55"]}`)
	f("index/volume_range", q(`{service_name=~".+"}`, "step", "60s", "targetLabels", "service_name,level"), `"resultType":"matrix"`, `"values":[[1795132800,"`)
	f("patterns", q(`{service_name="pay"}`, "step", "60s"), `"pattern":"user <_> in","samples":[[1795132800,2]]`)
	f("detected_labels", nil, `{"cardinality":2,"label":"service_name"}`)
	f("detected_fields", q(`{service_name="cart"}`), `"label":"n"`, `"type":"int"`)
	f("detected_field/n/values", q(`{service_name="cart"}`), `"values":["1","2","3"]`)
	f("format_query", q(`{a="b"}|="c"`), `"data":"{a=\"b\"} |= \"c\""`)
	f("status/buildinfo", nil, `"version":"3.`)
	f("drilldown-limits", nil, `"pattern_ingester_enabled":true`)

	bad := func(path string, kv []string, want string) {
		t.Helper()
		if code, body := s.get(t, path, append(slices.Clone(kv), span...)...); code != http.StatusBadRequest || !strings.Contains(body, want) {
			t.Errorf("%s %v: %d %s", path, kv, code, body)
		}
	}
	bad("query_range", q(`{`), "parse error at line 1, col 2")
	bad("query_range", q(`{a="b"}`, "limit", "5001"), "max_entries_limit_per_query")
	bad("query_range", q(`vector(1)`, "step", "1ms"), "max_query_points")
	bad("query", q(`{a="b"}`), "instant query")
	bad("query_range", q(`sum(count_over_time({service_name="cart"} | json [1m]))`), "pipeline error: 'JSONParserErr'")
	bad("query_range", q(`{a="b"}`, "direction", "up"), "invalid direction")
	bad("query_range", q(`{a="b"}`, "start", "x"), "could not parse 'start'")
}

// scanning is a source that never lets the store count and tells it no hints, so that the pipeline decides alone.
type scanning struct{ *source }

// Counts implements logql.Source.
func (scanning) Counts(context.Context, logql.CountSelect, func(*logql.Stream, int, float64) error) (bool, error) {
	return false, nil
}

// Entries implements logql.Source.
func (s scanning) Entries(ctx context.Context, q logql.Select, take func(*logql.Entry) error) error {
	q.Log = &logql.LogExpr{Matchers: q.Log.Matchers}
	q.Line, q.Meta = true, true
	return s.source.Entries(ctx, q, func(e *logql.Entry) error {
		if !(&logql.LogExpr{Matchers: q.Log.Matchers}).MatchesStream(e.Stream) {
			return nil
		}
		return take(e)
	})
}

// TestPushdownAndPipelineAgree asks random questions both ways.
func TestPushdownAndPipelineAgree(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	pick := func(s ...string) string { return s[r.Intn(len(s))] }
	var bodies []string
	for range 300 {
		bodies = append(bodies, pick("GET", "get", "ä", "{\"a\":1}", "x\ny")+pick(" ", "=", "/")+pick("500", "5001", "ord_1", "10.1.2.3", "%", "a\\b")+pick("", " end", "\n"))
	}
	s := serve(t, batch(1, "cart", bodies...), batch(1, "pay", bodies[:150]...))
	src := s.api.source(1)
	hits := 0
	for range 120 {
		filters := ""
		for range r.Intn(3) {
			filters += pick(` |= `, ` != `) + pick(`"500"`, `"GET "`, `" 500 "`, `"%"`, "`a\\b`", `"get" or "ord"`, `""`)
			filters += pick("", ` |~ "(?i)get.500"`, " !~ `^\\{.*$`", ` |~ "x.y"`, ` |> "<_> 500<_>"`, ` !> "GET<_>"`, ` |= ip("10.0.0.0/8")`, ` | level="error"`, ` | detected_level!="unknown"`, ` | http_route="/r1"`, ` | json | drop __error__, __error_details__`)
		}
		sel := pick(`{service_name="cart"}`, `{service_name=~".+"}`, `{service_name=~"c.*|p.*", level!="error"}`, `{k8s_pod_name="pay-1", level=~"info|"}`, `{host="h1"}`)
		q := pick("count_over_time", "rate", "bytes_over_time", "bytes_rate") + "(" + sel + filters + pick("[1m]", "[90s]", "[7s]") + ")"
		q = pick("sum by (level) ", "sum by (service_name, detected_level) ", "sum by (http_route) ", "sum by (k8s_pod_name) ", "sum ", "max by (level) ") + "(" + q + ")"
		e, err := logql.Parse(q)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		g := logql.Grid{StartNS: t0, EndNS: t0 + 300e9, StepNS: int64(1+r.Intn(60)) * 1e9}
		a, _, err := logql.Evaluate(t.Context(), e, g, src, logql.DefaultLimits())
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		b, _, err := logql.Evaluate(t.Context(), e, g, scanning{src}, logql.DefaultLimits())
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		x, _ := json.Marshal(matrixOf(a, g))
		y, _ := json.Marshal(matrixOf(b, g))
		if string(x) != string(y) {
			t.Fatalf("%s step %d\npushed   %s\npipeline %s", q, g.StepNS/1e9, x, y)
		}
		hits += len(a)
	}
	if hits == 0 {
		t.Error("no question found anything")
	}
}

func TestTailFollowsAndEndsSlowReaders(t *testing.T) {
	s := serve(t, batch(1, "cart", "stored"))
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	dial := func(query string) *websocket.Conn {
		t.Helper()
		c, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(s.base, "http")+"/loki/api/v1/tail?query="+url.QueryEscape(query), nil)
		if err != nil {
			t.Fatal(err)
		}
		c.SetReadLimit(64 << 20)
		return c
	}
	send := func(l *model.Logs) bool {
		data, err := bus.EncodeLogs(l)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case s.live.messages <- &bus.Message{Header: l.Header, Data: data}:
			return true
		case <-time.After(5 * time.Second):
			return false // nobody listens any more
		case <-ctx.Done():
			return false
		}
	}
	c := dial(`{service_name="cart"} | logfmt | n > 1 | line_format "n is {{.n}}"`)
	for _, l := range []*model.Logs{batch(2, "cart", "n=9"), batch(1, "pay", "n=9"), batch(1, "cart", "n=1", "n=2")} {
		if !send(l) {
			t.Fatal("nobody listens")
		}
	}
	_, data, err := c.Read(ctx)
	if err != nil || !strings.Contains(string(data), `"n is 2"`) || strings.Contains(string(data), "n is 9") {
		t.Errorf("tail sent %s, %v", data, err)
	}
	_ = c.Close(websocket.StatusNormalClosure, "")

	slow := dial(`{service_name="cart"}`)
	big := make([]string, 2000)
	for i := range big {
		big[i] = strings.Repeat("x", 4000)
	}
	for n := 0; n < 50 && send(batch(1, "cart", big...)); n++ {
		if ctx.Err() != nil {
			t.Fatal("a slow reader was not ended")
		}
	}
	for err = nil; err == nil; {
		_, _, err = slow.Read(ctx)
	}
	var ce websocket.CloseError
	if ce.Code = websocket.CloseStatus(err); ce.Code != websocket.StatusTryAgainLater || !strings.Contains(err.Error(), "too slow") && !strings.Contains(err.Error(), "took nothing") {
		t.Errorf("the slow reader got %v", err)
	}
}

func TestTemplateFindsItsLines(t *testing.T) {
	f := func(line, want string) {
		t.Helper()
		got := Template(line)
		if got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
		e, err := logql.ParseLog("{a=\"b\"} |> " + fmt.Sprintf("%q", got))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := logql.NewPipeline(e).Run(&logql.Entry{Line: line, Stream: &logql.Stream{}}); !ok {
			t.Errorf("%q does not find %q", got, line)
		}
	}
	f(`user 17 in from 10.0.0.1:80`, `user <_> in from <_>`)
	f(`{"n":3,"msg":"hi"}`, `{"n":<_>,"msg":"<_>"}`)
	f(`took=5ms path="/a b" x`, `took=<_> path="<_>" x`)
	f(strings.Repeat("a", 3000), strings.Repeat("a", maxTemplateBytes)+"<_>")
	f(``, ``)
}
