package changesapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
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

func serve(t *testing.T, cs map[model.TenantID][]model.Change) string {
	t.Helper()
	e := enginetest.Start(t)
	db, err := clickhouse.Open(clickhouse.Options{DSN: e.DSN(engine.RoleMigrator)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := clickhouse.Migrate(t.Context(), db, migrations.Target{}); err != nil {
		t.Fatal(err)
	}
	for tenant, c := range cs {
		b := &model.Changes{Header: model.Header{Origin: model.Origin{Tenant: tenant}, ReceivedAtMS: 1}, Changes: c}
		if err := db.InsertChanges(t.Context(), fmt.Sprint("t:", tenant), []*model.Changes{b}); err != nil {
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

func TestChangesAPI(t *testing.T) {
	minute := int64(time.Minute)
	mine := []model.Change{
		{ID: "note", TimeNS: t0 + 90*minute, EndNS: t0 + 95*minute, Kind: "annotation", Title: "Load test", Text: "Load test\nwith k6", Attributes: []model.Label{{Name: "tags", Value: "load,k6"}}},
	}
	for i := range 7 {
		mine = append(mine, model.Change{ID: fmt.Sprint("d", i), TimeNS: t0 + int64(i)*10*minute, Kind: "deploy", Title: fmt.Sprint("Deploy ", i), Service: []string{"shop", "cart"}[i%2], Version: fmt.Sprint(i)})
	}
	base := serve(t, map[model.TenantID][]model.Change{1: mine, 2: {{ID: "x", TimeNS: t0, Kind: "deploy", Title: "of another tenant"}}})
	f := func(query, want string) {
		t.Helper()
		got, cursor := "", ""
		for range 10 {
			p := get[ChangePage](t, base+"/api/v1/changes?"+query+"&cursor="+url.QueryEscape(cursor), 200)
			for _, c := range p.Items {
				got += c.ID + " "
			}
			if cursor = p.NextCursor; cursor == "" {
				break
			}
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	f("limit=3", "note d6 d5 d4 d3 d2 d1 d0 ")
	f("limit=2&kind=deploy&service=cart", "d5 d3 d1 ")
	f("service=cart,shop&q=deploy+6", "d6 ")
	f("start=now-2h&end=now-110m", "d6 ")
	f("start="+fmt.Sprint((t0+94*minute)/1e9), "note ")
	for _, bad := range []string{"start=then", "limit=0", "cursor=x", "limit=9999"} {
		resp, err := http.Get(base + "/api/v1/changes?" + bad)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode/100 != 4 {
			t.Errorf("%s: status %d", bad, resp.StatusCode)
		}
	}
	all := get[[]Annotation](t, fmt.Sprintf("%s/api/annotations?from=%d&to=%d", base, t0/1e6, t0/1e6+10_800_000), 200)
	if len(all) != 8 || all[0].Text != "Load test\nwith k6" || all[0].TimeEnd-all[0].Time != 300_000 || all[0].ID != model.AnnotationID("note") || all[1].Tags[0] != "deploy" {
		t.Errorf("annotations: %+v", all)
	}
	if got := get[[]Annotation](t, base+"/api/annotations?tags=k6&tags=load", 200); len(got) != 1 {
		t.Errorf("by tags: %+v", got)
	}
	get[problem.Problem](t, base+"/api/annotations?from=x", 400)
}
