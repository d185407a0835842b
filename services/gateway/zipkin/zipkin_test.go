package zipkin

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
	"github.com/faultline-io/faultline/services/gateway/otlp"
	"github.com/faultline-io/faultline/services/internal/errs"
)

const span = `{"traceId":"5982fe77008310cc80f1da5e10147517","id":"90394f6bcffb5d%02x","name":"get /api","timestamp":1800000000000000,"duration":1431,"kind":"SERVER","localEndpoint":{"serviceName":"shop","ipv4":"10.0.0.1"},"tags":{"http.status_code":"500","error":"true"},"annotations":[{"timestamp":1800000000000100,"value":"wr"}]}`

func FuzzWrite(f *testing.F) {
	f.Add([]byte("["+fmt.Sprintf(span, 1)+"]"), 0)
	f.Add([]byte(`[null,{},{"traceId":"1","id":"2"}]`), 0)
	f.Add([]byte(`[{"traceId":"1","id":"2","name":"x","annotations":[{"timestamp":1,"value":"sr"}],"binaryAnnotations":[null]}]`), 2)
	f.Add([]byte("\x0a\x10\x0a\x08"), 1)
	f.Add([]byte("\x0c\x00\x00\x00\x01\x0a"), 3)
	f.Fuzz(func(t *testing.T, body []byte, form int) {
		core, sink := intaketest.Core(t)
		req := intaketest.Request(core)
		if err := New(otlp.New(core)).Write(context.Background(), req, Form(form&3), body); err != nil && errs.KindOf(err) != errs.Invalid {
			t.Fatalf("error of kind %s: %v", errs.KindOf(err), err)
		}
		if sink.Items != req.Accepted() {
			t.Fatalf("%d published, %d accepted", sink.Items, req.Accepted())
		}
	})
}

func BenchmarkWriteJSON(b *testing.B) {
	core, _ := intaketest.Core(b)
	r := New(otlp.New(core))
	var spans []string
	for i := range 200 {
		spans = append(spans, fmt.Sprintf(span, i+1))
	}
	body := []byte("[" + strings.Join(spans, ",") + "]")
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	n := 0
	for range b.N {
		req := intaketest.Request(core)
		if err := r.Write(context.Background(), req, JSONv2, body); err != nil {
			b.Fatal(err)
		}
		n += req.Accepted()
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "spans/s")
}
