package jsonline

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/gateway/event"
	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
	"github.com/faultline-io/faultline/services/internal/errs"
)

func free(int64) error { return nil }

func TestAny(t *testing.T) {
	for in, want := range map[string][]string{
		`{"message":"a"}`:                                 {"a"},
		"{\"message\":\"a\"}\n{\"msg\":\"b\"}\n":          {"a", "b"},
		"[{\"message\":\"a\"},{\"message\":\"b\"},\"c\"]": {"a", "b", "c"},
		"\n {\n \"message\": \"a\",\n \"n\": 1\n}\n":      {"a"},
		"{\n\"message\":\"a\"}\n{\"message\":\n\"b\"}":    {"a", "b"},
		"plain\r\ntext {\n{\"message\":\"a\"}\n{broken\n": {"plain", "text {", "a", "{broken"},
		`[]`: nil, "": nil, " \n\n": nil, `{}`: {"{}"},
	} {
		core, kept := intaketest.Keep(t)
		if err := New(core).Any(context.Background(), intaketest.Request(core), iotest.HalfReader(strings.NewReader(in)), event.Options{}, free); err != nil {
			t.Errorf("%q: %v", in, err)
		}
		var got []string
		for _, r := range kept.Rows() {
			got = append(got, r.Body)
		}
		if !cmp.Equal(got, want) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	core, _ := intaketest.Keep(t)
	for _, in := range []string{"[1", "{\n\"a\":", "[{]"} {
		if err := New(core).Any(context.Background(), intaketest.Request(core), strings.NewReader(in), event.Options{}, free); errs.KindOf(err) != errs.Invalid {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestLines(t *testing.T) {
	core, kept := intaketest.Keep(t)
	req := intaketest.Request(core)
	q := url.Values{"_time_field": {"when"}, "_msg_field": {"a.b,c"}, "_stream_fields": {"pod,host"}}
	body := `{"when":"1764042000","a":{"b":"one"},"pod":"p","host":"h"}
{"when":"1764042001","c":"two","pod":"p"}
not json
{"when":"never","c":"three"}
[1]

{"when":"0","c":"four"}`
	if err := New(core).Lines(context.Background(), req, strings.NewReader(body), Options(q, http.Header{}.Get), true, free); err != nil {
		t.Fatal(err)
	}
	rows := kept.Rows()
	if len(rows) != 2 || req.Rejected() != 4 || rows[0].Body != "one" || rows[0].Host != "h" || rows[0].Res["pod"] != "p" || rows[1].TimeNS != 1764042001e9 {
		t.Errorf("%+v, refused %s", rows, req.Reasons())
	}
}

func FuzzAny(f *testing.F) {
	f.Add([]byte("{\"message\":\"a\",\"time\":\"2026-01-01T00:00:00Z\"}\ntext\n"))
	f.Add([]byte("[{\"a\":{\"b\":[1,2]}}]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		core, _ := intaketest.Core(t)
		if err := New(core).Any(context.Background(), intaketest.Request(core), bytes.NewReader(b), event.Options{}, free); err != nil && errs.KindOf(err) != errs.Invalid {
			t.Fatal(err)
		}
	})
}

func BenchmarkLines(b *testing.B) {
	body := strings.Repeat(`{"_time":"2026-11-25T03:00:00.123Z","_msg":"GET /api/v1/orders/1 from 10.0.0.1 took 12.5 ms, status 200","host":"web1","service":"shop","user":"42"}`+"\n", 1000)
	core, _ := intaketest.Core(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for range b.N {
		if err := New(core).Lines(context.Background(), intaketest.Request(core), strings.NewReader(body), event.Options{}, true, free); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
