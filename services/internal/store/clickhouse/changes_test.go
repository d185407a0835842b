package clickhouse

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/model"
)

const changesT0 = int64(1795132800000000000)

func TestChanges(t *testing.T) {
	db := migrated(t)
	minute := int64(time.Minute)
	put := func(token string, tenant model.TenantID, receivedMS int64, cs ...model.Change) {
		t.Helper()
		b := &model.Changes{Header: model.Header{Origin: model.Origin{Tenant: tenant}, ReceivedAtMS: receivedMS}, Changes: cs}
		for range 2 { // The same token twice is one insert.
			if err := db.InsertChanges(t.Context(), token, []*model.Changes{b}); err != nil {
				t.Fatal(err)
			}
		}
	}
	put("a", 1, 1000,
		model.Change{ID: "d1", TimeNS: changesT0, Kind: "deploy", Title: "Deploy shop 1.2", Status: "in_progress", Service: "shop", Environment: "prod", Version: "1.2"},
		model.Change{ID: "c1", TimeNS: changesT0 + minute, Kind: "config", Title: "nginx.conf", Host: "web-1", Actor: "Ann", Attributes: []model.Label{{Name: "tags", Value: "x,yy"}, {Name: "file", Value: "/etc/nginx.conf"}}},
		model.Change{ID: "same", TimeNS: changesT0 + minute, Kind: "config", Title: "two at one time"},
		model.Change{ID: "it's\\\n\"odd\"", TimeNS: changesT0 + 2*minute, Kind: "flag", Title: "100 % {tenant:UInt32}"})
	put("b", 1, 2000, model.Change{ID: "d1", TimeNS: changesT0, EndNS: changesT0 + 10*minute, Kind: "deploy", Title: "Deploy shop 1.2", Status: "success", Service: "shop", Environment: "prod", Version: "1.2"})
	put("c", 2, 2000, model.Change{ID: "other", TimeNS: changesT0, Kind: "deploy", Title: "of another tenant"})

	r := NewChangeReader(db)
	f := func(name string, q ChangeFilter, want ...string) {
		t.Helper()
		q.Tenant = 1
		if q.EndNS == 0 {
			q.StartNS, q.EndNS = changesT0-minute, changesT0+time.Hour.Nanoseconds()
		}
		var got []string
		var after *ChangeCursor
		for range 10 {
			cs, next, err := r.List(context.Background(), q, after, 2)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, c := range cs {
				got = append(got, c.ID)
			}
			if after = next; next == nil {
				break
			}
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	odd := "it's\\\n\"odd\""
	f("all", ChangeFilter{}, odd, "c1", "same", "d1")
	f("kind", ChangeFilter{Kinds: []string{"deploy", "flag"}}, odd, "d1")
	f("service", ChangeFilter{Services: []string{"shop"}}, "d1")
	f("host", ChangeFilter{Hosts: []string{"web-1"}}, "c1")
	f("environment", ChangeFilter{Environments: []string{"prod"}}, "d1")
	f("text in title", ChangeFilter{Text: "SHOP"}, "d1")
	f("text in attribute", ChangeFilter{Text: "etc/NGINX"}, "c1")
	f("text of a percent sign", ChangeFilter{Text: "100 %"}, odd)
	f("tags", ChangeFilter{Tags: []string{"yy", "x"}}, "c1")
	f("tags in part", ChangeFilter{Tags: []string{"y"}})
	f("begun before and lasting", ChangeFilter{StartNS: changesT0 + 5*minute, EndNS: changesT0 + 6*minute}, "d1")
	f("after all", ChangeFilter{StartNS: changesT0 + 11*minute, EndNS: changesT0 + 12*minute})

	cs, _, err := r.List(context.Background(), ChangeFilter{Tenant: 1, StartNS: changesT0, EndNS: changesT0, Kinds: []string{"deploy"}}, nil, 5)
	if err != nil || len(cs) != 1 || cs[0].Status != "success" || cs[0].EndNS != changesT0+10*minute {
		t.Errorf("the later word counts: got %+v, %v", cs, err)
	}
	if n := scalar(t, db, "SELECT count() FROM changes"); n != 6 {
		t.Errorf("%d rows, want 6: a repeated token must not add any", n)
	}
	if _, _, err := r.List(context.Background(), ChangeFilter{Tenant: 1, EndNS: changesT0, Text: strings.Repeat("x", 1000)}, nil, 5); err != nil {
		t.Error(err)
	}
}
