package graphite

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
)

func TestNumeric(t *testing.T) {
	for s, want := range map[string]bool{"1": true, "-1.5": true, "1e5": true, "1.5E-3": true, "+2": true, ".5": true, "": false, "-": false, "e5": false, "1e": false, "nan": false, "1.2.3": false, "1-2": false, "0x1": false} {
		if numeric([]byte(s)) != want {
			t.Errorf("%q: want %v", s, want)
		}
	}
}

func FuzzWrite(f *testing.F) {
	f.Add("servers.web-1.load 1.5 1800000000\nx;a=b;c=d 2 -1\r\n")
	f.Add("a 1\nb 1e5 1800000000.5\n;x 1 1\n")
	f.Fuzz(func(t *testing.T, body string) {
		core, sink := intaketest.Core(t)
		req := intaketest.Request(core)
		if err := New(core).Write(context.Background(), req, []byte(body)); err != nil {
			t.Fatal(err)
		}
		if sink.Items != req.Accepted() || req.Accepted()+req.Rejected() > strings.Count(body, "\n")+1 {
			t.Fatalf("%d published, %d accepted, %d refused", sink.Items, req.Accepted(), req.Rejected())
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	core, _ := intaketest.Core(b)
	r := New(core)
	var s strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&s, "servers.web-%d.cpu.%d.user %d.5 1800000000\n", i/8, i%8, i)
	}
	body := []byte(s.String())
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	n := 0
	for range b.N {
		req := intaketest.Request(core)
		if err := r.Write(context.Background(), req, body); err != nil {
			b.Fatal(err)
		}
		n += req.Accepted()
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "samples/s")
}
