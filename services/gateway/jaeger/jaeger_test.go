package jaeger

import (
	"context"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/gogo/protobuf/proto"
	jaegermodel "github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	thriftjaeger "github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
	"github.com/faultline-io/faultline/services/gateway/otlp"
	"github.com/faultline-io/faultline/services/internal/errs"
)

func thriftBatch(tb testing.TB, n int) []byte {
	kind, failed := "server", true
	b := &thriftjaeger.Batch{Process: &thriftjaeger.Process{ServiceName: "shop"}}
	for i := range n {
		b.Spans = append(b.Spans, &thriftjaeger.Span{
			TraceIdLow: int64(i/8 + 1), TraceIdHigh: 7, SpanId: int64(i + 1), OperationName: "GET /", StartTime: intaketest.Now().UnixMicro(), Duration: 1500, Flags: 1,
			Tags: []*thriftjaeger.Tag{{Key: "span.kind", VType: thriftjaeger.TagType_STRING, VStr: &kind}, {Key: "error", VType: thriftjaeger.TagType_BOOL, VBool: &failed}},
		})
	}
	out := thrift.NewTMemoryBuffer()
	if err := b.Write(context.Background(), thrift.NewTBinaryProtocolConf(out, nil)); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func protoBatch(tb testing.TB) []byte {
	b, err := proto.Marshal(&api_v2.PostSpansRequest{Batch: jaegermodel.Batch{
		Process: &jaegermodel.Process{ServiceName: "shop"},
		Spans:   []*jaegermodel.Span{{TraceID: jaegermodel.NewTraceID(1, 2), SpanID: 3, OperationName: "x", StartTime: intaketest.Now(), Duration: time.Second}},
	}})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestBatches(t *testing.T) {
	core, sink := intaketest.Core(t)
	r := New(otlp.New(core))
	if err := r.Thrift(t.Context(), intaketest.Request(core), thriftBatch(t, 3)); err != nil || sink.Items != 3 {
		t.Errorf("Thrift: %d spans, %v", sink.Items, err)
	}
	if err := r.Proto(t.Context(), intaketest.Request(core), protoBatch(t)); err != nil || sink.Items != 4 {
		t.Errorf("protobuf: %d spans, %v", sink.Items, err)
	}
	if err := r.Thrift(t.Context(), intaketest.Request(core), make([]byte, maxThrift+1)); errs.KindOf(err) != errs.Invalid {
		t.Errorf("too large: %v", err)
	}
}

func FuzzBatches(f *testing.F) {
	f.Add(thriftBatch(f, 2))
	f.Add(protoBatch(f))
	f.Add([]byte("\x0f\x00\x02\x0c\x7f\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, body []byte) {
		core, sink := intaketest.Core(t)
		r := New(otlp.New(core))
		for _, take := range []func(context.Context, *intake.Request, []byte) error{r.Thrift, r.Proto} {
			before, req := sink.Items, intaketest.Request(core)
			if err := take(context.Background(), req, body); err != nil && errs.KindOf(err) != errs.Invalid {
				t.Fatalf("error of kind %s: %v", errs.KindOf(err), err)
			}
			if sink.Items-before != req.Accepted() {
				t.Fatalf("%d published, %d accepted", sink.Items-before, req.Accepted())
			}
		}
	})
}

func BenchmarkThrift(b *testing.B) {
	core, _ := intaketest.Core(b)
	r := New(otlp.New(core))
	body := thriftBatch(b, 200)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	n := 0
	for range b.N {
		req := intaketest.Request(core)
		if err := r.Thrift(context.Background(), req, body); err != nil {
			b.Fatal(err)
		}
		n += req.Accepted()
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "spans/s")
}
