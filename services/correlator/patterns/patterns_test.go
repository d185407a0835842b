package patterns_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/correlator/patterns"
	"github.com/faultline-io/faultline/services/internal/engine/enginetest"
	"github.com/faultline-io/faultline/services/internal/logshape"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse/chtest"
	"github.com/faultline-io/faultline/services/model"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// insert stores lines of a service, a second apart from a time.
func insert(t *testing.T, db *clickhouse.DB, token, service string, from time.Time, lines ...string) {
	t.Helper()
	b := &model.Logs{
		Header:    model.Header{Origin: model.Origin{Tenant: 1, Source: "test", Protocol: "test"}, ReceivedAtMS: time.Now().UnixMilli()},
		Resources: []model.Resource{{ID: 7, Service: service}},
	}
	for i, line := range lines {
		b.ResourceIdx = append(b.ResourceIdx, 0)
		b.TimesNS = append(b.TimesNS, from.Add(time.Duration(i)*time.Second).UnixNano())
		b.ObservedNS = append(b.ObservedNS, 0)
		b.Severity = append(b.Severity, 9)
		b.ShapeHash = append(b.ShapeHash, logshape.Hash(line))
		b.Bodies = append(b.Bodies, line)
	}
	if err := db.InsertLogs(t.Context(), token, []*model.Logs{b}); err != nil {
		t.Fatal(err)
	}
}

func users(names ...string) []string {
	var out []string
	for i, n := range names {
		out = append(out, fmt.Sprintf("session opened for user %s by uid=%d from 10.0.0.%d", n, i, i))
	}
	return out
}

// Templates form over several looks, keep their id when they merge, and a keeper that starts anew goes on with the same ids.
func TestKeeper(t *testing.T) {
	db := chtest.Start(t)
	from := time.Now().Add(-30 * time.Minute).Truncate(time.Hour / 60)
	keep := func() *patterns.Keeper { return patterns.New(patterns.Default(), patterns.Deps{Store: db.Admin}) }
	ask := func() []clickhouse.LogPattern {
		t.Helper()
		got, err := clickhouse.NewLogReader(db.Reader).LogPatterns(t.Context(), clickhouse.PatternQuery{Tenant: 1, Start: from, End: from.Add(time.Hour), Step: 10 * time.Minute, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	look := func(k *patterns.Keeper) {
		t.Helper()
		if err := k.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	k := keep()
	insert(t, db.Admin, "a", "sshd", from, users("root", "admin")...)
	insert(t, db.Admin, "b", "cron", from, "job 1 done in 3 ms", "job 2 done in 5 ms", "job 77 done in 5 ms")
	if got := ask(); len(got) != 3 || got[0].Lines != 3 { // Before anybody mined, a shape is its own pattern.
		t.Fatalf("%+v", got)
	}
	look(k)
	got := ask()
	if len(got) != 3 || got[0].Text != "job <num> done in <num> ms" || got[0].Counts[0] != 3 || len(got[0].Counts) != 6 {
		t.Fatalf("%+v", got)
	}
	insert(t, db.Admin, "c", "sshd", from.Add(15*time.Minute), users("alice", "bob", "carol", "dave")...)
	look(k)
	got = ask()
	if len(got) != 2 || got[0].Text != "session opened for user <*> by uid=<num> from <ip>" || got[0].Lines != 6 || got[0].Counts[0] != 2 || got[0].Counts[1] != 4 {
		t.Fatalf("%+v", got)
	}
	id := got[0].Template

	k = keep() // As after a restart, with what came meanwhile.
	insert(t, db.Admin, "d", "sshd", from.Add(25*time.Minute), users("erin")...)
	look(k)
	got = ask()
	if len(got) != 2 || got[0].Template != id || got[0].Lines != 7 {
		t.Fatalf("id %x, %+v", id, got)
	}
	insert(t, db.Admin, "d", "sshd", from.Add(25*time.Minute), users("erin")...) // The same token: nothing is counted twice.
	if got = ask(); got[0].Lines != 7 {
		t.Fatalf("%+v", got)
	}
}
