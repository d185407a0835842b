package lokipush

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
	"github.com/faultline-io/faultline/services/gateway/pipeline"
	"github.com/faultline-io/faultline/services/internal/errs"
)

func field(dst []byte, n protowire.Number, b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, n, protowire.BytesType), b)
}

func push(lines int) []byte {
	at := protowire.AppendVarint([]byte{0x08}, uint64(intaketest.Now().Unix()))
	s := field(nil, 1, []byte(`{app="shop", env="prod", hostname="web1", level="info"}`))
	for i := range lines {
		line := fmt.Sprintf("GET /api/v1/orders/%d from 10.0.0.%d took 12.5 ms, status 200, user agent Mozilla/5.0 (X11; Linux)", i, i%250)
		s = field(s, 2, field(field(field(nil, 1, at), 2, []byte(line)), 3, field(field(nil, 1, []byte("user")), 2, []byte("42"))))
	}
	return field(nil, 1, s)
}

func fuzz(t *testing.T, body []byte, do func(*Receiver, context.Context, *intake.Request, []byte) error) {
	core, _ := intaketest.Core(t)
	if err := do(New(core), context.Background(), intaketest.Request(core), body); err != nil && errs.KindOf(err) != errs.Invalid {
		t.Fatalf("error of kind %s: %v", errs.KindOf(err), err)
	}
}

func FuzzPush(f *testing.F) {
	f.Add(push(2))
	f.Add(field(nil, 1, field(nil, 1, []byte(`{a="\"", }`))))
	f.Fuzz(func(t *testing.T, body []byte) { fuzz(t, body, (*Receiver).Push) })
}

func FuzzPushJSON(f *testing.F) {
	f.Add([]byte(`{"streams":[{"stream":{"app":"x","level":"warn"},"values":[["1800000000000000000","line",{"trace_id":"` + strings.Repeat("1a", 16) + `","n":1}]]}]}`))
	f.Add([]byte(`{"streams":[{"stream":null,"values":[[1e9,"line"]]}]}`))
	f.Add([]byte(`{"streams":[{"stream":{},"values":{}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) { fuzz(t, body, (*Receiver).PushJSON) })
}

func FuzzParseLabels(f *testing.F) {
	for _, s := range []string{`{}`, `{a="b"}`, `{a="b", c="d\n"}`, "{a=`raw`}", `{a="b",}`, `{a='b'}`, `{="b"}`, `{a="b" c="d"}`, `a="b"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		labels, err := parseLabels(s)
		if err != nil {
			return
		}
		var b strings.Builder
		for i, l := range labels {
			if l.Name == "" || l.Value == "" {
				t.Fatalf("%q gives %v", s, labels)
			}
			if i > 0 {
				b.WriteString(",")
			}
			fmt.Fprintf(&b, "%s=%q", l.Name, l.Value)
		}
		if again, err := parseLabels("{" + b.String() + "}"); err != nil || len(again) != len(labels) {
			t.Fatalf("%q gives %v, written %s gives %v %v", s, labels, b.String(), again, err)
		}
	})
}

func TestParseLabels(t *testing.T) {
	for s, want := range map[string]string{
		`{}`: "[]", `{a="b", c="d"}`: "[{a b} {c d}]", ` { a = "b",c="x,y}" , } `: "[{a b} {c x,y}}]", `{a="\"q\""}`: `[{a "q"}]`, `{a=""}`: "[]",
		"": "error", "{": "error", `{a}`: "error", `{a=b}`: "error", `{a="b"x}`: "error", `{="b"}`: "error", `{a="b}`: "error",
	} {
		got := "error"
		if l, err := parseLabels(s); err == nil {
			got = fmt.Sprint(l)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", s, got, want)
		}
	}
}

func BenchmarkPush(b *testing.B) {
	body := push(1000)
	for _, redacting := range []bool{false, true} {
		b.Run(map[bool]string{false: "plain", true: "redacting"}[redacting], func(b *testing.B) {
			core, _ := intaketest.Core(b)
			if redacting {
				h, err := pipeline.NewHolder(pipeline.Deps{Core: core, Metrics: metrics.NewSet()})
				if err != nil {
					b.Fatal(err)
				}
				core.Pipeline = h
			}
			r := New(core)
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			start := cpuTime(b)
			for range b.N {
				if err := r.Push(context.Background(), intaketest.Request(core), body); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
			b.ReportMetric(float64((cpuTime(b)-start).Nanoseconds())/float64(1000*b.N), "cpu-ns/line")
		})
	}
}

// cpuTime returns how long the process has computed: it tells the truth on a machine that does other things as well.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
