package clickhouse

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/internal/traceql"
)

// TestSearchesByAttributeAskTheIndex looks at how many granules a search for a rare value reads.
func TestSearchesByAttributeAskTheIndex(t *testing.T) {
	db := migrated(t)
	for _, q := range []string{
		`INSERT INTO spans (tenant_id, ts, trace_id, span_id, resource_id, service, name, kind, attributes)
		SELECT 1, toDateTime64('2026-11-25 08:00:00', 9) + toIntervalMillisecond(number), unhex(leftPad(hex(number), 32, '0')), unhex(leftPad(hex(number), 16, '0')),
		       number % 7, 's' || toString(number % 3), 'op', 2, map('order.id', 'o' || toString(number), 'http.route', '/')
		FROM numbers(60000)`,
		`INSERT INTO resources (tenant_id, resource_id, attributes) VALUES (1, 3, map('order.id', 'of a resource'))`,
		`OPTIMIZE TABLE spans FINAL`,
	} {
		if err := db.conn.Exec(context.Background(), q); err != nil {
			t.Fatal(err)
		}
	}
	f := func(query string, spans, most uint64) {
		t.Helper()
		q, err := traceql.Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		var p params
		filter := TraceFilter{Query: q}
		where := " FROM spans WHERE tenant_id = {tenant:UInt32} AND " + filter.spanCondition(&p)
		p.uint("tenant", 1)
		var n, left proto.ColUInt64
		read := func(body string, into *proto.ColUInt64) {
			t.Helper()
			err := db.read(t.Context(), 1, chgo.Query{Body: body, Parameters: p, Result: proto.Results{{Name: "n", Data: into}}}, func(int) error { return nil })
			if err != nil {
				t.Fatalf("%s: %v", query, err)
			}
		}
		read("SELECT count() AS n"+where, &n)
		// What is left after the last of the indexes.
		read(`SELECT toUInt64(extract(arrayStringConcat(groupArray(explain), ' '), '.*Granules: (\\d+)/')) AS n FROM (EXPLAIN indexes = 1 SELECT trace_id`+strings.Replace(where, "GLOBAL IN", "IN", 1)+`)`, &left)
		if n[0] != spans || left[0] > most || (left[0] == 0) != (spans == 0) {
			t.Errorf("%s: %d spans of %d granules, want %d of at most %d", query, n[0], left[0], spans, most)
		}
	}
	f(`{ span.order.id = "o4711" }`, 1, 3) // A filter errs once in a hundred granules.
	f(`{ .order.id = "o4711" }`, 1, 6)
	f(`{ span.order.id = "none" }`, 0, 0)
	f(`{ span.http.route = "/" }`, 60000, 100)
}

// TestLongTracesAreFound looks for the few long traces among many short ones, whichever way they are long.
func TestLongTracesAreFound(t *testing.T) {
	db := migrated(t)
	exec := func(q string) {
		t.Helper()
		if err := db.conn.Exec(context.Background(), q); err != nil {
			t.Fatal(err)
		}
	}
	const columns = `INSERT INTO spans (tenant_id, ts, trace_id, span_id, service, name, kind, duration_ns) `
	exec(columns + `SELECT 1, toDateTime64('2026-11-25 08:00:00', 9) + toIntervalMillisecond(number), unhex(leftPad(hex(number), 32, '0')), unhex(leftPad(hex(number), 16, '0')), 's', 'op', 2, 1000000
		FROM numbers(30000)`)
	// One trace each, a minute before all others: start and length of its spans in milliseconds.
	long := map[string][][2]int{"aa": {{0, 2000}}, "bb": {{0, 1}, {1500, 1}}, "cc": {{0, 600}, {550, 600}}, "dd": {{0, 400}, {50, 940}, {990, 10}}, "ee": {{-26 * 3_600_000, 1}, {0, 1}}}
	short := map[string][][2]int{"f1": {{0, 999}}, "f2": {{0, 500}, {400, 500}}, "f3": {{0, 1}, {997, 1}}}
	for _, set := range []map[string][][2]int{long, short} {
		for id, spans := range set {
			for i, s := range spans {
				exec(columns + `SELECT 1, toDateTime64('2026-11-25 07:59:00', 9) + toIntervalMillisecond(` + fmt.Sprint(s[0]) + `), unhex(repeat('` + id + `', 16)), unhex(leftPad(hex(` + fmt.Sprint(i+1) + `), 16, '0')), 's', 'op', 2, ` + fmt.Sprint(s[1]) + `000000`)
			}
		}
	}
	q, err := traceql.Parse(`{ traceDuration >= 1s }`)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 11, 25, 7, 0, 0, 0, time.UTC)
	page, err := NewSpanReader(db).Search(t.Context(), TraceSearch{TraceFilter: TraceFilter{Tenant: 1, StartNS: start.UnixNano(), EndNS: start.Add(2 * time.Hour).UnixNano(), Query: q}, Limit: 20})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range page.Rows {
		got = append(got, hex.EncodeToString([]byte(r.TraceID))[:2])
	}
	slices.Sort(got)
	if want := "aa bb cc dd ee"; strings.Join(got, " ") != want {
		t.Errorf("found %v, want %s", got, want)
	}
}

func TestLeastLengthOfTraces(t *testing.T) {
	f := func(query string, want time.Duration) {
		t.Helper()
		q, err := traceql.Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Duration(wholeAtLeast(&q.Spans)); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	f(`{ traceDuration > 2s }`, 2*time.Second)
	f(`{ traceDuration > 2s && span.a = "x" } && { traceDuration >= 3s }`, 3*time.Second)
	f(`{ traceDuration > 2s || span.a = "x" }`, 0)
	f(`{ traceDuration < 2s }`, 0)
	f(`{ !(traceDuration > 2s) }`, 0)
	f(`{ duration > 2s }`, 0)
	f(`{ traceDuration > 72h }`, 0)
}
