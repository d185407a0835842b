package logql

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// runOne returns the line and the labels behind a pipeline, sorted; "dropped" where it is filtered out.
func runOne(t *testing.T, pipeline, line string) string {
	t.Helper()
	e, err := ParseLog(`{app="x"} ` + pipeline)
	if err != nil {
		t.Fatalf("%s: %v", pipeline, err)
	}
	out, ok := NewPipeline(e).Run(&Entry{
		TimeNS: 1700000000123456789, Line: line, Stream: &Stream{Labels: []Label{{"app", "x"}, {"level", "info"}}}, Meta: []Label{{"user", "ann"}},
	})
	if !ok {
		return "dropped"
	}
	var ls []string
	for _, set := range [][]Label{out.Stream, out.Meta, out.Parsed} {
		for _, l := range set {
			ls = append(ls, l.Name+"="+l.Value)
		}
	}
	slices.Sort(ls)
	return out.Line + " | " + strings.Join(ls, " ")
}

func TestPipeline(t *testing.T) {
	const own = "app=x level=info user=ann"
	f := func(pipeline, line, want string) {
		t.Helper()
		want = strings.ReplaceAll(want, "OWN", own)
		if got := runOne(t, pipeline, line); got != want {
			t.Errorf("%s on %s\n got %s\nwant %s", pipeline, line, got, want)
		}
	}
	f(``, `a`, `a | OWN`)
	f(`|= "b" or "a"`, `a`, `a | OWN`)
	f(`|= "b"`, `a`, `dropped`)
	f(`!= "b" or "a"`, `a`, `dropped`)
	f(`|~ "^a.c$"`, "abc", `abc | OWN`)
	f(`!~ "a"`, "abc", `dropped`)
	f(`|> "<_>took <_>ms"`, "it took 5ms", `it took 5ms | OWN`)
	f(`|> "took <_>ms"`, "it took 5ms", `dropped`)
	f(`!> "<_>took<_>"`, "it took 5ms", `dropped`)
	f(`|= ip("10.0.0.0/8")`, "from 10.1.2.3:80 in", "from 10.1.2.3:80 in | OWN")
	f(`|= ip("10.0.0.1-10.0.0.9")`, "from 10.0.0.10.", "dropped")
	f(`|= ip("2001:db8::/32")`, "from [2001:db8::7]", "from [2001:db8::7] | OWN")
	f(`!= ip("1.2.3.4")`, "1.2.3.4 - -", "dropped")
	f(`| json`, `{"a":{"b":1,"c-d":true},"app":"y","l":[1],"n":null,"3":"x"}`, `{"a":{"b":1,"c-d":true},"app":"y","l":[1],"n":null,"3":"x"} | _3=x a_b=1 a_c_d=true app=x app_extracted=y level=info user=ann`)
	f(`| json | __error__=""`, `no`, `dropped`)
	f(`| json | drop __error_details__`, `no`, `no | __error__=JSONParserErr OWN`)
	f(`| json x="a.b[1]", y="q[\"r s\"]", z | line_format "-"`, `{"a":{"b":[1,{"k":2}]},"q":{"r s":"v"}}`, `- | OWN x={"k":2} y=v z=`)
	f(`| logfmt | line_format "-"`, `a=1 b="x \"y\"" c= d e-f=2 =bad`, `- | a=1 app=x b=x "y" e_f=2 level=info user=ann`)
	f(`| logfmt --keep-empty | line_format "-"`, `c= d`, `- | app=x c= d= level=info user=ann`)
	f(`| logfmt --strict | __error__="LogfmtParserErr" | drop __error_details__ | keep a`, `a=1 ="x`, `a=1 ="x | __error__=LogfmtParserErr a=1`)
	f(`| logfmt x="a", q | line_format "-"`, `a=1 b=2`, `- | app=x level=info q= user=ann x=1`)
	f(`| regexp "(?P<m>[A-Z]+) (?P<p>\\S+)"`, `GET /a`, `GET /a | app=x level=info m=GET p=/a user=ann`)
	f(`| pattern "<ip> - <_> [<t>] <rest>"`, `1.1.1.1 - - [now] GET /`, `1.1.1.1 - - [now] GET / | app=x ip=1.1.1.1 level=info rest=GET / t=now user=ann`)
	f(`| unpack`, `{"_entry":"the line","pod":"p1","n":1}`, `the line | app=x level=info pod=p1 user=ann`)
	f(`| json | a >= 250ms`, `{"a":"0.3s"}`, `{"a":"0.3s"} | a=0.3s OWN`)
	f(`| json | a >= 250ms`, `{"a":"0.2s"}`, `dropped`)
	f(`| json | a > 1KB and (b == 2 or c="d")`, `{"a":"2 KiB","b":2}`, `{"a":"2 KiB","b":2} | a=2 KiB app=x b=2 level=info user=ann`)
	f(`| json | a > 1 | drop __error_details__`, `{"a":"x"}`, `{"a":"x"} | __error__=LabelFilterErr a=x OWN`)
	f(`| nothing > 1`, `a`, `dropped`)
	f(`| nothing = ""`, `a`, `a | OWN`)
	f(`| level="info", user=~"a.*"`, `a`, `a | OWN`)
	f(`| user != "ann"`, `a`, `dropped`)
	f(`| json | a = ip("10.0.0.0/8")`, `{"a":"10.2.3.4"}`, `{"a":"10.2.3.4"} | a=10.2.3.4 OWN`)
	f(`| json | a != ip("10.0.0.0/8")`, `{"a":"10.2.3.4"}`, `dropped`)
	f("| line_format `{{.app}} {{__line__ | ToUpper}} {{.missing}}`", `a`, `x A  | OWN`)
	f("| line_format `{{ __timestamp__ | unixEpoch }} {{ date \"2006\" __timestamp__ }}`", `a`, `1700000000 2023 | OWN`)
	f("| line_format `{{ range $q := fromJson __line__ }}<{{ $q }}>{{ end }}`", `[1,"b"]`, `<1><b> | OWN`)
	f("| line_format `{{ alignLeft 3 \"ab\" }}|{{ alignRight 3 \"abcd\" }}|{{ trunc -2 \"abc\" }}|{{ substr 1 2 \"abc\" }}`", `a`, `ab |bcd|bc|b | OWN`)
	f("| line_format `{{ add 1 \"2\" }} {{ divf 1 4 }} {{ round 1.256 2 }} {{ mod 7 4 }} {{ default \"-\" .no }} {{ \"1.5s\" | duration_seconds }} {{ bytes \"1KB\" }}`", `a`, `3 0.25 1.26 3 - 1.5 1000 | OWN`)
	f("| line_format `{{ regexReplaceAll \"(a)\" __line__ \"$1$1\" }} {{ count \"a\" __line__ }} {{ \"a b\" | title }} {{ b64enc \"x\" }} {{ urlencode \"a b\" }}`", `aba`, `aabaa 2 A B eA== a+b | OWN`)
	f("| line_format `{{ div 1 0 }}` | drop __error_details__", `a`, `a | __error__=TemplateFormatErr OWN`)
	f("| line_format `{{ range 1000000000 }}{{ end }}` | drop __error_details__", `a`, `a | __error__=TemplateFormatErr OWN`)
	f("| line_format `{{ repeat 1000000000 \"x\" }}` | drop __error_details__", `a`, `a | __error__=TemplateFormatErr OWN`)
	f("| label_format who=user, big=`{{.app | upper}}`", `a`, `a | app=x big=X level=info who=ann`)
	f(`| decolorize`, "\x1b[31mred\x1b[0m", `red | OWN`)
	f(`| drop app, level="info", user="bob"`, `a`, `a | user=ann`)
	f(`| keep app, user="ann"`, `a`, `a | app=x user=ann`)
}

// memory is a source of records in memory that cannot count.
type memory struct{ entries []Entry }

func (m *memory) add(ns int64, line string, labels ...string) {
	s := &Stream{}
	for i := 0; i < len(labels); i += 2 {
		s.Labels = append(s.Labels, Label{labels[i], labels[i+1]})
	}
	m.entries = append(m.entries, Entry{TimeNS: ns, Line: line, Stream: s})
}

func TestHints(t *testing.T) {
	f := func(q string, lines, labels int, exact bool) {
		t.Helper()
		e, err := ParseLog(q)
		if err != nil {
			t.Fatal(err)
		}
		h := e.Hints()
		if len(h.Lines) != lines || len(h.Labels) != labels || h.Exact != exact {
			t.Errorf("%s: %d lines, %d labels, exact %v", q, len(h.Lines), len(h.Labels), h.Exact)
		}
	}
	f(`{a="b"}`, 0, 0, true)
	f(`{a="b"} |= "x" !~ "y"`, 2, 0, true)
	f(`{a="b"} |= ""`, 1, 0, false)
	f(`{a="b"} |= ip("1.1.1.1")`, 1, 0, false)
	f(`{a="b"} | level="x" |= "y"`, 1, 1, false)
	f(`{a="b"} | json | level="x" |= "y"`, 1, 0, false)
	f(`{a="b"} | line_format "x" |= "y"`, 0, 0, false)
}

func BenchmarkPipelineJSON(b *testing.B) {
	line := `{"ts":"2026-11-25T02:51:27.254618239Z","level":"error","service":"shipping","msg":"retrying request","trace_id":"b6f88568c1fabe79d370ab0ca03effe7","span_id":"8ddf3ac8dc0695b5","user_id":93,"order_id":"ord_f9c1896c","duration_ms":12.5}`
	for _, q := range []string{`| json | user_id > 90`, `| logfmt | level="x"`, `|= "retrying" |~ "ord_[0-9a-f]+"`} {
		b.Run(fmt.Sprintf("%.9s", q), func(b *testing.B) {
			e, err := ParseLog(`{a="b"} ` + q)
			if err != nil {
				b.Fatal(err)
			}
			p := NewPipeline(e)
			in := &Entry{Line: line, Stream: &Stream{Labels: []Label{{"a", "b"}}}}
			b.ReportAllocs()
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				p.Run(in)
			}
		})
	}
}
