package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/regexp"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/features"
	"github.com/prometheus/prometheus/util/teststorage"
	v1 "github.com/prometheus/prometheus/web/api/v1"

	"github.com/faultline-io/faultline/services/model"
)

// upstream is Prometheus' own API over its own storage with the series of the tests.
func upstream(t *testing.T, all []testSeries, exemplars []model.Exemplar) *httptest.Server {
	t.Helper()
	store := teststorage.New(t)
	app := store.AppenderV2(t.Context())
	for _, x := range all {
		ls := labelsFor(x)
		for i, at := range x.times {
			opts := storage.AppendV2Options{}
			if i == len(x.times)-1 && x.name == "requests_total" {
				for _, e := range exemplars {
					opts.Exemplars = append(opts.Exemplars, exemplar.Exemplar{Labels: toLabels(e.Labels), Value: e.Value, Ts: e.TimeMS, HasTs: true})
				}
			}
			if _, err := app.Append(0, ls, 0, at, x.values[i], nil, nil, opts); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	p := parser.NewParser(parser.Options{EnableExperimentalFunctions: true, ExperimentalDurationExpr: true, EnableExtendedRangeSelectors: true, EnableBinopFillModifiers: true})
	engine := promqltest.NewTestEngineWithOpts(t, promql.EngineOpts{
		MaxSamples: 50_000_000, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true, EnablePerStepStats: true, Parser: p,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
	})
	none := func(context.Context) v1.RulesRetriever { return nil }
	api := v1.NewAPI(engine, store, nil, nil, store, nil, nil, nil, func() config.Config { return config.Config{} }, nil, v1.GlobalURLOptions{},
		func(h http.HandlerFunc) http.HandlerFunc { return h }, nil, "", false, false, 0, slog.New(slog.DiscardHandler), none, 1_000_000, 10, 1<<20, false,
		regexp.MustCompile(".*"), func() (v1.RuntimeInfo, error) { return v1.RuntimeInfo{}, errors.New("unused") }, &v1.PrometheusVersion{}, nil, nil,
		prometheus.NewRegistry(), nil, nil, false, remoteapi.MessageTypes{}, false, false, false, false, 5*time.Minute, false, false, nil,
		features.NewRegistry(), v1.OpenAPIOptions{}, p)
	r := route.New()
	api.Register(r.WithPrefix("/api/v1"))
	srv := httptest.NewServer(r)
	t.Cleanup(srv.Close)
	return srv
}

func labelsFor(x testSeries) labels.Labels {
	return toLabels(append([]model.Label{{Name: model.LabelName, Value: x.name}}, x.labels...))
}

func toLabels(ls []model.Label) labels.Labels {
	b := labels.NewScratchBuilder(len(ls))
	for _, l := range ls {
		b.Add(l.Name, l.Value)
	}
	b.Sort()
	return b.Labels()
}

// TestAnswersAreThoseOfPrometheus asks Prometheus' own API, over its own storage, and ours, over the tables, the same things, and wants
// the same status and the same JSON. It is what keeps dialect, parameters, warnings and errors from drifting.
func TestAnswersAreThoseOfPrometheus(t *testing.T) {
	s := start(t)
	now := time.Now().Truncate(time.Minute)
	data := []testSeries{
		counter(now, "requests_total", 2, "job", "api", "code", "200"),
		counter(now, "requests_total", 1, "job", "api", "code", `5"\xx`),
		gauge(now, "temperature", 21.5, "room", "büro"),
		gauge(now, "utf8.name", 1, "label.with.dots", "a", "ünï", "x"),
		gauge(now, "fill", 2), gauge(now, "anchored", 3), // names that are words of the language too
	}
	exemplars := []model.Exemplar{
		{TimeMS: now.UnixMilli() - 60_500, Value: 0.25, Labels: labelsOf("trace_id", "abc")},
		{TimeMS: now.UnixMilli() - 1_000, Value: 6, Labels: labelsOf("trace_id", `d"ef`, "span_id", "1")},
	}
	s.insert(t, data...)
	s.insertExemplars(t, data[:2], exemplars)
	theirs := upstream(t, data, exemplars)

	at, from := fmt.Sprint(now.Unix()), fmt.Sprint(now.Unix()-300)
	instant := func(query string, more ...string) string {
		return "/query?" + form(append([]string{"query", query, "time", at}, more...)...)
	}
	ranged := func(query string, more ...string) string {
		return "/query_range?" + form(append([]string{"query", query, "start", from, "end", at, "step", "60"}, more...)...)
	}
	paths := []string{
		instant("requests_total"), instant("requests_total[1m]"), instant("1"), instant(`"text"`), instant("time()"), instant("nothing"), instant("fill"), instant("anchored + fill"),
		instant(`{"utf8.name","label.with.dots"="a"}`), instant("rate(requests_total[5m])"), instant("rate(requests_total[5m] anchored)"), instant("requests_total", "limit", "1"),
		instant("requests_total", "limit", "-1"), instant("requests_total", "limit", "x"), instant("requests_total", "stats", "true"), instant("requests_total", "stats", "all"),
		instant("requests_total", "stats", "odd"), instant("requests_total", "lookback_delta", "1s"), instant("requests_total", "lookback_delta", "x"), instant("requests_total", "timeout", "x"),
		instant("sum("), instant(""), instant("requests_total{"), instant("foo{a=~\"(\"}"), instant("requests_total * on(job) group_left requests_total"),
		instant("label_replace(temperature, \"\xff\", \"$1\", \"room\", \"(.*)\")"), instant("rate(temperature[5m])"), instant("histogram_quantile(2, temperature)"),
		instant("quantile(2, temperature)"), instant("temperature offset 1m @ end()"), instant("max_over_time(rate(requests_total[1m])[5m:30s])"), instant("-1e-7 * temperature"),
		instant("temperature / 0"), instant("sort_by_label(requests_total, \"code\")"), instant("limitk(1, temperature)"), instant("sum_over_time(temperature[1m+2m])"),
		instant("sort(info(requests_total))"), instant("temperature", "time", "x"), "/query?query=1&time=2026-01-01T00:00:00Z",
		ranged("requests_total"), ranged("rate(requests_total[2m])"), ranged("1"), ranged(`"text"`), ranged("requests_total[1m]"), ranged("requests_total", "stats", "all"),
		ranged("requests_total", "limit", "1"), ranged("sum by (job) (requests_total) > 100"), ranged("nothing"), ranged("temperature", "lookback_delta", "10s"),
		"/query_range?query=1", "/query_range?query=1&start=1&end=2&step=0", "/query_range?query=1&start=1&end=2&step=-1", "/query_range?query=1&start=2&end=1&step=1",
		"/query_range?query=1&start=0&end=100000&step=1", "/query_range?query=1&start=x&end=1&step=1", "/query_range?query=1&start=1&end=x&step=1", "/query_range?query=1&start=1&end=2&step=x",
		"/query_range?query=1&start=1&end=2&step=1e300",
		"/labels", "/labels?limit=2", "/labels?match[]=temperature", "/labels?match[]=temperature&match[]=requests_total", "/labels?match[]={}", "/labels?match[]=(", "/labels?limit=-1",
		"/labels?start=x", "/label/job/values", "/label/__name__/values", "/label/__name__/values?limit=20", "/label/code/values?limit=1", "/label/nothing/values", "/label/U__label_2e_with_2e_dots/values",
		"/label/%C3%BCn%C3%AF/values", "/label/code/values?match[]=requests_total", "/label/%FF/values", "/label/code/values?match[]=a&match[]=requests_total",
		"/series", "/series?match[]=requests_total", "/series?match[]=requests_total&match[]=temperature&match[]={job=\"api\"}", "/series?match[]=requests_total&limit=1", "/series?match[]=x{",
		"/series?match[]=nothing", "/series?match[]=" + url.QueryEscape(`{job=~".*"}`), "/series?match[]=requests_total&start=x",
		"/query_exemplars?" + form("query", "requests_total", "start", from, "end", at), "/query_exemplars?" + form("query", "rate(requests_total[1m]) + temperature"),
		"/query_exemplars?query=1", "/query_exemplars?query=(", "/query_exemplars?query=nothing", "/query_exemplars?query=x&start=5&end=1", "/query_exemplars?query=x&start=y",
		"/format_query?query=sum+by(a)(rate(x[5m]))", "/format_query?query=(", "/format_query", "/parse_query?query=(", "/parse_query?query=1",
	}
	for _, path := range paths {
		t.Run(path, func(t *testing.T) { sameAnswer(t, s, theirs, path) })
	}
}

// TestTreesAreThoseOfPrometheus parses every expression of Prometheus' own tests.
func TestTreesAreThoseOfPrometheus(t *testing.T) {
	exprs, err := promqltest.GetBuiltInExprs()
	if err != nil {
		t.Fatal(err)
	}
	s, theirs := start(t), upstream(t, nil, nil)
	for _, e := range exprs {
		for _, path := range []string{"/parse_query?", "/format_query?"} {
			sameAnswer(t, s, theirs, path+form("query", e))
		}
	}
}

func form(kv ...string) string {
	v := url.Values{}
	for i := 0; i < len(kv); i += 2 {
		v.Set(kv[i], kv[i+1])
	}
	return v.Encode()
}

// sameAnswer asks both by GET, and ours by POST and under the other prefix too.
func sameAnswer(t *testing.T, s *server, theirs *httptest.Server, path string) {
	t.Helper()
	resp, err := theirs.Client().Get(theirs.URL + "/api/v1" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusInternalServerError {
		return // it cannot encode some trees with NaN
	}
	want := normal(t, b)
	check := func(how string, a answer) {
		t.Helper()
		if t.Failed() {
			return
		}
		if a.StatusCode != resp.StatusCode {
			t.Errorf("%s %s: status %d, want %d: %.300s; Prometheus: %.300s", how, path, a.StatusCode, resp.StatusCode, a.body, b)
			return
		}
		if d := cmp.Diff(want, normal(t, a.body)); d != "" {
			t.Errorf("%s %s (- Prometheus, + ours):\n%s", how, path, d)
		}
	}
	check("GET", s.do(t, "/api/v1"+path, call{}))
	check("prefixed", s.do(t, "/prometheus/api/v1"+path, call{}))
	if before, query, ok := strings.Cut(path, "?"); ok && !strings.HasPrefix(path, "/label/") {
		check("POST", s.do(t, "/api/v1"+before, call{method: http.MethodPost, body: query, header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}))
	}
}

// normal decodes an answer and takes out what may differ: how long things took.
func normal(t *testing.T, b []byte) any {
	t.Helper()
	if len(b) == 0 {
		return nil
	}
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	if data, ok := v["data"].(map[string]any); ok {
		if st, ok := data["stats"].(map[string]any); ok {
			delete(st, "timings")
		}
	}
	for _, notes := range []string{"warnings", "infos"} {
		if list, ok := v[notes].([]any); ok { // in the order of a map
			slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
	}
	return v
}
