package jaegerapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/engine/enginetest"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse/chtest"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/limits"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

const t0 = int64(1795132800000000000) // 2026-11-20T00:00:00Z

func id(n int) string { return fmt.Sprintf("trace-%010d", n) }

// shop holds, for each n, a trace of web calling pay and db: n milliseconds long, pay fails when n is odd, two calls of db when n is
// a multiple of three. The second call of db is an hour later, when n is a multiple of six, to lie in another stretch of the search.
func shop(tenant model.TenantID, ns ...int) *model.Spans {
	b := &model.Spans{Header: model.Header{Origin: model.Origin{Tenant: tenant}, ReceivedAtMS: t0 / 1e6}}
	for _, service := range []string{"web", "pay", "db"} {
		attrs := []model.Label{{Name: "cluster", Value: service + "-cluster"}, {Name: "service.name", Value: service}}
		b.Resources = append(b.Resources, model.Resource{ID: model.ResourceHash(attrs), Attributes: attrs, Service: service})
	}
	for _, n := range ns {
		start := t0 + int64(n)*30e9
		root := fmt.Sprintf("r%07d", n)
		code := "200"
		if n%2 == 1 {
			code = "503"
		}
		b.Spans = append(b.Spans,
			model.Span{TraceID: id(n), SpanID: root, Name: "GET /", Kind: 2, StartNS: start, DurationNS: int64(n+1) * 1e6,
				Attributes: []model.Label{{Name: "http.status_code", Value: code}, {Name: "n", Value: fmt.Sprint(n)}}},
			model.Span{ResourceIdx: 1, TraceID: id(n), SpanID: fmt.Sprintf("p%07d", n), ParentSpanID: root, Name: "charge", Kind: 2, StartNS: start + 1e5, DurationNS: 5e5,
				StatusCode: uint8(n%2) * 2, Attributes: []model.Label{{Name: "card", Value: "visa"}}, ScopeName: "otel", Events: []model.SpanEvent{{TimeNS: start + 2e5, Name: "sent"}}},
			model.Span{ResourceIdx: 2, TraceID: id(n), SpanID: fmt.Sprintf("d%07d", n), ParentSpanID: root, Name: "SELECT", Kind: 3, StartNS: start + 2e5, DurationNS: 1e5})
		if n%3 == 0 {
			late := int64(3e5)
			if n%6 == 0 {
				late = 3600e9
			}
			b.Spans = append(b.Spans, model.Span{ResourceIdx: 2, TraceID: id(n), SpanID: fmt.Sprintf("e%07d", n), ParentSpanID: root, Name: "SELECT", Kind: 3, StartNS: start + late, DurationNS: 2e5})
		}
	}
	return b
}

const traces = 40

func serve(t *testing.T) string {
	t.Helper()
	db := chtest.Start(t)
	var ns []int
	for n := range traces {
		ns = append(ns, n)
	}
	for i, b := range []*model.Spans{shop(1, ns...), shop(1, 3, 4), shop(2, 77)} { // 3 and 4 are sent twice
		if err := db.Admin.InsertSpans(t.Context(), fmt.Sprint("t:", i), []*model.Spans{b}); err != nil {
			t.Fatal(err)
		}
	}
	gin.SetMode(gin.TestMode)
	router := gin.New()
	Register(router, Deps{DB: db.Reader, Gate: limits.NewGate(limits.Config{}), Now: func() time.Time { return time.Unix(0, t0).Add(3 * time.Hour) }})
	s := httptest.NewServer(router)
	t.Cleanup(s.Close)
	return s.URL + Prefix
}

func get[T any](t *testing.T, address string, want int) T {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Data   T          `json:"data"`
		Errors []apiError `json:"errors"`
	}
	if err := json.Unmarshal(b, &v); err != nil || resp.StatusCode != want || (want != 200) != (len(v.Errors) == 1) {
		t.Fatalf("%s: %d, want %d, %v %.500s", address, resp.StatusCode, want, err, b)
	}
	return v.Data
}

func TestLists(t *testing.T) {
	base := serve(t)
	f := func(got any, want string) {
		t.Helper()
		if fmt.Sprint(got) != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
	f(get[[]string](t, base+"/api/services", 200), "[db pay web]")
	f(get[[]string](t, base+"/api/services/web/operations", 200), "[GET /]")
	f(get[[]string](t, base+"/api/services/nobody/operations", 200), "[]")
	f(get[[]operation](t, base+"/api/operations?service=db", 200), "[{SELECT client}]")
	f(get[[]operation](t, base+"/api/operations?service=db&spanKind=server", 200), "[]")
	get[any](t, base+"/api/operations", 400)
	f(get[[]dependency](t, base+"/api/dependencies", 200), "[{web db 54} {web pay 40}]")
	f(get[[]dependency](t, base+"/api/dependencies?lookback=60000", 200), "[]")
	f(get[[]dependency](t, base+fmt.Sprintf("/api/dependencies?lookback=60000&endTs=%d", t0/1e6+29000), 200), "[{web db 1} {web pay 1}]")
	get[any](t, base+"/api/dependencies?lookback=x", 400)
	get[any](t, base+"/api/dependencies?lookback=9999999999999", 400)
}

func TestTrace(t *testing.T) {
	base := serve(t)
	got := get[[]trace](t, base+fmt.Sprintf("/api/traces/%x", id(3)), 200)
	if len(got) != 1 || len(got[0].Spans) != 4 || len(got[0].Processes) != 3 {
		t.Fatalf("%+v", got)
	}
	s := got[0].Spans[1]
	p := got[0].Processes[s.ProcessID]
	if s.OperationName != "charge" || s.References[0].RefType != "CHILD_OF" || s.References[0].SpanID != got[0].Spans[0].SpanID || s.StartTime != (t0+90e9+1e5)/1000 || s.Duration != 500 ||
		fmt.Sprint(s.Tags) != "[{card string visa} {span.kind string server} {otel.status_code string ERROR} {error bool true} {otel.scope.name string otel}]" ||
		len(s.Logs) != 1 || fmt.Sprint(s.Logs[0].Fields) != "[{event string sent}]" || p.ServiceName != "pay" || fmt.Sprint(p.Tags) != "[{cluster string pay-cluster}]" {
		t.Errorf("%+v %+v", s, p)
	}
	get[any](t, base+fmt.Sprintf("/api/traces/%x", id(77)), 404)
	get[any](t, base+"/api/traces/xyz", 400)
}

func TestSearch(t *testing.T) {
	base := serve(t)
	f := func(query string, want int) []trace {
		t.Helper()
		got := get[[]trace](t, base+"/api/traces?"+query, 200)
		if len(got) != want {
			t.Errorf("%s: %d traces, want %d", query, len(got), want)
		}
		return got
	}
	tags := func(s string) string { return "&limit=100&tags=" + url.QueryEscape(s) }
	if got := f("service=web", 20); len(got[0].Spans) < 3 {
		t.Errorf("a trace has %d spans", len(got[0].Spans))
	}
	f("service=web&limit=100", traces)
	f("service=web&limit=100&operation=nothing", 0)
	f("service=db&limit=100&operation=SELECT", traces)
	f("service=pay"+tags(`{"error":"true"}`), traces/2)
	f("service=pay"+tags(`{"error":"true","card":"visa","cluster":"pay-cluster","span.kind":"server"}`), traces/2)
	f("service=pay&limit=100&tag=otel.status_code:ERROR", traces/2)
	f("service=web"+tags(`{"http.status_code":503}`), traces/2)
	f("service=web&limit=100&minDuration=31ms", 10)
	f("service=web&limit=100&minDuration=31ms&maxDuration=32ms", 2)
	f(fmt.Sprintf("service=web&limit=100&start=%d&end=%d", t0/1000, t0/1000+59e6), 2)
	f("service=web&lookback=1h", 0)
	f(fmt.Sprintf("traceID=%x&traceID=%x&traceID=%x", id(1), id(2), id(77)), 2)
	for _, bad := range []string{"", "service=a&limit=0", "service=a&limit=2000", "service=a&tags=x", "service=a&minDuration=x", "service=a&start=x", "service=a&tag=x", "traceID=x", "service=a&lookback=x", "service=a&start=5&end=4"} {
		get[any](t, base+"/api/traces?"+bad, 400)
	}
}
