package bus

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"

	telemetryv1 "github.com/faultline-io/faultline/proto/gen/faultline/telemetry/v1"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

func fullLogs() *model.Logs {
	id16, id8 := strings.Repeat("\x01\xff", 8), strings.Repeat("\x02\xfe", 4)
	return &model.Logs{
		Resources: []model.Resource{
			{ID: 1, Attributes: []model.Label{{Name: "service.name", Value: "checkout"}, {Name: "empty", Value: ""}}, Service: "checkout", Host: "h1"},
			{ID: 2},
		},
		ResourceIdx: []uint32{0, 1, 0}, TimesNS: []int64{1795132800000000001, 5, -7}, ObservedNS: []int64{0, 9, -7},
		Severity: []uint8{9, 0, 24}, ShapeHash: []uint64{1, 1 << 63, 3}, Bodies: []string{"", "two\xffbytes", "third"},
		Attributes: [][]model.Label{{{Name: "a", Value: "1"}, {Name: "b", Value: ""}}, nil, {{Name: "a", Value: "1"}}},
		TraceIDs:   []string{id16, "", id16}, SpanIDs: []string{"", id8, id8},
	}
}

// genLogs returns n lines such as web servers and services write.
func genLogs(n int, attributes bool) *model.Logs {
	r := rand.New(rand.NewSource(3))
	l := &model.Logs{Resources: []model.Resource{{ID: 1, Service: "nginx", Host: "h"}, {ID: 2, Service: "checkout", Host: "h"}}}
	t := int64(1795132800000000000)
	for i := range n {
		t += r.Int63n(4e6)
		body := fmt.Sprintf(`10.0.%d.%d - - [20/Nov/2026:10:00:00 +0000] "GET /api/v1/orders/%d HTTP/1.1" 200 %d "-" "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0" rt=%.3f`, r.Intn(255), r.Intn(255), r.Intn(1e6), r.Intn(60000), r.ExpFloat64())
		if i%2 == 1 {
			body = fmt.Sprintf(`{"ts":"2026-11-20T10:00:00.%09dZ","level":"info","msg":"order placed","trace_id":"%016x%016x","user_id":%d,"duration_ms":%.2f,"http":{"method":"POST","status":200}}`, r.Intn(1e9), r.Uint64(), r.Uint64(), r.Intn(1e6), r.ExpFloat64()*40)
		}
		l.ResourceIdx = append(l.ResourceIdx, uint32(i%2))
		l.TimesNS = append(l.TimesNS, t)
		l.ObservedNS = append(l.ObservedNS, t+1e6)
		l.Severity = append(l.Severity, 9)
		l.ShapeHash = append(l.ShapeHash, uint64(i%2+1))
		l.Bodies = append(l.Bodies, body)
		if attributes {
			l.Attributes = append(l.Attributes, []model.Label{
				{Name: "http.request.method", Value: "GET"}, {Name: "http.response.status_code", Value: "200"},
				{Name: "url.path", Value: fmt.Sprintf("/api/v1/orders/%d", r.Intn(1e6))}, {Name: "thread.id", Value: fmt.Sprint(r.Intn(200))},
			})
		}
	}
	return l
}

func TestLogsRoundTrip(t *testing.T) {
	f := func(name string, in *model.Logs) {
		t.Helper()
		data, err := EncodeLogs(in)
		if err != nil {
			t.Fatalf("%s: encode: %v", name, err)
		}
		out := &model.Logs{Header: in.Header}
		for range 2 { // the second time into used columns
			if err := DecodeLogs(data, out); err != nil {
				t.Fatalf("%s: decode: %v", name, err)
			}
			if d := cmp.Diff(in, out, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("%s: round trip differs (-in +out):\n%s", name, d)
			}
		}
	}
	f("empty", &model.Logs{})
	f("full", fullLogs())
	f("large", genLogs(3000, true))
}

func TestLogsIsTheProtoItClaims(t *testing.T) {
	in := fullLogs()
	in.Attributes[2][0].Value = "not\xffutf8"
	data, err := EncodeLogs(in)
	if err != nil {
		t.Fatal(err)
	}
	body, err := open(data)
	if err != nil {
		t.Fatal(err)
	}
	var p telemetryv1.LogsBatch
	if err := proto.Unmarshal(body, &p); err != nil {
		t.Fatal(err)
	}
	if len(p.ProtoReflect().GetUnknown()) != 0 || len(p.Resources) != 2 || p.Resources[0].Attributes[0].Value != "checkout" ||
		p.TimeDeltasNs[0] != in.TimesNS[0] || string(p.Bodies) != strings.Join(in.Bodies, "") {
		t.Errorf("hand-written columns do not read as the message: %v", &p)
	}
	again, err := proto.Marshal(&p)
	if err != nil {
		t.Fatal(err)
	}
	var out model.Logs
	if err := DecodeLogs(seal(nil, again), &out); err != nil {
		t.Fatalf("the generated code's bytes are refused: %v", err)
	}
	in.Attributes[2][0].Value = "not\uFFFDutf8"
	if d := cmp.Diff(in, &out, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("round trip over the generated code differs:\n%s", d)
	}
}

func TestLogsRefusesColumnsThatDoNotFit(t *testing.T) {
	for name, change := range map[string]func(*model.Logs){
		"resource":  func(l *model.Logs) { l.ResourceIdx[1] = 2 },
		"severity":  func(l *model.Logs) { l.Severity = l.Severity[:2] },
		"bodies":    func(l *model.Logs) { l.Bodies = append(l.Bodies, "x") },
		"observed":  func(l *model.Logs) { l.ObservedNS = l.ObservedNS[:1] },
		"trace id":  func(l *model.Logs) { l.TraceIDs[1] = "short" },
		"attribute": func(l *model.Logs) { l.Attributes = l.Attributes[:1] },
	} {
		l := fullLogs()
		change(l)
		if _, err := EncodeLogs(l); errs.KindOf(err) != errs.Invalid {
			t.Errorf("%s: got %v, want invalid", name, err)
		}
	}
}

func TestDecodeLogsRefuses(t *testing.T) {
	f := func(name string, p *telemetryv1.LogsBatch) {
		t.Helper()
		body, err := proto.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := DecodeLogs(seal(nil, body), &model.Logs{}); errs.KindOf(err) != errs.Invalid {
			t.Errorf("%s: got %v, want invalid", name, err)
		}
	}
	one := func(change func(*telemetryv1.LogsBatch)) *telemetryv1.LogsBatch {
		p := &telemetryv1.LogsBatch{
			Resources: []*telemetryv1.Resource{{Id: 1}}, ResourceIdx: []uint32{0}, TimeDeltasNs: []int64{1}, Severities: []byte{1},
			ShapeHashes: []uint64{1}, Bodies: []byte("b"), BodyLengths: []uint32{1},
		}
		change(p)
		return p
	}
	f("resource", one(func(p *telemetryv1.LogsBatch) { p.ResourceIdx[0] = 1 }))
	f("body too long", one(func(p *telemetryv1.LogsBatch) { p.BodyLengths[0] = 2 }))
	f("body left over", one(func(p *telemetryv1.LogsBatch) { p.BodyLengths[0] = 0 }))
	f("attribute string", one(func(p *telemetryv1.LogsBatch) { p.AttributeCounts, p.AttributeRefs = []uint32{1}, []uint32{0, 0} }))
	f("attribute count", one(func(p *telemetryv1.LogsBatch) { p.AttributeCounts = []uint32{1 << 31} }))
	f("half an attribute", one(func(p *telemetryv1.LogsBatch) {
		p.AttributeCounts, p.AttributeRefs, p.AttributeStrings = []uint32{1}, []uint32{0}, []string{"a"}
	}))
	f("trace ids", one(func(p *telemetryv1.LogsBatch) { p.TraceIds = make([]byte, 15) }))
	f("observed", one(func(p *telemetryv1.LogsBatch) { p.ObservedOffsetsNs = []int64{1, 2} }))
}

func FuzzDecodeLogs(f *testing.F) {
	for _, l := range []*model.Logs{{}, fullLogs(), genLogs(3, true)} {
		data, err := EncodeLogs(l)
		if err != nil {
			f.Fatal(err)
		}
		body, err := open(data)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append([]byte{formatVersion, compressNone}, body...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var l model.Logs
		if err := DecodeLogs(data, &l); err != nil {
			if errs.KindOf(err) != errs.Invalid {
				t.Fatalf("kind of %v", err)
			}
			return
		}
		again, err := EncodeLogs(&l)
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		var out model.Logs
		if err := DecodeLogs(again, &out); err != nil || out.Len() != l.Len() {
			t.Fatalf("second round: %v", err)
		}
	})
}

func BenchmarkEncodeLogs(b *testing.B) {
	for _, attributes := range []bool{false, true} {
		b.Run(fmt.Sprintf("attributes_%v", attributes), func(b *testing.B) {
			l := genLogs(4000, attributes)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := EncodeLogs(l); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(l.Len()), "ns/line")
		})
	}
}

func BenchmarkDecodeLogs(b *testing.B) {
	for _, attributes := range []bool{false, true} {
		b.Run(fmt.Sprintf("attributes_%v", attributes), func(b *testing.B) {
			data, err := EncodeLogs(genLogs(4000, attributes))
			if err != nil {
				b.Fatal(err)
			}
			var l model.Logs
			b.ReportAllocs()
			for b.Loop() {
				if err := DecodeLogs(data, &l); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(l.Len()), "ns/line")
		})
	}
}

// BenchmarkLogCompression compares the two compressions on a body; the envelope's choice rests on it.
func BenchmarkLogCompression(b *testing.B) {
	data, err := EncodeLogs(genLogs(4000, false))
	if err != nil {
		b.Fatal(err)
	}
	body, err := open(data)
	if err != nil {
		b.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		b.Fatal(err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		b.Fatal(err)
	}
	f := func(name string, pack func(dst []byte) []byte, unpack func(dst, packed []byte)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			var packed, out []byte
			out = make([]byte, 0, len(body))
			for b.Loop() {
				packed = pack(packed[:0])
				unpack(out, packed)
			}
			b.ReportMetric(float64(len(body))/float64(len(packed)), "ratio")
		})
	}
	f("s2", func(dst []byte) []byte { return s2.Encode(dst[:cap(dst)], body) }, func(dst, p []byte) {
		if _, err := s2.Decode(dst[:cap(dst)], p); err != nil {
			b.Fatal(err)
		}
	})
	f("zstd", func(dst []byte) []byte { return enc.EncodeAll(body, dst) }, func(dst, p []byte) {
		if _, err := dec.DecodeAll(p, dst); err != nil {
			b.Fatal(err)
		}
	})
}
