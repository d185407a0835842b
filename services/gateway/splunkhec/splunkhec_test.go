package splunkhec

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
	"github.com/faultline-io/faultline/services/internal/errs"
)

func TestEvents(t *testing.T) {
	core, kept := intaketest.Keep(t)
	r := New(core)
	err := r.Events(context.Background(), intaketest.Request(core), []byte(`{"time":1764042000.123,"host":"h1","source":"/var/log/x","sourcetype":"nginx","index":"main","event":"text ERROR","fields":{"env":"prod"}}{"event":{"message":"inner","level":"warn","service":"shop"},"time":"1764042001"}
	[{"event":"third"},{"event":{"a":1}}]`))
	if err != nil {
		t.Fatal(err)
	}
	rows := kept.Rows()
	now := intaketest.Now().UnixNano()
	want := []intaketest.Row{
		{Body: "text ERROR", Service: "nginx", Host: "h1", TimeNS: 1764042000123000000, Severity: 17, Attrs: map[string]string{"splunk.source": "/var/log/x"},
			Res: map[string]string{"host.name": "h1", "service.name": "nginx", "splunk.sourcetype": "nginx", "splunk.index": "main", "deployment.environment.name": "prod"}},
		{Body: "inner", Service: "shop", TimeNS: 1764042001e9, Severity: 13, Attrs: map[string]string{}, Res: map[string]string{"service.name": "shop"}},
		{Body: "third", TimeNS: now, Attrs: map[string]string{}, Res: map[string]string{}},
		{Body: `{"a":1}`, TimeNS: now, Attrs: map[string]string{"a": "1"}, Res: map[string]string{}},
	}
	if d := cmp.Diff(want, rows); d != "" {
		t.Error(d)
	}
}

func TestMetrics(t *testing.T) {
	core, kept := intaketest.Keep(t)
	err := New(core).Events(context.Background(), intaketest.Request(core), []byte(`{"time":1764042000,"event":"metric","host":"h","fields":{"metric_name:cpu.user":1.5,"metric_name:cpu.sys":"2","region":"eu"}}
{"event":"metric","fields":{"metric_name":"mem.free","_value":3}}`))
	if err != nil || kept.Items != 3 {
		t.Errorf("%v, %d samples", err, kept.Items)
	}
}

func TestProblems(t *testing.T) {
	for body, want := range map[string]Problem{
		"": {CodeNoData, 0, "No data"}, "nonsense": {CodeInvalidFormat, 0, "Invalid data format"}, `{"event":"a"}{"event":`: {CodeInvalidFormat, 1, "Invalid data format"},
		`{"event":"a"}{"host":"x"}`: {CodeEventRequired, 1, "Event field is required"}, `{"event":""}`: {CodeEventBlank, 0, "Event field cannot be blank"}, `3`: {CodeInvalidFormat, 0, "Invalid data format"},
		`{"event":"metric","fields":{"a":1}}`: {CodeInvalidFormat, 0, "Invalid data format"},
	} {
		core, kept := intaketest.Keep(t)
		err := New(core).Events(context.Background(), intaketest.Request(core), []byte(body))
		var p *Problem
		if !errors.As(err, &p) || *p != want || errs.KindOf(err) != errs.Invalid || len(kept.Rows()) != want.Event {
			t.Errorf("%q: %v, %d rows, want %+v", body, err, len(kept.Rows()), want)
		}
	}
}

func TestRaw(t *testing.T) {
	core, kept := intaketest.Keep(t)
	if err := New(core).Raw(context.Background(), intaketest.Request(core), []byte("one\r\n\n{\"two\":2}\n"), Meta{Host: "h", Sourcetype: "st", Time: "1764042000"}); err != nil {
		t.Fatal(err)
	}
	rows := kept.Rows()
	if len(rows) != 2 || rows[0].Body != "one" || rows[1].Body != `{"two":2}` || rows[0].Host != "h" || rows[0].TimeNS != 1764042000e9 {
		t.Errorf("%+v", rows)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte(`{"time":1,"event":"metric","fields":{"metric_name:a":1,"_value":2}}{"event":{"a":{"b":null}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		core, _ := intaketest.Core(t)
		if err := New(core).Events(context.Background(), intaketest.Request(core), b); err != nil && errs.KindOf(err) != errs.Invalid {
			t.Fatal(err)
		}
	})
}

func BenchmarkEvents(b *testing.B) {
	body := []byte(strings.Repeat(`{"time":1764042000.123,"host":"h1","source":"/var/log/x","sourcetype":"nginx","event":"GET /api/v1/orders/1 from 10.0.0.1 took 12.5 ms, status 200"}`, 1000))
	core, _ := intaketest.Core(b)
	r := New(core)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for range b.N {
		if err := r.Events(context.Background(), intaketest.Request(core), body); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
