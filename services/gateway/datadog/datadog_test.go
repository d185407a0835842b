package datadog

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
	"github.com/faultline-io/faultline/services/gateway/totals"
	"github.com/faultline-io/faultline/services/internal/errs"
)

func bytesField(dst []byte, n protowire.Number, b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, n, protowire.BytesType), b)
}

// payload is what the agent sends: n series of one point each.
func payload(n, kind int) []byte {
	var out []byte
	for i := range n {
		var s []byte
		s = bytesField(s, 1, bytesField(bytesField(nil, 1, []byte("host")), 2, fmt.Appendf(nil, "web-%d", i/50)))
		s = bytesField(s, 2, fmt.Appendf(nil, "system.net.bytes_%d", i%50))
		for _, t := range []string{"device:eth0", "env:prod", "region:eu-west-1", "role:web"} {
			s = bytesField(s, 3, []byte(t))
		}
		p := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), math.Float64bits(float64(i)))
		p = protowire.AppendVarint(protowire.AppendTag(p, 2, protowire.VarintType), 1_800_000_000)
		s = bytesField(s, 4, p)
		s = protowire.AppendVarint(protowire.AppendTag(s, 5, protowire.VarintType), uint64(kind))
		out = bytesField(out, 1, s)
	}
	return out
}

func sketchPayload(values map[int64]uint64, sum float64, sec uint64) []byte {
	var ks, ns []byte
	for k, n := range values {
		ks = binary.AppendUvarint(ks, protowire.EncodeZigZag(k))
		ns = binary.AppendUvarint(ns, n)
	}
	d := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), sec)
	d = protowire.AppendFixed64(protowire.AppendTag(d, 6, protowire.Fixed64Type), math.Float64bits(sum))
	d = bytesField(bytesField(d, 7, ks), 8, ns)
	s := bytesField(bytesField(bytesField(bytesField(nil, 1, []byte("request.duration")), 2, []byte("web-1")), 4, []byte("env:prod")), 7, d)
	return bytesField(nil, 1, s)
}

// keyOf is the agent's own way from a value to its bin, to check ours back.
func keyOf(v float64) int64 {
	return int64(math.RoundToEven(math.Log(v)/sketchLogGamma)) + int64(sketchBias)
}

func TestBinValue(t *testing.T) {
	for _, v := range []float64{1e-8, 0.001, 1, 42, 1e9} {
		if got := binValue(keyOf(v)); math.Abs(got/v-1) > 1.1*sketchEps {
			t.Errorf("%v comes back as %v", v, got)
		}
		if binValue(-keyOf(v)) != -binValue(keyOf(v)) {
			t.Errorf("-%v is not the mirror of %v", v, v)
		}
	}
}

// Whatever the bytes, the answer is good or Invalid, and what was accepted can be encoded.
func FuzzPayloads(f *testing.F) {
	f.Add(payload(3, kindCount))
	f.Add(sketchPayload(map[int64]uint64{0: 1, 1338: 5, -1400: 2, 32767: 1}, 12, 1_800_000_000))
	f.Add([]byte(`{"series":[{"metric":"a.b","type":"count","points":[[1800000000,1],[1800000001,2]],"host":"h","tags":["a:b","c"]}]}`))
	f.Add([]byte(`{"series":[{"metric":"a.b","type":3,"points":[{"timestamp":1800000000,"value":1}],"resources":[{"name":"h","type":"host"}]}]}`))
	f.Add([]byte(`[{"check":"app.ok","host_name":"h","timestamp":1800000000,"status":1,"tags":["a:b"]}]`))
	f.Add([]byte(`{"internalHostname":"h","events":{"api":[{"msg_title":"t","msg_text":"x","timestamp":1800000000}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		core, sink := intaketest.Core(t)
		r := New(core)
		for _, take := range []func(context.Context, *intake.Request, []byte) error{r.SeriesV1, r.SeriesV2JSON, r.SeriesV2, r.Sketches, r.Checks, r.APIEvent, r.Intake} {
			before := sink.Items
			req := intaketest.Request(core)
			if err := take(context.Background(), req, body); err != nil && errs.KindOf(err) != errs.Invalid {
				t.Fatalf("error of kind %s: %v", errs.KindOf(err), err)
			}
			if sink.Items-before != req.Accepted() {
				t.Fatalf("%d published, %d accepted", sink.Items-before, req.Accepted())
			}
		}
	})
}

func BenchmarkSeriesV2(b *testing.B) {
	for name, kind := range map[string]int{"gauge": kindGauge, "count": kindCount} {
		b.Run(name, func(b *testing.B) {
			core, _ := intaketest.Core(b)
			r := New(core)
			body := payload(2000, kind)
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			n := 0
			for range b.N {
				req := intaketest.Request(core)
				if kind == kindCount { // The same times again would be old differences.
					r.totals = totals.New()
				}
				if err := r.SeriesV2(context.Background(), req, body); err != nil {
					b.Fatal(err)
				}
				n += req.Accepted()
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "samples/s")
		})
	}
}
