package influx

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
	"github.com/faultline-io/faultline/services/internal/errs"
)

func TestTime(t *testing.T) {
	core, _ := intaketest.Core(t)
	f := func(precision string, in, want int64) {
		t.Helper()
		w := walk{req: intaketest.Request(core), unit: precisions[precision]}
		if got := w.time(in); got != want {
			t.Errorf("%d %s: got %d, want %d", in, precision, got, want)
		}
	}
	f("", 1795132800, 1795132800000)
	f("", 1795132800123, 1795132800123)
	f("", 1795132800123456, 1795132800123)
	f("", 1795132800123456789, 1795132800123)
	f("ns", 1795132800123456789, 1795132800123)
	f("us", 1795132800123456, 1795132800123)
	f("ms", 1795132800123, 1795132800123)
	f("s", 1795132800, 1795132800000)
	f("m", 29918880, 1795132800000)
	f("h", 498648, 1795132800000)
	f("", 0, intaketest.Now().UnixMilli())
	f("h", 1<<62, 1<<63-1)
}

// Whatever the bytes, nothing panics and what was accepted can be encoded; a body without a broken line is taken twice alike.
func FuzzWrite(f *testing.F) {
	f.Add("cpu,host=a usage_idle=1.5,n=3i,s=\"text\",b=t 1800000000000000000\n", "ns")
	f.Add("a\\ b,c=\\,d e=1\r\n# note\n\n x=2u", "")
	f.Fuzz(func(t *testing.T, body, precision string) {
		core, sink := intaketest.Core(t)
		r := New(core)
		for range 2 {
			req := intaketest.Request(core)
			if _, err := r.Write(context.Background(), req, []byte(body), Options{DB: "telegraf", Precision: precision}); err != nil && errs.KindOf(err) != errs.Invalid {
				t.Fatal(err)
			}
			if sink.Items%max(req.Accepted(), 1) != 0 {
				t.Fatalf("%d published, %d accepted", sink.Items, req.Accepted())
			}
		}
	})
}

// lines is what telegraf's cpu input sends of n CPUs: ten fields each.
func lines(n int) []byte {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "cpu,cpu=cpu%d,host=web-%d,region=eu usage_user=%d.25,usage_system=%d.5,usage_idle=88.2,usage_nice=0,usage_iowait=0.1,usage_irq=0,usage_softirq=0.4,usage_steal=0,usage_guest=0,usage_guest_nice=0 1800000000000000000\n",
			i%64, i/64, i%50, i%30)
	}
	return []byte(b.String())
}

func BenchmarkWrite(b *testing.B) {
	core, _ := intaketest.Core(b)
	r := New(core)
	body := lines(200)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	n := 0
	for range b.N {
		req := intaketest.Request(core)
		if bad, err := r.Write(context.Background(), req, body, Options{}); bad != nil || err != nil {
			b.Fatal(bad, err)
		}
		n += req.Accepted()
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "samples/s")
}
