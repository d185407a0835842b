package logsapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/engine"
	"github.com/faultline-io/faultline/services/internal/engine/enginetest"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/migrations"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/problem"
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

// serve starts the API over a fresh engine that holds batches.
func serve(t *testing.T, batches ...*model.Logs) (base string, live *fakeLive) {
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
	if err := db.InsertLogs(context.Background(), "t:1", batches); err != nil {
		t.Fatal(err)
	}
	gin.SetMode(gin.TestMode)
	problem.Install()
	router := gin.New()
	live = &fakeLive{messages: make(chan *bus.Message)}
	Register(humagin.New(router, huma.DefaultConfig("test", "1")), router, Deps{DB: db, Live: live, Now: func() time.Time { return time.Unix(0, t0).Add(time.Hour) }})
	s := httptest.NewServer(router)
	t.Cleanup(s.Close)
	return s.URL, live
}

func lines(tenant model.TenantID, service string, severity uint8, bodies ...string) *model.Logs {
	attrs := []model.Label{{Name: "service.name", Value: service}}
	l := &model.Logs{Header: model.Header{Origin: model.Origin{Tenant: tenant}, ReceivedAtMS: t0 / 1e6}}
	l.Resources = []model.Resource{{ID: model.ResourceHash(attrs), Attributes: attrs, Service: service, Host: "h1"}}
	for i, b := range bodies {
		l.ResourceIdx, l.TimesNS, l.Severity = append(l.ResourceIdx, 0), append(l.TimesNS, t0+int64(i)*60e9), append(l.Severity, severity)
		l.ShapeHash, l.Bodies = append(l.ShapeHash, 5), append(l.Bodies, b)
	}
	return l
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

func TestSearchOverHTTP(t *testing.T) {
	base, _ := serve(t, lines(1, "cart", 9, "one", "two 5", "three"), lines(1, "pay", 17, "broken"), lines(2, "cart", 9, "of others"))
	page := get[LogPage](t, base+"/api/v1/logs?limit=3", 200)
	if len(page.Items) != 3 || page.NextCursor == "" || page.Items[0].Body != "three" || page.Items[0].Time != "2026-11-20T00:02:00Z" ||
		page.Items[0].Resource["service.name"] != "cart" || page.Items[0].SeverityText != "info" || page.Stats.RowsRead == 0 {
		t.Errorf("first page: %+v", page)
	}
	rest := get[LogPage](t, base+"/api/v1/logs?limit=3&cursor="+page.NextCursor, 200)
	if len(rest.Items) != 1 || rest.NextCursor != "" {
		t.Errorf("last page: %+v", rest)
	}
	if p := get[LogPage](t, base+"/api/v1/logs?query="+url.QueryEscape(`"two 5" -three`)+"&service=cart&service=pay", 200); len(p.Items) != 1 || p.Items[0].Body != "two 5" {
		t.Errorf("search: %+v", p.Items)
	}
	if p := get[LogPage](t, base+"/api/v1/logs?severity_min=error", 200); len(p.Items) != 1 || p.Items[0].Service != "pay" {
		t.Errorf("severity: %+v", p.Items)
	}
	if p := get[LogPage](t, base+"/api/v1/logs?direction=forward&limit=1", 200); p.Items[0].TimeNS != t0 {
		t.Errorf("forward: %+v", p.Items)
	}
	for _, bad := range []string{"severity_min=loud", "trace_id=xyz", "start=later", "cursor=AAAA", "cursor=" + page.NextCursor + "&query=other", "query=" + strings.Repeat("a+", 40)} {
		if p := get[problem.Problem](t, base+"/api/v1/logs?"+bad, 400); p.Code == "" {
			t.Errorf("%s: %+v", bad, p)
		}
	}
	h := get[Histogram](t, base+"/api/v1/logs/histogram?buckets=60", 200)
	if h.Total != 4 || h.StepMS != 60000 || len(h.T) != 61 || len(h.Series) != 2 || h.Series[0].V[0]+h.Series[1].V[0] != 2 {
		t.Errorf("histogram: %+v", h)
	}
	f := get[Facets](t, base+"/api/v1/logs/facets", 200)
	if fmt.Sprint(f.Service) != "[{cart 3} {pay 1}]" || fmt.Sprint(f.SeverityText) != "[{info 3} {error 1}]" {
		t.Errorf("facets: %+v", f)
	}
}

func TestTail(t *testing.T) {
	base, live := serve(t, lines(1, "cart", 9, "stored"))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/v1/logs/tail?query=needle&service=cart", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	send := func(l *model.Logs) {
		data, err := bus.EncodeLogs(l)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case live.messages <- &bus.Message{Header: l.Header, Data: data}:
		case <-ctx.Done():
			t.Fatal("nobody listens")
		}
	}
	send(lines(2, "cart", 9, "needle of another tenant"))
	send(lines(1, "pay", 9, "needle of another service"))
	send(lines(1, "cart", 9, "hay", "a needle"))
	live.messages <- &bus.Message{Header: model.Header{Origin: model.Origin{Tenant: 1}}, Data: []byte("garbage")}
	send(lines(1, "cart", 9, "second needle"))
	var got []string
	for scan := bufio.NewScanner(resp.Body); len(got) < 2 && scan.Scan(); {
		if data, ok := strings.CutPrefix(scan.Text(), "data: "); ok {
			var r Record
			if err := json.Unmarshal([]byte(data), &r); err != nil {
				t.Fatal(err)
			}
			got = append(got, r.Body)
		}
	}
	if fmt.Sprint(got) != "[a needle second needle]" {
		t.Errorf("tail sent %q", got)
	}
}

func TestStepFor(t *testing.T) {
	f := func(span time.Duration, buckets int, want time.Duration) {
		t.Helper()
		if got := stepFor(span, buckets); got != want {
			t.Errorf("stepFor(%s, %d) = %s, want %s", span, buckets, got, want)
		}
	}
	f(0, 60, time.Millisecond)
	f(time.Hour, 60, time.Minute)
	f(24*time.Hour, 60, 30*time.Minute)
	f(365*24*time.Hour, 100, 4*24*time.Hour)
}
