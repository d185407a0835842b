package tempoapi

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

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
	for i, b := range []*model.Spans{shop(1, ns[:20]...), shop(1, ns[20:]...), shop(1, 3, 4), shop(2, 77)} { // 3 and 4 are sent twice
		if err := db.Admin.InsertSpans(t.Context(), fmt.Sprint("t:", i), []*model.Spans{b}); err != nil {
			t.Fatal(err)
		}
	}
	gin.SetMode(gin.TestMode)
	router := gin.New()
	Register(router, Deps{DB: db.Reader, Gate: limits.NewGate(limits.Config{}), Now: func() time.Time { return time.Unix(0, t0).Add(3 * time.Hour) }})
	s := httptest.NewServer(router)
	t.Cleanup(s.Close)
	return s.URL
}

func get(t *testing.T, address, accept string) (int, http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, b
}

func getJSON[T any](t *testing.T, address string) T {
	t.Helper()
	status, _, b := get(t, address, "application/json")
	var v T
	if err := json.Unmarshal(b, &v); err != nil || status != 200 {
		t.Fatalf("%s: %d %v %.500s", address, status, err, b)
	}
	return v
}

func TestTrace(t *testing.T) {
	base := serve(t)
	path := fmt.Sprintf("/api/traces/%x", id(3))
	check := func(data *tracepb.TracesData) {
		t.Helper()
		spans := 0
		for _, rs := range data.ResourceSpans {
			if len(rs.Resource.Attributes) != 2 || rs.Resource.Attributes[1].Key != "service.name" {
				t.Errorf("resource %v", rs.Resource)
			}
			for _, ss := range rs.ScopeSpans {
				spans += len(ss.Spans)
			}
		}
		pay := data.ResourceSpans[1].ScopeSpans[0]
		s := pay.Spans[0]
		if spans != 4 || string(s.TraceId) != id(3) || string(s.ParentSpanId) != "r0000003" || s.Status.Code != 2 || s.Kind != 2 || len(s.Events) != 1 || pay.Scope.Name != "otel" ||
			s.EndTimeUnixNano-s.StartTimeUnixNano != 5e5 || data.ResourceSpans[0].ScopeSpans[0].Spans[0].ParentSpanId != nil {
			t.Errorf("%d spans, %v", spans, s)
		}
	}
	for _, prefix := range []string{"", "/tempo"} {
		status, header, b := get(t, base+prefix+path, "application/protobuf")
		var data tracepb.TracesData
		if err := proto.Unmarshal(b, &data); err != nil || status != 200 || header.Get("Content-Type") != "application/protobuf" {
			t.Fatalf("%d %v", status, err)
		}
		check(&data)
		_, _, b = get(t, base+prefix+strings.Replace(path, "/api/", "/api/v2/", 1), "application/protobuf")
		n, _, size := protowire.ConsumeField(b)
		inner, _ := protowire.ConsumeBytes(b[1:])
		if err := proto.Unmarshal(inner, &data); n != 1 || size != len(b) || err != nil {
			t.Fatalf("v2: field %d, %d of %d, %v", n, size, len(b), err)
		}
		check(&data)
	}
	type body struct {
		Batches []struct {
			ScopeSpans []struct {
				Spans []struct {
					TraceID string `json:"traceId"`
				} `json:"spans"`
			} `json:"scopeSpans"`
		} `json:"batches"`
		Trace struct {
			ResourceSpans []any `json:"resourceSpans"`
		} `json:"trace"`
		Status string `json:"status"`
	}
	if v := getJSON[body](t, base+path); len(v.Batches) != 3 || v.Batches[0].ScopeSpans[0].Spans[0].TraceID != base64.StdEncoding.EncodeToString([]byte(id(3))) {
		t.Errorf("v1 JSON %+v", v)
	}
	if v := getJSON[body](t, base+"/api/v2"+path[4:]); len(v.Trace.ResourceSpans) != 3 || v.Status != "COMPLETE" {
		t.Errorf("v2 JSON %+v", v)
	}
	for path, want := range map[string]int{fmt.Sprintf("/api/traces/%x", id(77)): 404, "/api/traces/xyz": 400, "/api/v2/traces/1234": 404, "/api/traces/" + strings.Repeat("a", 40): 400} {
		if status, _, b := get(t, base+path, ""); status != want {
			t.Errorf("%s: %d %s, want %d", path, status, b, want)
		}
	}
}

type answer struct {
	Traces []foundTrace `json:"traces"`
}

func TestSearchTraceQL(t *testing.T) {
	base := serve(t)
	f := func(q string, match func(n int) bool) answer {
		t.Helper()
		got := getJSON[answer](t, base+fmt.Sprintf("/tempo/api/search?limit=100&spss=5&start=%d&end=%d&q=%s", t0/1e9-60, t0/1e9+7200, url.QueryEscape(q)))
		want, seen := 0, map[string]bool{}
		for _, tr := range got.Traces {
			if seen[tr.TraceID] {
				t.Errorf("%s: %s twice", q, tr.TraceID)
			}
			seen[tr.TraceID] = true
		}
		for n := range traces {
			if match(n) {
				want++
				if !seen[fmt.Sprintf("%x", id(n))] {
					t.Errorf("%s: trace %d is missing", q, n)
				}
			}
		}
		if len(got.Traces) != want {
			t.Errorf("%s: %d traces, want %d", q, len(got.Traces), want)
		}
		return got
	}
	all := func(int) bool { return true }
	none := func(int) bool { return false }
	odd := func(n int) bool { return n%2 == 1 }
	f(`{}`, all)
	f(`{ true }`, all)
	f(`{ false }`, none)
	f(`{resource.service.name="pay" && status=error}`, odd)
	f(`{resource.service.name="web" && status=error}`, none)
	f(`{resource.service.name="web"} && {status=error}`, odd)
	f(`{resource.service.name="nobody"} || {status=error}`, odd)
	f(`{span.http.status_code>=500 && duration>10ms}`, func(n int) bool { return odd(n) && n+1 > 10 })
	f(`{span.http.status_code=503}`, odd)
	f(`{span.http.status_code="503"}`, odd)
	f(`{.http.status_code!=200}`, odd)
	f(`{!(.http.status_code=200) && kind=server && name="GET /"}`, odd)
	f(`{span.n=~"1."}`, func(n int) bool { return n >= 10 && n < 20 })
	f(`{span.n!~"1." && span.n<30}`, func(n int) bool { return n < 10 || n >= 20 && n < 30 })
	f(`{span.card=nil && name="charge"}`, none)
	f(`{span.card!=nil && status!=error}`, func(n int) bool { return !odd(n) })
	f(`{resource.cluster="db-cluster"} | count()>1`, func(n int) bool { return n%3 == 0 })
	f(`{.cluster="db-cluster"} | max(duration)>=200us | count()=2`, func(n int) bool { return n%3 == 0 })
	f(`{name="GET /"} | avg(span.n) > 30`, func(n int) bool { return n > 30 })
	f(`{rootServiceName="web" && name="charge" && status=error}`, odd)
	f(`{rootServiceName="pay"}`, none)
	f(`{!(rootServiceName="pay")}`, all)
	f(`{traceDuration>1h}`, func(n int) bool { return n%6 == 0 })
	f(`{traceDuration<5ms}`, func(n int) bool { return n%6 != 0 && n+1 < 5 })
	f(fmt.Sprintf(`{trace:id="%x"}`, id(7)), func(n int) bool { return n == 7 })
	f(`{instrumentation:name="otel" && status=error}`, odd)

	got := f(`{resource.cluster="db-cluster" && name=~"SEL.*"} | select(kind)`, all)
	i := slices.IndexFunc(got.Traces, func(tr foundTrace) bool { return tr.TraceID == fmt.Sprintf("%x", id(3)) })
	tr := got.Traces[i]
	if tr.RootServiceName != "web" || tr.RootTraceName != "GET /" || tr.DurationMs != 4 || tr.SpanSet == nil || tr.SpanSet.Matched != 2 || len(tr.SpanSet.Spans) != 2 ||
		tr.SpanSet.Spans[0].Name != "SELECT" || fmt.Sprint(tr.SpanSet.Spans[0].Attributes) != "[{service.name map[stringValue:db]} {cluster map[stringValue:db-cluster]} {kind map[stringValue:client]}]" {
		t.Errorf("%+v %+v", tr, tr.SpanSet)
	}
}

func TestSearchByTags(t *testing.T) {
	base := serve(t)
	f := func(query string, want int) {
		t.Helper()
		got := getJSON[answer](t, base+fmt.Sprintf("/api/search?limit=100&start=%d&end=%d&%s", t0/1e9-60, t0/1e9+7200, query))
		if len(got.Traces) != want {
			t.Errorf("%s: %d traces, want %d", query, len(got.Traces), want)
		}
	}
	f("", traces)
	f("tags="+url.QueryEscape(`service.name=pay card="visa"`), traces)
	f("tags="+url.QueryEscape(`service.name=pay error=true`), traces/2)
	f("tags="+url.QueryEscape(`root.name="GET /" http.status_code=503`), traces/2)
	f("minDuration=31ms&maxDuration=1h", 10-2) // those with an hour between their spans are longer: 30 and 36
	if got := getJSON[answer](t, base+fmt.Sprintf("/api/search?limit=3&start=%d&end=%d", t0/1e9-60, t0/1e9+7200)); len(got.Traces) != 3 {
		t.Errorf("limit: %d", len(got.Traces))
	}
	for _, bad := range []string{"q=%7B", "q={}+|+rate()", "limit=100000", "minDuration=long", "start=x", "q=" + url.QueryEscape("{} >> {}")} {
		if status, _, b := get(t, base+"/api/search?"+bad, ""); status != 400 || len(b) == 0 {
			t.Errorf("%s: %d %s", bad, status, b)
		}
	}
}

func TestTags(t *testing.T) {
	base := serve(t)
	when := fmt.Sprintf("?start=%d&end=%d", t0/1e9-60, t0/1e9+7200)
	f := func(path, want string) {
		t.Helper()
		status, _, b := get(t, base+path, "")
		if status != 200 || !strings.Contains(string(b), want) {
			t.Errorf("%s: %d %s, want %s", path, status, b, want)
		}
	}
	f("/api/search/tags"+when, `"tagNames":["card","cluster","http.status_code","n","service.name"]`)
	f("/api/v2/search/tags"+when, `{"name":"resource","tags":["cluster","service.name"]},{"name":"span","tags":["card","http.status_code","n"]},{"name":"intrinsic","tags":["duration"`)
	f("/api/v2/search/tags"+when+"&scope=span", `"scopes":[{"name":"span","tags":["card","http.status_code","n"]}]`)
	f("/api/search/tag/service.name/values"+when, `"tagValues":["db","pay","web"]`)
	f("/api/v2/search/tag/resource.service.name/values"+when, `"tagValues":[{"type":"string","value":"db"},{"type":"string","value":"pay"},{"type":"string","value":"web"}]`)
	f("/api/v2/search/tag/.service.name/values"+when+"&q="+url.QueryEscape(`{status=error}`), `"tagValues":[{"type":"string","value":"pay"}]`)
	f("/api/v2/search/tag/resource.cluster/values"+when, `{"type":"string","value":"web-cluster"}`)
	f("/api/v2/search/tag/span.http.status_code/values"+when, `"tagValues":[{"type":"string","value":"200"},{"type":"string","value":"503"}]`)
	f("/api/v2/search/tag/span%252Ehttp%252Estatus_code/values"+when, `{"type":"string","value":"503"}`)
	f("/api/v2/search/tag/name/values"+when, `"value":"charge"`)
	f("/api/v2/search/tag/rootServiceName/values"+when, `"tagValues":[{"type":"string","value":"web"}]`)
	f("/api/v2/search/tag/status/values"+when, `"tagValues":[{"type":"keyword","value":"unset"}`)
	f("/api/v2/search/tag/duration/values"+when, `"tagValues":[]`)
	f("/tempo/api/echo", "echo")
	f("/tempo/api/status/buildinfo", `"version":"2.`)
	f("/tempo/ready", "ready")
	if status, _, _ := get(t, base+"/api/v2/search/tag/nothing/values", ""); status != 400 {
		t.Errorf("unknown field: %d", status)
	}
}

func TestMetrics(t *testing.T) {
	base := serve(t)
	type result struct {
		Series []series `json:"series"`
	}
	ask := func(q, step string) []series {
		t.Helper()
		return getJSON[result](t, base+fmt.Sprintf("/api/metrics/query_range?start=%d&end=%d&step=%s&q=%s", t0/1e9, t0/1e9+1199, step, url.QueryEscape(q))).Series
	}
	sum := func(s series) (v float64) {
		for _, x := range s.Samples {
			v += x.Value
		}
		return v
	}
	// Two traces a minute over twenty minutes; traces 3 and 4 are stored twice, as metrics see them.
	if s := ask(`{name="charge" && status=error} | count_over_time()`, "60s"); len(s) != 1 || len(s[0].Samples) != 20 || sum(s[0]) != 21 || s[0].PromLabels != `{__name__="count_over_time"}` {
		t.Errorf("count: %+v", s)
	}
	if s := ask(`{name="charge"} | rate() by (status)`, "5m"); len(s) != 2 || s[0].PromLabels != `{"status"="error"}` || len(s[1].Samples) != 4 || math.Abs(sum(s[1])-21./300) > 1e-9 {
		t.Errorf("rate: %+v", s)
	}
	if s := ask(`{} | max_over_time(duration) by (resource.service.name)`, "20m"); len(s) != 3 || sum(s[2]) != .04 {
		t.Errorf("max: %+v", s)
	}
	if s := ask(`{name="SELECT"} | quantile_over_time(duration, .5, .99)`, "20m"); len(s) != 2 || s[1].PromLabels != `{p="0.99"}` || s[1].Samples[0].Value < s[0].Samples[0].Value || s[1].Samples[0].Value > 2.1e-4 {
		t.Errorf("quantile: %+v", s)
	}
	for _, bad := range []string{"q={}", "q=" + url.QueryEscape("{} && {} | rate()"), "q=" + url.QueryEscape("{rootName=`x`} | rate()"), "q={}+|+rate()&step=1us", "q={}+|+rate()&step=1ms", ""} {
		if status, _, b := get(t, base+"/api/metrics/query_range?"+bad, ""); status != 400 {
			t.Errorf("%s: %d %s", bad, status, b)
		}
	}
}
