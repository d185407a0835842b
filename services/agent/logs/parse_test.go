package logs

import (
	"strings"
	"testing"
	"time"
)

func TestParseSeverity(t *testing.T) {
	f := func(line string, want Severity) {
		t.Helper()
		if got := ParseSeverity(line); got != want {
			t.Errorf("%q: severity %d, want %d", line, got, want)
		}
	}
	f("level=warn msg=x", Warn)
	f(`time=2026-01-01T00:00:00Z level=ERROR msg="info about it"`, Error)
	f(`{"level":"debug","msg":"error"}`, Debug)
	f(`{"severity": "CRITICAL"}`, Critical)
	f(`{"level":50,"msg":"pino"}`, Error)
	f(`{"level":500}`, Unspecified)
	f("2026/01/02 03:04:05 [error] 1#1: open() failed", Error)
	f("2026-01-02 03:04:05,123 INFO  [main] started", Info)
	f("2026-01-02 WARNING: low", Warn)
	f("[  OK  ] started", Unspecified)
	f("E1123 01:02:03.4 1 x.go:1] no", Error)
	f("error: cannot open", Error)
	f("no error here", Unspecified)
	f("<notice> x", Notice)
	f("ERRORS: 0", Unspecified)
	f("sublevel=high", Unspecified)
	f("FATAL: password authentication failed", Fatal)
	f("ERROR:root:x", Error)
	f("Informational", Unspecified)
	f("", Unspecified)
}

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC)
	zone := time.FixedZone("", 3600)
	f := func(line, want string) {
		t.Helper()
		got := ""
		if at := ParseTime(line, now, zone); !at.IsZero() {
			got = at.UTC().Format(time.RFC3339Nano)
		}
		if got != want {
			t.Errorf("%q: time %q, want %q", line, got, want)
		}
	}
	f("2026-01-02T03:04:05Z x", "2026-01-02T03:04:05Z")
	f("2026-01-02 03:04:05.250 x", "2026-01-02T02:04:05.25Z")
	f("[2026-01-02T03:04:05,5+02:00] x", "2026-01-02T01:04:05.5Z")
	f("2026/01/02 03:04:05 [error]", "2026-01-02T02:04:05Z")
	f("Jan  2 03:04:05 host app: x", "2026-01-02T02:04:05Z")
	f("Dec 31 23:00:00 host app: x", "2025-12-31T22:00:00Z")
	f(`192.0.2.1 - - [02/Jan/2026:03:04:05 -0100] "GET / HTTP/1.1" 200`, "2026-01-02T04:04:05Z")
	f(`{"level":"info","time":"2026-01-02T03:04:05Z"}`, "2026-01-02T03:04:05Z")
	f(`level=info ts=2026-01-02T03:04:05Z`, "2026-01-02T03:04:05Z")
	f("2026-01-20T00:00:00Z from the future", "")
	f("2026-13-02T03:04:05Z", "")
	f("2026-01-02T25:04:05Z", "")
	f("no time", "")
	f("", "")
}

func TestMatch(t *testing.T) {
	f := func(pattern, name string, want bool) {
		t.Helper()
		if got := Match(pattern, name); got != want {
			t.Errorf("%s on %s: %v", pattern, name, got)
		}
	}
	f("/var/log/*.log", "/var/log/a.log", true)
	f("/var/log/*.log", "/var/log/x/a.log", false)
	f("/var/log/**/*.log", "/var/log/a.log", true)
	f("/var/log/**/*.log", "/var/log/x/y/a.log", true)
	f("/var/log/**", "/var/log/x/y", true)
	f("/var/log/**/*.log", "/var/lib/a.log", false)
}

func TestServiceOfPath(t *testing.T) {
	f := func(path, want string) {
		t.Helper()
		if got := serviceOfPath(path); got != want {
			t.Errorf("%s: service %q, want %q", path, got, want)
		}
	}
	f("/var/log/nginx/access.log", "nginx")
	f("/var/log/dpkg.log", "dpkg")
	f("/var/log/syslog", "syslog")
	f("/opt/shop/logs/server.log", "shop")
	f("/srv/app/log/x.log", "app")
	f("/tmp/x.log", "x")
	f("x.log", "x")
}

func FuzzParseLine(f *testing.F) {
	f.Add("2026-01-02T03:04:05.1+02:00 level=warn x")
	f.Add(`192.0.2.1 - - [02/Jan/2026:03:04:05 -0100] "GET`)
	f.Add("Jan  2 03:04:05 host")
	now := time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, line string) {
		if s := ParseSeverity(line); s > 24 {
			t.Errorf("severity %d", s)
		}
		if at := ParseTime(line, now, time.UTC); at.Sub(now) > maxFuture {
			t.Errorf("time %s lies in the future", at)
		}
	})
}

func FuzzCRI(f *testing.F) {
	f.Add("2026-01-02T03:04:05.000000001Z stdout P first")
	f.Add("2026-01-02T03:04:05Z stderr F")
	f.Fuzz(func(t *testing.T, line string) {
		w, ok := parseCRI(line)
		if ok && (w.time.IsZero() || w.stream == "" || !strings.HasSuffix(line, w.text)) {
			t.Errorf("%q: %+v", line, w)
		}
	})
}

func FuzzDocker(f *testing.F) {
	f.Add(`{"log":"x\n","stream":"stdout","time":"2026-01-02T03:04:05.5Z"}`)
	f.Fuzz(func(t *testing.T, line string) {
		if w, ok := parseDocker(line); ok && w.time.IsZero() {
			t.Errorf("%q: no time", line)
		}
	})
}

func BenchmarkParseLine(b *testing.B) {
	line := `{"time":"2026-01-02T03:04:05.123Z","level":"info","msg":"request served","path":"/api/v1/orders/123","status":200}`
	now := time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		ParseSeverity(line)
		ParseTime(line, now, time.UTC)
	}
}
