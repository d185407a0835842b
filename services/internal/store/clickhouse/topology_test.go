package clickhouse_test

import (
	"slices"
	"testing"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse/chtest"
	"github.com/faultline-io/faultline/services/model"
)

func TestResourcesBecomeEntitiesAndEdges(t *testing.T) {
	db := chtest.Start(t).Admin
	attrs := []model.Label{{Name: "host.id", Value: "h1"}, {Name: "host.name", Value: "web-1"}, {Name: "service.name", Value: "shop"}, {Name: "container.id", Value: "c1"}}
	l := &model.Logs{
		Header:    model.Header{Origin: model.Origin{Tenant: 7}, ReceivedAtMS: 1795132800000},
		Resources: []model.Resource{{ID: 1, Attributes: attrs, Service: "shop", Host: "h1"}}, ResourceIdx: []uint32{0}, TimesNS: []int64{1795132800000000000},
		ObservedNS: []int64{0}, Severity: []uint8{9}, ShapeHash: []uint64{1}, Bodies: []string{"x"},
	}
	for range 2 { // the same token twice is one insert, in what the views make of it too
		if err := db.InsertLogs(t.Context(), "t:1", []*model.Logs{l}); err != nil {
			t.Fatal(err)
		}
	}
	f := func(query string, want ...string) {
		t.Helper()
		var got []string
		if err := db.Conn().QueryRow(t.Context(), query).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f("SELECT arraySort(groupArray(kind || ' ' || id || ' ' || name)) FROM entities WHERE tenant_id = 7", "container c1 ", "host h1 web-1", "service shop shop")
	f("SELECT arraySort(groupArray(from_kind || ' ' || from_id || ' ' || kind || ' ' || to_kind || ' ' || to_id)) FROM edges WHERE tenant_id = 7",
		"container c1 runs_on host h1", "service shop runs_on container c1", "service shop runs_on host h1")
}

func TestTenantTablesAreAllTablesWithATenant(t *testing.T) {
	db := chtest.Start(t).Admin
	var have []string
	const q = "SELECT arraySort(groupUniqArray(c.table)) FROM system.columns AS c INNER JOIN system.tables AS t ON c.database = t.database AND c.table = t.name WHERE c.database = currentDatabase() AND c.name = 'tenant_id' AND t.engine LIKE '%MergeTree'"
	if err := db.Conn().QueryRow(t.Context(), q).Scan(&have); err != nil {
		t.Fatal(err)
	}
	want := clickhouse.TenantTables()
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("tables with a tenant_id: %q\nTenantTables:             %q", have, want)
	}
}

// The reader sees its tenant's rows only in tables with a policy: the name of a materialized view would show those of everybody.
func TestReaderCannotReadPastPolicies(t *testing.T) {
	db := chtest.Start(t)
	var views []string
	const q = "SELECT groupArray(name) FROM system.tables WHERE database = currentDatabase() AND engine = 'MaterializedView'"
	if err := db.Admin.Conn().QueryRow(t.Context(), q).Scan(&views); err != nil || len(views) == 0 {
		t.Fatalf("%q %v", views, err)
	}
	for _, name := range append(views, "samples_5m_in", "schema_migrations") {
		var n uint64
		if err := db.Reader.Conn().QueryRow(t.Context(), "SELECT count() FROM "+name).Scan(&n); err == nil {
			t.Errorf("the reader may read %s", name)
		}
	}
	for _, name := range clickhouse.TenantTables() {
		var n uint64
		if err := db.Reader.Conn().QueryRow(t.Context(), "SELECT count() FROM "+name).Scan(&n); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
