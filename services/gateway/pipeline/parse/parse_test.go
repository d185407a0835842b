package parse

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/faultline-io/faultline/services/model"
)

func show(ls []model.Label, ok bool) string {
	if !ok {
		return "no"
	}
	parts := make([]string, len(ls))
	for i, l := range ls {
		parts[i] = l.Name + "=" + l.Value
	}
	return strings.Join(parts, "|")
}

func TestParsers(t *testing.T) {
	grok := func(texts ...string) Parser {
		e, err := Grok(texts, map[string]string{"ORDER": `ord-%{INT}`})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	js := &JSON{}
	for _, c := range []struct {
		p        Parser
		in, want string
	}{
		{Func(Logfmt), `ts=1 level=info msg="a \"b\" c" empty= word x=y`, `ts=1|level=info|msg=a "b" c|empty=|x=y`},
		{Func(Logfmt), `no pairs here`, "no"},
		{Func(Logfmt), ``, "no"},
		{Func(Logfmt), `a=b=c d="torn`, `a=b=c|d="torn`},
		{Func(Logfmt), `GET /x?a=b took=5ms`, `took=5ms`},
		{Func(Logfmt), `=x a=1`, `a=1`},
		{KeyValue(';', ':'), `a: 1; b:two words ;c:"x;y"`, `a=1|b=two words|c=x;y`},
		{KeyValue('&', '='), `a=1&b=&c=d`, `a=1|b=|c=d`},
		{Func(Access), `10.0.0.1 - bob [25/Nov/2026:03:34:27 +0000] "GET /a?b=c HTTP/1.1" 200 5123`,
			"client.address=10.0.0.1|user.name=bob|time=25/Nov/2026:03:34:27 +0000|http.request.method=GET|url.path=/a|url.query=b=c|network.protocol.version=1.1|http.response.status_code=200|http.response.body.size=5123"},
		{Func(Access), `::1 - - [25/Nov/2026:03:34:27 +0000] "POST / HTTP/2.0" 502 - "-" "curl/8 \"x\"" rt=0.1`,
			`client.address=::1|time=25/Nov/2026:03:34:27 +0000|http.request.method=POST|url.path=/|network.protocol.version=2.0|http.response.status_code=502|user_agent.original=curl/8 \"x\"|access.rest=rt=0.1`},
		{Func(Access), `::1 - - [25/Nov/2026:03:34:27 +0000] "\x16\x03" 400 0`, `client.address=::1|time=25/Nov/2026:03:34:27 +0000|http.response.status_code=400|http.response.body.size=0`},
		{Func(Access), `hello world this is [not] "an" access log`, "no"},
		{js, `{"a":"x","b":{"c":1.50,"d":{"e":true}},"l":[1,"2"],"n":null,"s":""}`, `a=x|b.c=1.50|b.d.e=true|l=[1,"2"]`},
		{js, ` {"a":"\u00e9\n"} `, "a=é\n"},
		{js, `{}`, ``},
		{js, `{"a":`, "no"}, {js, `[1]`, "no"}, {js, `x`, "no"},
		{js, strings.Repeat(`{"a":`, 400) + "1" + strings.Repeat("}", 400), "no"},
		{grok(`%{IPORHOST:client.ip} %{WORD:method} %{URIPATHPARAM:path} %{NUMBER:took:float}`), `10.0.0.1 GET /a?b=c 12.5`, `client.ip=10.0.0.1|method=GET|path=/a?b=c|took=12.5`},
		{grok(`%{COMBINEDAPACHELOG}`, `id %{ORDER:order_id}`), `see id ord-42`, `order_id=ord-42`},
		{grok(`(?<first.word>\w+) %{GREEDYDATA:[rest][all]}`), `a b c`, `first.word=a|rest.all=b c`},
		{grok(`^%{INT:n}$`), `x`, "no"},
	} {
		if got := show(c.p.Append(nil, c.in)); got != c.want {
			t.Errorf("%q\n  gives %s\n  want  %s", c.in, got, c.want)
		}
	}
}

// Every public pattern compiles by itself, except those whose expressions RE2 does not have.
func TestPublicPatternsCompile(t *testing.T) {
	bad := 0
	for name := range public() {
		if _, err := Grok([]string{"%{" + name + ":field}"}, nil); err != nil {
			bad++
			t.Logf("%s: %v", name, err)
		}
	}
	if bad > 3 {
		t.Errorf("%d public patterns do not compile", bad)
	}
}

func TestGrokRefusals(t *testing.T) {
	for _, c := range [][2]string{
		{`%{NOSUCHPATTERN:x}`, "no grok pattern"}, {`%{LOOP:x}`, "contains itself"}, {`%{INT}`, "no named group"}, {`(%{INT:a}`, "missing closing"}, {`%{BOMB9:x}`, "longer than"},
	} {
		own := map[string]string{"LOOP": `a%{LOOP2}`, "LOOP2": `%{LOOP}`, "BOMB0": "abcdefghij"}
		for i := range 9 {
			own[fmt.Sprint("BOMB", i+1)] = strings.Repeat(fmt.Sprintf("%%{BOMB%d}", i), 10)
		}
		if _, err := Grok([]string{c[0]}, own); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v", c[0], err)
		}
	}
}

func TestTime(t *testing.T) {
	want := time.Date(2026, 11, 25, 3, 34, 27, 123000000, time.UTC).UnixNano()
	for _, s := range []string{"2026-11-25T03:34:27.123Z", "2026-11-25 03:34:27.123", "2026-11-25 03:34:27,123", "2026-11-25T04:34:27.123+01:00", "1795577667.123", "1795577667123", "1795577667123000", "1795577667123000000", "2026/11/25 03:34:27.123"} {
		if got, ok := Time(s, nil, time.UTC); !ok || got != want {
			t.Errorf("%s: %v %v", s, time.Unix(0, got).UTC(), ok)
		}
	}
	for _, s := range []string{"", "yesterday", "12345678", "99999999999999999999", "-1795577667", "1795577667.x", "0001-01-01T00:00:00Z"} {
		if got, ok := Time(s, nil, time.UTC); ok {
			t.Errorf("%s: %d", s, got)
		}
	}
	if got, ok := Time("25.11.2026 03:34", []string{"unix", "02.01.2006 15:04"}, time.FixedZone("", 3600)); !ok || got != time.Date(2026, 11, 25, 2, 34, 0, 0, time.UTC).UnixNano() {
		t.Error(got, ok)
	}
	if got, ok := Time("1795577667", []string{"unix_ms"}, time.UTC); !ok || got != 1795577667e6 {
		t.Error(got, ok)
	}
}

func FuzzParsers(f *testing.F) {
	e, err := Grok([]string{`%{COMBINEDAPACHELOG}`, `%{SYSLOGLINE}`, `%{IP:ip}`}, nil)
	if err != nil {
		f.Fatal(err)
	}
	ps := []Parser{Func(Logfmt), KeyValue(';', ':'), KeyValue('&', '='), KeyValue('\t', ' '), Func(Access), &JSON{}, e}
	for _, s := range []string{`a="\x" b=c`, `{"a":{"b":"\ud800"}}`, `h - - [x] "GET / HTTP/1.1" 200 1 "a" "b" c`, `a:b;c:"d`, "\xff=\xfe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for i, p := range ps {
			before := []model.Label{{Name: "kept", Value: "x"}}
			got, ok := p.Append(before, s)
			if !ok && len(got) != 1 || got[0] != before[0] || len(got) > maxFields+2 {
				t.Fatalf("parser %d on %q: %v %v", i, s, got, ok)
			}
			for _, l := range got {
				if l.Name == "" && i != 5 || utf8.ValidString(s) && (!utf8.ValidString(l.Name) || !utf8.ValidString(l.Value)) {
					t.Fatalf("parser %d on %q: %q", i, s, l)
				}
			}
		}
		if ns, ok := Time(s, nil, time.UTC); ok && ns < 0 {
			t.Fatal(ns)
		}
	})
}

func BenchmarkParsers(b *testing.B) {
	e, err := Grok([]string{`%{COMBINEDAPACHELOG}`}, nil)
	if err != nil {
		b.Fatal(err)
	}
	access := `10.0.0.1 - - [25/Nov/2026:03:34:27 +0000] "GET /index.html HTTP/1.1" 200 5123 "https://example.com/start" "Mozilla/5.0 (X11; Linux x86_64)"`
	for _, c := range []struct {
		name, text string
		p          Parser
	}{
		{"json", `{"level":"info","time":"2026-11-25T03:34:27.123Z","service":"checkout","msg":"order placed","order":{"id":42,"amount":12.5}}`, &JSON{}},
		{"logfmt", `ts=2026-11-25T03:34:27.123Z caller=main.go:42 level=info component=store msg="compaction finished" duration=12.5s blocks=42`, Func(Logfmt)},
		{"access", access, Func(Access)},
		{"grok", access, e},
	} {
		b.Run(c.name, func(b *testing.B) {
			var dst []model.Label
			b.ReportAllocs()
			b.SetBytes(int64(len(c.text)))
			for range b.N {
				var ok bool
				if dst, ok = c.p.Append(dst[:0], c.text); !ok {
					b.Fatal("not parsed")
				}
			}
		})
	}
}
