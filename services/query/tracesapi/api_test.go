package tracesapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/engine"
	"github.com/faultline-io/faultline/services/internal/engine/enginetest"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/migrations"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/problem"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

const t0 = int64(1795132800000000000) // 2026-11-20T00:00:00Z

func serve(t *testing.T, batches ...*model.Spans) string {
	t.Helper()
	e := enginetest.Start(t)
	db, err := clickhouse.Open(clickhouse.Options{DSN: e.DSN(engine.RoleMigrator)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := clickhouse.Migrate(context.Background(), db, migrations.Target{}); err != nil {
		t.Fatal(err)
	}
	for i, b := range batches {
		if err := db.InsertSpans(context.Background(), fmt.Sprint("t:", i), []*model.Spans{b}); err != nil {
			t.Fatal(err)
		}
	}
	gin.SetMode(gin.TestMode)
	problem.Install()
	router := gin.New()
	Register(humagin.New(router, huma.DefaultConfig("test", "1")), router, Deps{DB: db, Now: func() time.Time { return time.Unix(0, t0).Add(3 * time.Hour) }})
	s := httptest.NewServer(router)
	t.Cleanup(s.Close)
	return s.URL
}

func get[T any](t *testing.T, address string, wantStatus int) T {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out T
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != wantStatus {
		t.Fatalf("%s: status %d, want %d: %+v", address, resp.StatusCode, wantStatus, out)
	}
	return out
}

func traceID(n int) string { return fmt.Sprintf("trace-%010d", n) }

// batch holds a trace of a server span and a client span of it, for each n; client spans begin an hour later every third time.
func batch(tenant model.TenantID, ns ...int) *model.Spans {
	b := &model.Spans{Header: model.Header{Origin: model.Origin{Tenant: tenant}, ReceivedAtMS: t0 / 1e6}}
	for _, svc := range []string{"web", "db"} {
		attrs := []model.Label{{Name: "service.name", Value: svc}}
		b.Resources = append(b.Resources, model.Resource{ID: model.ResourceHash(attrs), Attributes: attrs, Service: svc, Host: "h"})
	}
	for _, n := range ns {
		start := t0 + int64(n)*30e9
		late := int64(1e6)
		if n%3 == 0 {
			late = 3600e9
		}
		root, child := fmt.Sprintf("r%07d", n), fmt.Sprintf("c%07d", n)
		b.Spans = append(b.Spans,
			model.Span{TraceID: traceID(n), SpanID: root, Name: "GET /", Kind: 2, StartNS: start, DurationNS: int64(n+1) * 1e6},
			model.Span{ResourceIdx: 1, TraceID: traceID(n), SpanID: child, ParentSpanID: root, Name: "SELECT", Kind: 3, StartNS: start + late, DurationNS: 1e6, StatusCode: uint8(n%2) * 2,
				Attributes: []model.Label{{Name: "db.system", Value: "pg"}}, Events: []model.SpanEvent{{TimeNS: start + 5, Name: "exception"}}})
	}
	return b
}

func TestTraceByID(t *testing.T) {
	orphan := batch(1, 1)
	orphan.Spans = orphan.Spans[1:]
	orphan.Spans[0].TraceID = traceID(900)
	twice := batch(1, 0) // sent again by a sender that was not sure
	base := serve(t, batch(1, 0), twice, orphan, batch(2, 7))
	id := func(n int) string { return fmt.Sprintf("%x", traceID(n)) }

	tr := get[Trace](t, base+"/api/v1/traces/"+id(0), 200)
	if len(tr.Spans) != 2 || tr.StartNS != t0 || tr.DurationNS != 3600e9+1e6 || fmt.Sprint(tr.Services) != "[web db]" || len(tr.Warnings) != 0 {
		t.Errorf("trace: %+v", tr)
	}
	if s := tr.Spans[1]; s.ParentSpanID != tr.Spans[0].SpanID || s.Attributes["db.system"] != "pg" || s.Resource["service.name"] != "db" || s.Kind != "client" ||
		len(s.Events) != 1 || s.Events[0].TimeNS != t0+5 || s.Links == nil {
		t.Errorf("span: %+v", s)
	}
	if tr := get[Trace](t, base+"/api/v1/traces/"+id(900), 200); len(tr.Spans) != 1 || len(tr.Warnings) != 2 {
		t.Errorf("trace without root: %+v", tr)
	}
	if p := get[problem.Problem](t, base+"/api/v1/traces/"+id(7), 404); p.Hint == "" {
		t.Errorf("another tenant's trace: %+v", p)
	}
	get[problem.Problem](t, base+"/api/v1/traces/xyz", 400)
}

func TestSearchTraces(t *testing.T) {
	var ns []int
	for n := range 40 {
		ns = append(ns, n)
	}
	base := serve(t, batch(1, ns[:20]...), batch(1, ns[20:]...), batch(2, 77))
	all := func(filter string) []string {
		t.Helper()
		var out []string
		cursor := ""
		for range 50 {
			p := get[TracePage](t, base+"/api/v1/traces?start=now-3h&"+filter+"&cursor="+cursor, 200)
			for _, it := range p.Items {
				out = append(out, it.TraceID)
			}
			if cursor = p.NextCursor; cursor == "" {
				return out
			}
		}
		t.Fatal("pages without end")
		return nil
	}
	f := func(filter string, match func(n int) bool) {
		t.Helper()
		want := 0
		got := all(filter)
		seen := map[string]bool{}
		for _, id := range got {
			if seen[id] {
				t.Errorf("%s: %s twice", filter, id)
			}
			seen[id] = true
		}
		for n := range 40 {
			if match(n) {
				want++
				if !seen[fmt.Sprintf("%x", traceID(n))] {
					t.Errorf("%s: trace %d is missing", filter, n)
				}
			}
		}
		if len(got) != want {
			t.Errorf("%s: %d traces, want %d", filter, len(got), want)
		}
	}
	f("limit=7", func(int) bool { return true })
	f("limit=500", func(int) bool { return true })
	f("limit=3&service=web", func(int) bool { return true })
	f("limit=5&status=error", func(n int) bool { return n%2 == 1 })
	f("limit=5&status=error&service=web", func(int) bool { return false })
	f("limit=5&operation=SELECT&service=db", func(int) bool { return true })
	f("limit=9&min_duration=30ms", func(n int) bool { return n+1 >= 30 })
	f("limit=9&min_duration=10ms&max_duration=12ms", func(n int) bool { return n+1 >= 10 && n+1 <= 12 })

	p := get[TracePage](t, base+"/api/v1/traces?start=now-3h&limit=500", 200)
	i := slices.IndexFunc(p.Items, func(s Summary) bool { return s.TraceID == fmt.Sprintf("%x", traceID(1)) })
	if s := p.Items[i]; s.RootService != "web" || s.RootOperation != "GET /" || s.Spans != 2 || s.Errors != 1 || strings.Join(s.Services, ",") != "db,web" || s.DurationMS != 2 {
		t.Errorf("summary: %+v", s)
	}
	for _, bad := range []string{"status=bad", "min_duration=long", "cursor=x", "limit=0"} {
		resp, err := http.Get(base + "/api/v1/traces?" + bad)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode/100 != 4 {
			t.Errorf("%s: status %d", bad, resp.StatusCode)
		}
	}
}
