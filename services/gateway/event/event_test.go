package event

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/valyala/fastjson"

	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
)

func write(t testing.TB, opts Options, docs ...string) ([]intaketest.Row, []bool) {
	core, kept := intaketest.Keep(t)
	req := intaketest.Request(core)
	w := New(core, req, opts)
	defer w.Close()
	var bad []bool
	for _, d := range docs {
		v, err := fastjson.Parse(d)
		if err != nil {
			t.Fatal(err)
		}
		w.Begin()
		w.Object(v.GetObject(), "")
		bad = append(bad, w.BadTime())
		if _, err := w.End(context.Background(), []byte(d)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	return kept.Rows(), bad
}

func TestRoles(t *testing.T) {
	trace, span := strings.Repeat("1a", 16), strings.Repeat("2b", 8)
	rows, _ := write(t, Options{},
		`{"@timestamp":"2026-11-25T03:00:00.5+01:00","message":"m1","log":{"level":"warn","file":{"path":"/x"}},"service":{"name":"shop","version":"2"},"host":{"name":"web1"},"trace":{"id":"`+trace+`"},"span":{"id":"`+span+`"},"n":1.50,"ok":true,"nothing":null,"list":[1,"a"]}`,
		`{"ts":1764042000.25,"msg":"m2","level":50,"app":"a","hostname":"h"}`,
		`{"time":"not a time","log":"m3\n","message":"m3 wins","severity":"purple","t":12345,"trace_id":"short"}`,
		`{"user":"kim","count":3}`,
		`{"service":"outer","service_name":"inner","message":"m5"}`)
	now := intaketest.Now().UnixNano()
	want := []intaketest.Row{
		{Body: "m1", Service: "shop", Host: "web1", TimeNS: 1795572000500000000, Severity: 13, TraceID: strings.Repeat("\x1a", 16), SpanID: strings.Repeat("\x2b", 8),
			Attrs: map[string]string{"log.file.path": "/x", "n": "1.50", "ok": "true", "list": `[1,"a"]`}, Res: map[string]string{"service.name": "shop", "service.version": "2", "host.name": "web1"}},
		{Body: "m2", Service: "a", Host: "h", TimeNS: 1764042000250000000, Severity: 17, Attrs: map[string]string{}, Res: map[string]string{"service.name": "a", "host.name": "h"}},
		{Body: "m3 wins", TimeNS: now, Attrs: map[string]string{"time": "not a time", "log": "m3\n", "severity": "purple", "t": "12345", "trace_id": "short"}, Res: map[string]string{}},
		{Body: `{"user":"kim","count":3}`, TimeNS: now, Attrs: map[string]string{"user": "kim", "count": "3"}, Res: map[string]string{}},
		{Body: "m5", TimeNS: now, Service: "inner", Attrs: map[string]string{"service": "outer"}, Res: map[string]string{"service.name": "inner"}},
	}
	if d := cmp.Diff(want, rows); d != "" {
		t.Error(d)
	}
}

func TestTold(t *testing.T) {
	rows, bad := write(t, Options{Time: []string{"when"}, Message: []string{"a.b"}, Resource: []string{"pod", "app"}},
		`{"when":"1764042000","a":{"b":"hello"},"pod":"p1","app":"x","message":"other","time":"2020-01-01T00:00:00Z"}`, `{"when":"never"}`)
	want := intaketest.Row{Body: "hello", Service: "x", TimeNS: 1764042000000000000, Attrs: map[string]string{"message": "other", "time": "2020-01-01T00:00:00Z"}, Res: map[string]string{"pod": "p1", "service.name": "x"}}
	if d := cmp.Diff(want, rows[0]); d != "" {
		t.Error(d)
	}
	if bad[0] || !bad[1] {
		t.Error(bad)
	}
}

// A thousand senders that take turns, and more text than a batch holds: nothing of one event shows in another.
func TestManyResourcesAndBatches(t *testing.T) {
	var docs []string
	for i := range 3000 {
		docs = append(docs, fmt.Sprintf(`{"host":"h%d","message":"%d %s","n":"v%d"}`, i%1000, i, strings.Repeat("x", 700), i))
	}
	rows, _ := write(t, Options{}, docs...)
	if len(rows) != 3000 {
		t.Fatal(len(rows))
	}
	for i, r := range rows {
		if r.Host != fmt.Sprintf("h%d", i%1000) || r.Attrs["n"] != fmt.Sprintf("v%d", i) || !strings.HasPrefix(r.Body, fmt.Sprintf("%d x", i)) {
			t.Fatalf("%d: %+v", i, r)
		}
	}
}

func TestHostileObjects(t *testing.T) {
	wide := `{"message":"m"`
	for i := range 5000 {
		wide += fmt.Sprintf(`,"f%d":%d`, i, i)
	}
	rows, _ := write(t, Options{}, wide+"}", strings.Repeat(`{"a":`, 100)+"1"+strings.Repeat("}", 100), `{"`+strings.Repeat("n", 5000)+`":1,"\u0000":"\ud800"}`)
	if len(rows) != 3 || len(rows[0].Attrs) != 128 || len(rows[1].Attrs) != 1 {
		t.Errorf("%d rows, %d and %d attributes", len(rows), len(rows[0].Attrs), len(rows[1].Attrs))
	}
	for name := range rows[2].Attrs {
		if len(name) > 256 {
			t.Errorf("a name of %d bytes", len(name))
		}
	}
}

func TestParseTime(t *testing.T) {
	at := func(s string) int64 {
		x, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return x.UnixNano()
	}
	for s, want := range map[string]int64{
		"2026-11-25T03:00:00Z": at("2026-11-25T03:00:00Z"), "2026-11-25 03:00:00,123": at("2026-11-25T03:00:00.123Z"),
		"2026-11-25T03:00:00.123456789+02:30": at("2026-11-25T03:00:00.123456789+02:30"), "2026-11-25T03:00:00-0700": at("2026-11-25T03:00:00-07:00"),
		"2026-11-25T03:00:00+01": at("2026-11-25T03:00:00+01:00"), "2026-11-25 03:00:00 UTC": at("2026-11-25T03:00:00Z"),
		"1764042000": 1764042000e9, "1764042000123": 1764042000123e6, "1764042000123456": 1764042000123456e3, "1764042000123456789": 1764042000123456789,
		"1764042000.123456789": 1764042000123456789, "1764042000123.5": 1764042000123500000, " 1764042000 ": 1764042000e9,
		"25/Nov/2026:03:00:00 +0100": at("2026-11-25T03:00:00+01:00"), "Wed, 25 Nov 2026 03:00:00 GMT": at("2026-11-25T03:00:00Z"), "2026/11/25 03:00:00": at("2026-11-25T03:00:00Z"),
	} {
		if got, ok := ParseTime(s); !ok || got != want {
			t.Errorf("%q: %d %t, want %d", s, got, ok, want)
		}
	}
	for _, s := range []string{"", "now", "2026-11-25", "2026-13-25T03:00:00Z", "2026-11-25T25:00:00Z", "2026-11-25T03:00:00+99", "2026-11-25T03:00:00.Z", "1e9", "12345678901234567890", "1764042000.x", "9999-01-01T00:00:00Z", "0000-01-01T00:00:00Z"} {
		if got, ok := ParseTime(s); ok {
			t.Errorf("%q: %d", s, got)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2026-11-25T03:00:00.5+01:00", "1764042000.25", "25/Nov/2026:03:00:00 +0100"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ns, ok := ParseTime(s)
		if !ok || !strings.Contains(s, "T") {
			return
		}
		if want, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(s)); err == nil && want.UnixNano() != ns {
			t.Fatalf("%q: %d, want %d", s, ns, want.UnixNano())
		}
	})
}
