package bus

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

func fullSpans() *model.Spans {
	trace, span, parent := strings.Repeat("\x01\xfe", 8), strings.Repeat("\x02", 8), strings.Repeat("\x03", 8)
	return &model.Spans{
		Resources: []model.Resource{{ID: 5, Attributes: []model.Label{{Name: "service.name", Value: "cart"}}, Service: "cart", Host: "h"}},
		Spans: []model.Span{
			{TraceID: trace, SpanID: parent, Name: "GET /cart", Kind: 2, StartNS: 1795132800000000001, DurationNS: 7},
			{TraceID: trace, SpanID: span, ParentSpanID: parent, TraceState: "a=b", Name: "SELECT", Kind: 3, StartNS: 1795132800000000002, DurationNS: 3,
				StatusCode: 2, StatusMessage: "deadlock", ScopeName: "sql", ScopeVersion: "1.2", Attributes: []model.Label{{Name: "db.system", Value: "postgresql"}},
				Events: []model.SpanEvent{{TimeNS: 5, Name: "exception", Attributes: []model.Label{{Name: "exception.type", Value: "X"}}}},
				Links:  []model.SpanLink{{TraceID: trace, SpanID: span, Attributes: []model.Label{{Name: "k", Value: "v"}}}}},
		},
	}
}

func genSpans(n int) *model.Spans {
	s := &model.Spans{Resources: fullSpans().Resources}
	for i := range n {
		sp := fullSpans().Spans[i%2]
		sp.TraceID, sp.SpanID = fmt.Sprintf("%016d", i/8), fmt.Sprintf("%08d", i)
		sp.StartNS += int64(i) * 1000
		s.Spans = append(s.Spans, sp)
	}
	return s
}

func TestSpansRoundTrip(t *testing.T) {
	for _, in := range []*model.Spans{{}, fullSpans(), genSpans(2000)} {
		data, err := EncodeSpans(in)
		if err != nil {
			t.Fatal(err)
		}
		var out model.Spans
		if err := DecodeSpans(data, &out); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(in, &out, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("round trip differs (-in +out):\n%s", d)
		}
	}
}

func TestSpansRefuses(t *testing.T) {
	for name, change := range map[string]func(*model.Spans){
		"resource":  func(s *model.Spans) { s.Spans[0].ResourceIdx = 1 },
		"trace id":  func(s *model.Spans) { s.Spans[0].TraceID = "" },
		"span id":   func(s *model.Spans) { s.Spans[0].SpanID = "short" },
		"parent":    func(s *model.Spans) { s.Spans[1].ParentSpanID = "toolongbyfar" },
		"link":      func(s *model.Spans) { s.Spans[1].Links[0].TraceID = "x" },
		"backwards": func(s *model.Spans) { s.Spans[1].DurationNS = -1 },
	} {
		s := fullSpans()
		change(s)
		if _, err := EncodeSpans(s); errs.KindOf(err) != errs.Invalid {
			t.Errorf("%s: got %v, want invalid", name, err)
		}
	}
}

func FuzzDecodeSpans(f *testing.F) {
	data, err := EncodeSpans(fullSpans())
	if err != nil {
		f.Fatal(err)
	}
	body, err := open(data)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append([]byte{formatVersion, compressNone}, body...))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s model.Spans
		if err := DecodeSpans(data, &s); err != nil {
			if errs.KindOf(err) != errs.Invalid {
				t.Fatalf("kind of %v", err)
			}
			return
		}
		if _, err := EncodeSpans(&s); err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
	})
}

func BenchmarkSpansCodec(b *testing.B) {
	s := genSpans(2000)
	b.ReportAllocs()
	for b.Loop() {
		data, err := EncodeSpans(s)
		if err != nil {
			b.Fatal(err)
		}
		var out model.Spans
		if err := DecodeSpans(data, &out); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(s.Len()), "ns/span")
}
