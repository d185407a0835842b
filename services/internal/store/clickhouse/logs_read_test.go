package clickhouse

import (
	"context"
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/logquery"
	"github.com/faultline-io/faultline/services/model"
)

func parsed(t *testing.T, q string) logquery.Query {
	t.Helper()
	out, err := logquery.Parse(q)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// day is a filter of one tenant over a day from logT0.
func day(tenant model.TenantID) LogFilter {
	return LogFilter{Tenant: tenant, StartNS: logT0 - 1e9, EndNS: logT0 + 86400e9}
}

// pages reads all pages and returns the bodies in their order.
func pages(t *testing.T, r *LogReader, s LogSearch) []string {
	t.Helper()
	var out []string
	for n := 0; ; n++ {
		p, err := r.Search(context.Background(), s)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Rows) > s.Limit {
			t.Fatalf("%d rows on a page of %d", len(p.Rows), s.Limit)
		}
		for i := range p.Rows {
			out = append(out, p.Rows[i].Body)
		}
		if p.Next == nil {
			return out
		}
		if n > 1000 {
			t.Fatal("pages without end")
		}
		s.After = p.Next
	}
}

func TestSearchPagesOverEqualTimes(t *testing.T) {
	db := migrated(t)
	// 300 different and 40 equal records at three times, spread over several inserts.
	want := map[string]int{}
	for part := range 4 {
		l := logBatch(1, "svc")
		for i := range 85 {
			body := fmt.Sprintf("line %d", part*85+i)
			if i >= 75 {
				body = "the same"
			}
			want[body]++
			l.ResourceIdx = append(l.ResourceIdx, 0)
			l.TimesNS = append(l.TimesNS, logT0+int64(i%3)*3600e9)
			l.Severity, l.ShapeHash, l.Bodies = append(l.Severity, 9), append(l.ShapeHash, 1), append(l.Bodies, body)
		}
		if err := db.InsertLogs(context.Background(), fmt.Sprint("p:", part), []*model.Logs{l}); err != nil {
			t.Fatal(err)
		}
	}
	r := NewLogReader(db)
	for _, limit := range []int{11, 50, 500} {
		for _, forward := range []bool{false, true} {
			got := map[string]int{}
			for _, b := range pages(t, r, LogSearch{LogFilter: day(1), Limit: limit, Forward: forward}) {
				got[b]++
			}
			for b, n := range want {
				if got[b] != n {
					t.Errorf("limit %d forward %v: %q %d times, want %d", limit, forward, b, got[b], n)
				}
			}
			if len(got) != len(want) {
				t.Errorf("limit %d forward %v: %d bodies, want %d", limit, forward, len(got), len(want))
			}
		}
	}
}

func TestSearchMeansWhatTheMatcherMeans(t *testing.T) {
	db := migrated(t)
	r := rand.New(rand.NewSource(5))
	atoms := []string{"error", "Error", "timeout", "Timeout", "500", "5001", "c95", "ord_c95", "10.0.0.1", "größe", "größe5", "a'b", `a"b`, `a\b`, "%", "_", "x\x00y", "tab\tx", "日本", "-", "=", "5", "\xff\xfe1"}
	line := func() string {
		var b strings.Builder
		for range 1 + r.Intn(6) {
			b.WriteString(atoms[r.Intn(len(atoms))])
			b.WriteString([]string{" ", "", "=", ", ", "\n"}[r.Intn(5)])
		}
		return b.String()
	}
	bodies := make([]string, 400)
	for i := range bodies {
		bodies[i] = line()
	}
	if err := db.InsertLogs(context.Background(), "m:1", []*model.Logs{logBatch(1, "svc", bodies...)}); err != nil {
		t.Fatal(err)
	}
	// Half of the questions with the word index, which merges make.
	reader := NewLogReader(db)
	hits := 0
	for n := range 120 {
		if n == 60 {
			if err := db.conn.Exec(context.Background(), "OPTIMIZE TABLE logs FINAL"); err != nil {
				t.Fatal(err)
			}
		}
		text := atoms[r.Intn(len(atoms))]
		switch r.Intn(4) {
		case 0:
			text = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(line()) + `"`
		case 1:
			text += " " + atoms[r.Intn(len(atoms))]
		case 2:
			text = "-" + text
		}
		f := day(1)
		f.Query = parsed(t, text)
		var want []string
		for i := len(bodies) - 1; i >= 0; i-- {
			if f.Query.Match(bodies[i]) {
				want = append(want, bodies[i])
			}
		}
		got := pages(t, reader, LogSearch{LogFilter: f, Limit: 500})
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Fatalf("query %q: store %d rows, matcher %d\nstore   %q\nmatcher %q", text, len(got), len(want), got, want)
		}
		hits += len(want)
	}
	if hits == 0 {
		t.Error("no question found anything")
	}
}

func TestSearchFilters(t *testing.T) {
	db := migrated(t)
	ctx := context.Background()
	a, b, other := logBatch(1, "cart", "a1 needle", "a2"), logBatch(1, "pay", "b1"), logBatch(2, "cart", "secret needle")
	a.Severity[1] = 17
	a.TraceIDs = []string{strings.Repeat("\x07", 16), ""}
	a.Attributes = [][]model.Label{{{Name: "k", Value: "v"}}, nil}
	if err := db.InsertLogs(ctx, "f:1", []*model.Logs{a, b, other}); err != nil {
		t.Fatal(err)
	}
	r := NewLogReader(db)
	f := func(name string, change func(*LogFilter), want ...string) {
		t.Helper()
		filter := day(1)
		change(&filter)
		if got := pages(t, r, LogSearch{LogFilter: filter, Limit: 10}); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	f("service", func(f *LogFilter) { f.Services = []string{"pay", "x'); DROP TABLE logs"} }, "b1")
	f("host", func(f *LogFilter) { f.Hosts = []string{"none"} })
	f("severity", func(f *LogFilter) { f.SeverityMin = 17 }, "a2")
	f("trace", func(f *LogFilter) { f.TraceID = strings.Repeat("\x07", 16) }, "a1 needle")
	f("words of this tenant only", func(f *LogFilter) { f.Query = parsed(t, "needle") }, "a1 needle")
	f("time", func(f *LogFilter) { f.StartNS = logT0 + 1 }, "a2")
	f("no time", func(f *LogFilter) { f.EndNS = logT0 - 1 })

	p, err := r.Search(ctx, LogSearch{LogFilter: day(1), Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	last := p.Rows[len(p.Rows)-1]
	if p.Rows[0].Body != "a2" || p.Stats.Rows == 0 {
		t.Errorf("first row %q, stats %+v", p.Rows[0].Body, p.Stats)
	}
	res, err := db.Resources(ctx, 1, []uint64{last.ResourceID, 5})
	if err != nil || len(res) != 1 || res[last.ResourceID]["host.name"] != "h1" {
		t.Errorf("resources %v, %v", res, err)
	}
	counts, err := r.Count(ctx, LogFilter{Tenant: 1, StartNS: logT0, EndNS: logT0 + 2e6 - 1}, logT0, 1e6, 2)
	if err != nil || counts[3] != nil && counts[3][0] != 2 || counts[5][1] != 1 {
		t.Errorf("counts %v, %v", counts, err)
	}
	facets, err := r.Facets(ctx, day(1))
	if err != nil || facets.Service["cart"] != 2 || facets.Host["h1"] != 3 || facets.Level[5] != 1 {
		t.Errorf("facets %+v, %v", facets, err)
	}
}

func TestSearchEndsWithItsBudget(t *testing.T) {
	db := migrated(t)
	if err := db.InsertLogs(context.Background(), "b:1", []*model.Logs{logBatch(1, "cart", "old")}); err != nil {
		t.Fatal(err)
	}
	r := NewLogReader(db)
	s := LogSearch{LogFilter: LogFilter{Tenant: 1, StartNS: logT0, EndNS: logT0 + 3600e9*24*30}, Limit: 5, Budget: time.Nanosecond}
	p, err := r.Search(context.Background(), s)
	if err != nil || p.Next == nil || p.SearchedNS == 0 {
		t.Fatalf("page %+v, %v: want a place to go on from", p, err)
	}
	s.Budget, s.After = 0, p.Next
	if p, err = r.Search(context.Background(), s); err != nil || len(p.Rows) != 1 || p.Next != nil {
		t.Errorf("going on gave %+v, %v", p, err)
	}
}
