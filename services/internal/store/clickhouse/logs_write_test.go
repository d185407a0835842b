package clickhouse

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/internal/engine"
	"github.com/faultline-io/faultline/services/internal/engine/enginetest"
	"github.com/faultline-io/faultline/services/internal/logshape"
	"github.com/faultline-io/faultline/services/internal/store/migrations"
	"github.com/faultline-io/faultline/services/model"
)

const logT0 = int64(1795132800000000000) // 2026-11-20T00:00:00Z

// logBatch returns a batch of one tenant with one resource and the given bodies, a millisecond apart.
func logBatch(tenant model.TenantID, service string, bodies ...string) *model.Logs {
	l := &model.Logs{Header: model.Header{Origin: model.Origin{Tenant: tenant}, ReceivedAtMS: logT0 / 1e6}}
	attrs := []model.Label{{Name: "service.name", Value: service}, {Name: "host.name", Value: "h1"}}
	l.Resources = []model.Resource{{ID: model.ResourceHash(attrs), Attributes: attrs, Service: service, Host: "h1"}}
	for i, b := range bodies {
		l.ResourceIdx = append(l.ResourceIdx, 0)
		l.TimesNS = append(l.TimesNS, logT0+int64(i)*1e6)
		l.Severity = append(l.Severity, 9)
		l.ShapeHash = append(l.ShapeHash, logshape.Hash(b))
		l.Bodies = append(l.Bodies, b)
	}
	return l
}

func TestInsertLogsStoresOnceByToken(t *testing.T) {
	db := migrated(t)
	ctx := context.Background()
	a, b := logBatch(1, "checkout", "one 1", "two 2"), logBatch(2, "cart", "three")
	a.Attributes = [][]model.Label{{{Name: "k", Value: "v"}, {Name: "k2", Value: ""}}, nil}
	a.TraceIDs, a.SpanIDs = []string{strings.Repeat("\x01", 16), ""}, []string{"", strings.Repeat("\x02", 8)}
	a.ObservedNS = []int64{0, logT0 + 5}
	for range 3 {
		if err := db.InsertLogs(ctx, "t:1", []*model.Logs{a, b}); err != nil {
			t.Fatal(err)
		}
		db.resources = seenResources{} // as after a restart
	}
	if n := scalar(t, db, "SELECT count() FROM logs"); n != 3 {
		t.Errorf("%d rows after three inserts under one token, want 3", n)
	}
	if n := scalar(t, db, "SELECT count() FROM resources FINAL"); n != 2 {
		t.Errorf("%d resources, want 2", n)
	}
	if err := db.InsertLogs(ctx, "t:2", []*model.Logs{a}); err != nil {
		t.Fatal(err)
	}
	if n := scalar(t, db, "SELECT count() FROM logs WHERE tenant_id = 1"); n != 4 {
		t.Errorf("%d rows after another token, want 4: the same lines under a new token are new lines", n)
	}
	const q = `SELECT count() FROM logs WHERE tenant_id = 1 AND body = 'one 1' AND attributes['k'] = 'v' AND mapContains(attributes, 'k2')
		AND trace_id = unhex(repeat('01', 16)) AND span_id = toFixedString('', 8) AND toUnixTimestamp64Nano(ts) = 1795132800000000000
		AND toUnixTimestamp64Nano(observed_ts) = 0 AND service = 'checkout' AND host = 'h1' AND severity = 9 AND shape_hash != 0`
	if n := scalar(t, db, q); n != 2 {
		t.Errorf("%d rows have all their columns, want 2", n)
	}
	if n := scalar(t, db, "SELECT count() FROM resources FINAL WHERE attributes['service.name'] = 'cart' AND service = 'cart' AND tenant_id = 2"); n != 1 {
		t.Errorf("the resource lost its attributes")
	}
}

func TestResourcesAreStoredAgainLater(t *testing.T) {
	var s seenResources
	b := logBatch(1, "checkout", "x")
	rows := s.unseenLogs([]*model.Logs{b})
	if len(rows) != 1 {
		t.Fatalf("%d rows, want 1", len(rows))
	}
	if again := s.unseenLogs([]*model.Logs{b}); len(again) != 1 {
		t.Error("a resource whose insert has not succeeded counts as stored")
	}
	s.stored(rows)
	if again := s.unseenLogs([]*model.Logs{b}); len(again) != 0 {
		t.Error("a stored resource is stored again at once")
	}
	b.ReceivedAtMS += resourceEverySeconds * 1000
	if again := s.unseenLogs([]*model.Logs{b}); len(again) != 1 {
		t.Error("a resource is not stored again after its time")
	}
	other := *b
	other.Tenant = 2
	if again := s.unseenLogs([]*model.Logs{&other}); len(again) != 1 {
		t.Error("tenants share resources")
	}
}

func TestInsertSpansFillsLookups(t *testing.T) {
	db := migrated(t)
	ctx := context.Background()
	trace := strings.Repeat("\x0a", 16)
	root, child := strings.Repeat("\x01", 8), strings.Repeat("\x02", 8)
	b := &model.Spans{Header: model.Header{Origin: model.Origin{Tenant: 1}, ReceivedAtMS: logT0 / 1e6}}
	b.Resources = []model.Resource{{ID: 1, Service: "cart", Host: "h"}}
	b.Spans = []model.Span{
		{TraceID: trace, SpanID: root, Name: "GET /", Kind: 2, StartNS: logT0, DurationNS: 5e6},
		{TraceID: trace, SpanID: child, ParentSpanID: root, Name: "SELECT", Kind: 3, StartNS: logT0 + 1, DurationNS: 2e6, StatusCode: 2, StatusMessage: "dead",
			Attributes: []model.Label{{Name: "db", Value: "pg"}},
			Events:     []model.SpanEvent{{TimeNS: logT0 + 2, Name: "exception", Attributes: []model.Label{{Name: "type", Value: "X"}}}, {TimeNS: logT0 + 3, Name: "retry"}},
			Links:      []model.SpanLink{{TraceID: trace, SpanID: root, Attributes: []model.Label{{Name: "l", Value: "1"}}}}},
	}
	for range 2 {
		if err := db.InsertSpans(ctx, "s:1", []*model.Spans{b}); err != nil {
			t.Fatal(err)
		}
	}
	for q, want := range map[string]uint64{
		"SELECT count() FROM spans":                                             2,
		"SELECT sum(spans) FROM trace_index":                                    2,
		"SELECT sum(calls) FROM span_calls_1m":                                  1,
		"SELECT count() FROM resources FINAL":                                   1,
		"SELECT count() FROM spans WHERE parent_span_id = toFixedString('', 8)": 1,
		"SELECT count() FROM spans WHERE event_names = ['exception', 'retry'] AND event_attributes[1]['type'] = 'X' AND link_attributes[1]['l'] = '1' AND attributes['db'] = 'pg'": 1,
		"SELECT count() FROM spans WHERE toUnixTimestamp64Nano(event_times[2]) = 1795132800000000003 AND link_span_ids[1] = unhex('0101010101010101') AND status = 2":              1,
	} {
		if got := scalar(t, db, q); got != want {
			t.Errorf("%s = %d, want %d", q, got, want)
		}
	}
}

// BenchmarkInsertLogs stores blocks of 50,000 lines of 200 bytes.
func BenchmarkInsertLogs(b *testing.B) {
	e := enginetest.Start(b)
	db, err := Open(Options{DSN: e.DSN(engine.RoleMigrator)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	ctx := context.Background()
	if err := Migrate(ctx, db, migrations.Target{}); err != nil {
		b.Fatal(err)
	}
	bodies := make([]string, 50000)
	size := 0
	for i := range bodies {
		bodies[i] = fmt.Sprintf("10.0.%d.%d GET /api/v1/orders/%d 200 %d \"Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101\" rt=0.%03d", i%250, i%77, i*7919, i*31, i%1000)
		size += len(bodies[i])
	}
	l := logBatch(1, "nginx", bodies...)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		if err := db.InsertLogs(ctx, fmt.Sprintf("b:%d", n), []*model.Logs{l}); err != nil {
			b.Fatal(err)
		}
	}
}
