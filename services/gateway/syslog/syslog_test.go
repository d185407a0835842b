package syslog

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
)

var now = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func show(m *Message) string {
	at := "-"
	if m.TimeNS != 0 {
		at = time.Unix(0, m.TimeNS).UTC().Format("2006-01-02T15:04:05.999")
	}
	s := fmt.Sprintf("%d.%d %s host=%s app=%s pid=%s id=%s |%s|", m.Facility, m.Severity, at, m.Host, m.App, m.ProcID, m.MsgID, m.Body)
	for _, p := range m.Params {
		s += fmt.Sprintf(" %s.%s=%s", p.ID, p.Name, Unescape(nil, p.Value))
	}
	return s
}

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		// RFC 5424, with its own examples.
		"<34>1 2026-02-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' failed for lonvick on /dev/pts/8":       "4.2 2026-02-11T22:14:15.003 host=mymachine.example.com app=su pid= id=ID47 |'su root' failed for lonvick on /dev/pts/8|",
		`<165>1 2026-02-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.`:                           "20.5 2026-02-24T12:14:15 host=192.0.2.1 app=myproc pid=8710 id= |%% It's time to make the do-nuts.|",
		`<165>1 2026-02-11T22:14:15.003Z h evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="App \"x\" \\ \]"][b c="d"] An event`: `20.5 2026-02-11T22:14:15.003 host=h app=evntslog pid= id=ID47 |An event| exampleSDID@32473.iut=3 exampleSDID@32473.eventSource=App "x" \ ] b.c=d`,
		`<165>1 2026-02-11T22:14:15.003Z h a - - [x@1 a="b"]`:                                                                           "20.5 2026-02-11T22:14:15.003 host=h app=a pid= id= || x@1.a=b",
		`<165>1 - h a - - -  two spaces`:                                "20.5 - host=h app=a pid= id= |two spaces|",
		`<165>1 - - - - - -`:                                            "20.5 - host= app= pid= id= ||",
		`<165>1 2026-02-11T22:14:15Z h a p m no structured data`:        "20.5 2026-02-11T22:14:15 host=h app=a pid=p id=m |no structured data|",
		`<165>1 2026-02-11T22:14:15Z h a p m [not closed`:               "20.5 2026-02-11T22:14:15 host=h app=a pid=p id=m |[not closed|",
		`<134>1 1772400000.774 MX84 flows allow src=10.0.0.1 mac=00:11`: "16.6 2026-03-01T21:20:00.774 host=MX84 app=flows pid=allow id=src=10.0.0.1 |mac=00:11|",
		"<13>1 2026-02-11T22:14:15Z h a - - - two\nlines\n":             "1.5 2026-02-11T22:14:15 host=h app=a pid= id= |two\nlines|",
		// RFC 3164 as it is written.
		`<34>Feb 11 22:14:15 mymachine su: 'su root' failed`:                   "4.2 2026-02-11T22:14:15 host=mymachine app=su pid= id= |'su root' failed|",
		`<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!`:                           "1.5 2026-02-05T17:32:18 host=10.0.0.99 app= pid= id= |Use the BFG!|",
		`<30>Mar  2 11:59:59 web1 systemd[1]: Started Session 3 of user root.`: "3.6 2026-03-02T11:59:59 host=web1 app=systemd pid=1 id= |Started Session 3 of user root.|",
		`<30>Mar  2 11:59:59 systemd[1]: no host`:                              "3.6 2026-03-02T11:59:59 host= app=systemd pid=1 id= |no host|",
		`<30>Mar  2 11:59:59 web1 nginx: {"a": "b: c"}`:                        `3.6 2026-03-02T11:59:59 host=web1 app=nginx pid= id= |{"a": "b: c"}|`,
		`<13>2026-03-02T11:00:00.5+01:00 web1 app[12]: iso`:                    "1.5 2026-03-02T10:00:00.5 host=web1 app=app pid=12 id= |iso|",
		`<13>2026-03-02 11:00:00 web1 app: space`:                              "1.5 2026-03-02T11:00:00 host=web1 app=app pid= id= |space|",
		// The year is the one that fits best, and a clock that is ahead without a zone is not believed.
		`<13>Dec 31 23:59:59 h a: last year`:       "1.5 2025-12-31T23:59:59 host=h app=a pid= id= |last year|",
		`<13>Mar  2 14:00:00 h a: two hours ahead`: "1.5 - host=h app=a pid= id= |two hours ahead|",
		`<13>Mar  2 12:59:00 CET h a: zone`:        "1.5 2026-03-02T11:59:00 host=h app=a pid= id= |zone|",
		`<13>Mar  2 13:59:00 +0200 h a: zone`:      "1.5 2026-03-02T11:59:00 host=h app=a pid= id= |zone|",
		`<13>Mar 02 2024 10:00:00 h a: year first`: "1.5 2024-03-02T10:00:00 host=h app=a pid= id= |year first|",
		`<13>Mar  2 10:00:00 2024 h a: year last`:  "1.5 2024-03-02T10:00:00 host=h app=a pid= id= |year last|",
		`<13>Mar  2 10:00:00.123456 h a: fraction`: "1.5 2026-03-02T10:00:00.123 host=h app=a pid= id= |fraction|",
		// Cisco.
		`<189>29: *Mar  1 18:48:50.483 UTC: %SYS-5-CONFIG_I: Configured from console by vty2`: "23.5 2026-03-01T18:48:50.483 host= app=SYS pid= id=SYS-5-CONFIG_I |%SYS-5-CONFIG_I: Configured from console by vty2|",
		`<189>000019: router1: Mar  1 18:48:50.483: %LINK-3-UPDOWN: Interface Gi0/1, down`:    "23.5 2026-03-01T18:48:50.483 host=router1 app=LINK pid= id=LINK-3-UPDOWN |%LINK-3-UPDOWN: Interface Gi0/1, down|",
		`<166>Mar 01 2026 10:00:00 asa1 : %ASA-6-302013: Built outbound TCP`:                  "20.6 2026-03-01T10:00:00 host=asa1 app=ASA pid= id=ASA-6-302013 |%ASA-6-302013: Built outbound TCP|",
		`<166>%ASA-6-302014: Teardown`: "20.6 - host= app=ASA pid= id=ASA-6-302014 |%ASA-6-302014: Teardown|",
		// Next to nothing.
		`<13>hello world`:        "1.5 - host= app= pid= id= |hello world|",
		`<13>app: hello`:         "1.5 - host= app=app pid= id= |hello|",
		`hello`:                  "-1.-1 - host= app= pid= id= |hello|",
		`<999>x`:                 "-1.-1 - host= app= pid= id= |<999>x|",
		`<13>`:                   "1.5 - host= app= pid= id= ||",
		`<13>http://x/y is down`: "1.5 - host= app= pid= id= |http://x/y is down|",
		`Mar  2 11:59:59 web1 sshd[1]: no priority`:      "-1.-1 2026-03-02T11:59:59 host=web1 app=sshd pid=1 id= |no priority|",
		`<13>Mar  2 11:59:59 h CEF:0|V|P|1|2|name|5|a=b`: "1.5 2026-03-02T11:59:59 host=h app= pid= id= |CEF:0|V|P|1|2|name|5|a=b|",
	} {
		var p Parser
		if got := show(p.Parse([]byte(in), now)); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

func TestZone(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no zones on this machine: ", err)
	}
	p := Parser{Zone: zone}
	for _, in := range []string{`<13>Mar  2 12:30:00 h a: x`, `<13>2026-03-02T12:30:00 h a: x`} {
		if got := time.Unix(0, p.Parse([]byte(in), now).TimeNS).UTC(); got.Hour() != 11 || got.Minute() != 30 {
			t.Errorf("%s: %s", in, got)
		}
	}
}

func TestStream(t *testing.T) {
	counted := func(s string) string { return fmt.Sprintf("%d %s", len(s), s) }
	long := "<13>" + strings.Repeat("x", 500)
	for _, c := range []struct {
		in   string
		want []string
	}{
		{"<13>a\n<13>b\n<13>c", []string{"<13>a", "<13>b", "<13>c"}},
		{counted("<13>a\nb") + counted("<13>c"), []string{"<13>a\nb", "<13>c"}},
		{counted("<13>a") + "<13>b\n" + counted("<13>c"), []string{"<13>a", "<13>b", "<13>c"}},
		{counted(long) + counted("<13>c"), []string{long[:96], "<13>c"}},
		{long + "\n" + counted("<13>c"), []string{long[:100], "<13>c"}},
		{"2026-03-02 no priority\n12 monkeys\n", []string{"2026-03-02 no priority", "12 monkeys"}},
		{"10 <13>short", []string{"<13>short"}},
		{"99999999999 <13>x\n", []string{"99999999999 <13>x"}},
		{"7", []string{"7"}}, {"", nil},
	} {
		for name, src := range map[string]io.Reader{"whole": strings.NewReader(c.in), "bytes": iotest.OneByteReader(strings.NewReader(c.in))} {
			s := NewStream(src, 100, nil)
			var got []string
			for {
				m, err := s.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(m))
			}
			if strings.Join(got, "¦") != strings.Join(c.want, "¦") {
				t.Errorf("%s %q: %q, want %q", name, c.in, got, c.want)
			}
		}
	}
}

func TestDecoder(t *testing.T) {
	core, kept := intaketest.Keep(t)
	d := NewDecoder(core, intaketest.Request(core), time.UTC)
	defer d.Close()
	from := netip.MustParseAddr("10.1.2.3")
	for _, m := range []string{`<34>1 2026-12-11T22:14:15Z web1 su 77 ID47 [a@1 user="kim" trace_id="x"] failed`, `<14>hello ERROR`, ``, `<13>`} {
		if err := d.Message(context.Background(), []byte(m), from); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	rows := kept.Rows()
	if len(rows) != 2 {
		t.Fatalf("%+v", rows)
	}
	r := rows[0]
	if r.Service != "su" || r.Host != "web1" || r.Severity != 21 || r.Body != "failed" || r.Attrs["syslog.facility"] != "auth" || r.Attrs["process.pid"] != "77" || r.Attrs["syslog.msgid"] != "ID47" || r.Attrs["a@1.user"] != "kim" {
		t.Errorf("%+v", r)
	}
	if r := rows[1]; r.Host != "10.1.2.3" || r.Severity != 9 || r.TimeNS != intaketest.Now().UnixNano() {
		t.Errorf("%+v", r)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`<165>1 2026-02-11T22:14:15.003Z h evntslog - ID47 [x@1 iut="3" e="\"x\" \\ \]"][b c="d"] An event`))
	f.Add([]byte(`<189>000019: router1: Mar  1 18:48:50.483 CET: %LINK-3-UPDOWN: Interface Gi0/1, down`))
	f.Add([]byte(`<30>Mar  2 11:59:59 2024 web1 systemd[1]: Started`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := Parser{Zone: time.UTC}
		m := p.Parse(b, now)
		n := len(m.Host) + len(m.App) + len(m.ProcID) + len(m.Body)
		if n > len(b)+len(m.Host) || m.Severity > 7 || m.Facility > 23 {
			t.Fatalf("%q: %s", b, show(m))
		}
		if len(bytes.TrimRight(b, "\r\n\x00 ")) > 0 && bytes.IndexByte(b, '<') != 0 && m.Facility >= 0 && bytes.TrimLeft(b, " \r\n\x00")[0] != '<' {
			t.Fatalf("%q has a priority", b)
		}
	})
}

func FuzzStream(f *testing.F) {
	f.Add([]byte("5 <13>a<13>b\n7 <13>abc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := NewStream(iotest.HalfReader(bytes.NewReader(b)), 64, nil)
		for n := 0; ; n++ {
			m, err := s.Next()
			if err == io.EOF {
				return
			}
			if err != nil || len(m) > 64 || n > len(b)+1 {
				t.Fatalf("%q: %q %v", b, m, err)
			}
		}
	})
}

var benchLines = func() [][]byte {
	var out [][]byte
	for i := range 1000 {
		if i%2 == 0 {
			out = append(out, fmt.Appendf(nil, `<134>1 2026-11-25T03:00:00.%06dZ web%d nginx 1234 - - GET /api/v1/orders/%d from 10.0.0.%d took 12.5 ms, status 200, user agent Mozilla/5.0`, i, i%10, i, i%250))
		} else {
			out = append(out, fmt.Appendf(nil, `<134>Nov 25 03:00:00 web%d nginx[1234]: GET /api/v1/orders/%d from 10.0.0.%d took 12.5 ms, status 200, user agent Mozilla/5.0`, i%10, i, i%250))
		}
	}
	return out
}()

func BenchmarkParse(b *testing.B) {
	p := Parser{Zone: time.UTC}
	b.ReportAllocs()
	for i := range b.N {
		if m := p.Parse(benchLines[i%1000], now); m.App == nil {
			b.Fatal("no app")
		}
	}
}

func BenchmarkStream(b *testing.B) {
	body := append(bytes.Join(benchLines, []byte{'\n'}), '\n')
	core, _ := intaketest.Core(b)
	from := netip.MustParseAddr("10.1.2.3")
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for range b.N {
		s := NewStream(bytes.NewReader(body), 256<<10, nil)
		d := NewDecoder(core, intaketest.Request(core), time.UTC)
		for {
			m, err := s.Next()
			if err == io.EOF {
				break
			}
			if err := d.Message(context.Background(), m, from); err != nil {
				b.Fatal(err)
			}
		}
		if err := d.Flush(context.Background()); err != nil {
			b.Fatal(err)
		}
		d.Close()
	}
	b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
