package gateway

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/faultline-io/faultline/services/internal/logshape"
	"github.com/faultline-io/faultline/services/model"
)

func logsRequest() *collogs.ExportLogsServiceRequest {
	now := uint64(time.Now().UnixNano())
	nested := &commonpb.AnyValue{Value: &commonpb.AnyValue_KvlistValue{KvlistValue: &commonpb.KeyValueList{Values: []*commonpb.KeyValue{
		{Key: "a", Value: integer(1)},
		{Key: "b", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: []*commonpb.AnyValue{
			str("x\"\n"), {Value: &commonpb.AnyValue_BoolValue{BoolValue: true}}, {Value: &commonpb.AnyValue_DoubleValue{DoubleValue: math.Inf(1)}}, {},
		}}}}},
	}}}}
	return &collogs.ExportLogsServiceRequest{ResourceLogs: []*logspb.ResourceLogs{{
		Resource: &resourcepb.Resource{Attributes: attrs("service.name", "shop", "host.name", "web1")},
		ScopeLogs: []*logspb.ScopeLogs{{LogRecords: []*logspb.LogRecord{
			{TimeUnixNano: now, ObservedTimeUnixNano: now + 5, SeverityNumber: 17, Body: str("payment 42 failed"), TraceId: bytesOf(16), SpanId: bytesOf(8), Attributes: append(attrs("k", "v"), &commonpb.KeyValue{Key: "n", Value: integer(7)}), EventName: "pay"},
			{ObservedTimeUnixNano: now, SeverityText: "WARN", Body: nested},
			{TimeUnixNano: now + uint64(time.Hour), Body: str("from the future")},
			{TimeUnixNano: now, Body: str(strings.Repeat("é", 200_000))},
		}}},
	}}}
}

func checkLogs(t *testing.T, x *rig) {
	t.Helper()
	if len(x.rec.logs) != 1 {
		t.Fatalf("%d batches", len(x.rec.logs))
	}
	l := x.rec.logs[0]
	if l.Len() != 3 || len(l.Resources) != 1 || l.Resources[0].Service != "shop" || l.Resources[0].Host != "web1" {
		t.Fatalf("%d records of %+v", l.Len(), l.Resources)
	}
	if l.Bodies[0] != "payment 42 failed" || l.Severity[0] != 17 || l.ShapeHash[0] != logshape.Hash("payment 1 failed") || l.TraceIDs[0] != string(bytesOf(16)) || l.SpanIDs[0] != string(bytesOf(8)) {
		t.Errorf("record 0: %q %d %q", l.Bodies[0], l.Severity[0], l.TraceIDs[0])
	}
	if want := []model.Label{{Name: "k", Value: "v"}, {Name: "n", Value: "7"}, {Name: "event.name", Value: "pay"}}; !cmp.Equal(l.Attributes[0], want) {
		t.Errorf("attributes %v", l.Attributes[0])
	}
	if l.ObservedNS[0] != l.TimesNS[0]+5 {
		t.Errorf("observed %d, time %d", l.ObservedNS[0], l.TimesNS[0])
	}
	if want := `{"a":1,"b":["x\"\n",true,"+Inf",null]}`; l.Bodies[1] != want || l.Severity[1] != 13 || l.TimesNS[1] != l.ObservedNS[1] {
		t.Errorf("record 1: %q %d", l.Bodies[1], l.Severity[1])
	}
	if n := len(l.Bodies[2]); n != 256<<10 || strings.Trim(l.Bodies[2], "é") != "" {
		t.Errorf("long body has %d bytes", n)
	}
	if x.rejected("truncated") != 1 || x.rejected("too_far_in_future") != 1 {
		t.Errorf("counts %v", x.g.Rejections())
	}
}

func TestOTLPLogsGRPC(t *testing.T) {
	x := newRig(t, nil)
	resp, err := collogs.NewLogsServiceClient(dial(t, x.grpc)).Export(context.Background(), logsRequest())
	if err != nil || resp.GetPartialSuccess().GetRejectedLogRecords() != 1 {
		t.Fatalf("%v %v", resp, err)
	}
	checkLogs(t, x)
}

func TestOTLPLogsHTTP(t *testing.T) {
	x := newRig(t, nil)
	body, err := proto.Marshal(logsRequest())
	if err != nil {
		t.Fatal(err)
	}
	code, header, text := post(t, x.url+"/v1/logs", pack(t, "gzip", body), "Content-Type", "application/x-protobuf", "Content-Encoding", "gzip")
	var resp collogs.ExportLogsServiceResponse
	if err := proto.Unmarshal([]byte(text), &resp); err != nil || code != 200 || header.Get("Content-Type") != "application/x-protobuf" || resp.GetPartialSuccess().GetRejectedLogRecords() != 1 {
		t.Fatalf("%d %v %v", code, err, &resp)
	}
	checkLogs(t, x)
}

func TestOTLPLogsJSON(t *testing.T) {
	x := newRig(t, nil)
	now := time.Now().UnixNano()
	body := fmt.Sprintf(`{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeLogs":[{"logRecords":[
		{"timeUnixNano":"%d","severityNumber":9,"body":{"stringValue":"hello"},"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174","attributes":[{"key":"n","value":{"intValue":"7"}}]},
		{"timeUnixNano":%d,"body":{"stringValue":"far"}}]}]}],"unknownField":1}`, now, now+3.6e12)
	code, header, text := post(t, x.http+"/v1/logs", []byte(body), "Content-Type", "application/json; charset=utf-8")
	if code != 200 || header.Get("Content-Type") != "application/json" || text != `{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too_far_in_future: 1"}}` {
		t.Fatalf("%d %s", code, text)
	}
	l := x.rec.logs[0]
	if hex.EncodeToString([]byte(l.TraceIDs[0])) != "5b8efff798038103d269b633813fc60c" || hex.EncodeToString([]byte(l.SpanIDs[0])) != "eee19b7ec3c1b174" || l.Bodies[0] != "hello" {
		t.Errorf("%+v", l)
	}
	for name, bad := range map[string]string{"not json": "{", "short id": `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"abcd"}]}]}]}`, "not hex": `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"spanId":"zzzzzzzzzzzzzzzz"}]}]}]}`} {
		if code, _, text := post(t, x.http+"/v1/logs", []byte(bad), "Content-Type", "application/json"); code != 400 || !strings.HasPrefix(text, `{"code":3,`) {
			t.Errorf("%s: %d %s", name, code, text)
		}
	}
}

func TestOTLPTraces(t *testing.T) {
	x := newRig(t, nil)
	now := uint64(time.Now().UnixNano())
	span := func() *tracepb.Span {
		return &tracepb.Span{TraceId: bytesOf(16), SpanId: bytesOf(8), Name: "GET /", StartTimeUnixNano: now, EndTimeUnixNano: now + 1500}
	}
	full := span()
	full.ParentSpanId, full.TraceState, full.Kind = []byte("parentid"), "a=b", tracepb.Span_SPAN_KIND_SERVER
	full.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: "boom"}
	full.Attributes = attrs("http.method", "GET")
	full.Events = []*tracepb.Span_Event{{TimeUnixNano: now + 1, Name: "exception", Attributes: attrs("type", "X")}}
	full.Links = []*tracepb.Span_Link{{TraceId: bytesOf(16), SpanId: bytesOf(8), Attributes: attrs("l", "1")}}
	zero, short, backwards := span(), span(), span()
	zero.TraceId = make([]byte, 16)
	short.SpanId = []byte{1, 2}
	backwards.EndTimeUnixNano = now - 5
	req := &coltrace.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   &resourcepb.Resource{Attributes: attrs("service.name", "shop", "service.namespace", "prod")},
		ScopeSpans: []*tracepb.ScopeSpans{{Scope: &commonpb.InstrumentationScope{Name: "lib", Version: "2"}, Spans: []*tracepb.Span{full, zero, short, backwards}}},
	}}}
	resp, err := coltrace.NewTraceServiceClient(dial(t, x.grpc)).Export(context.Background(), req)
	if err != nil || resp.GetPartialSuccess().GetRejectedSpans() != 2 {
		t.Fatalf("%v %v", resp, err)
	}
	s := x.rec.spans[0]
	want := model.Span{
		TraceID: string(bytesOf(16)), SpanID: string(bytesOf(8)), ParentSpanID: "parentid", TraceState: "a=b", Name: "GET /", Kind: 2,
		StartNS: int64(now), DurationNS: 1500, StatusCode: 2, StatusMessage: "boom", ScopeName: "lib", ScopeVersion: "2",
		Attributes: []model.Label{{Name: "http.method", Value: "GET"}},
		Events:     []model.SpanEvent{{TimeNS: int64(now) + 1, Name: "exception", Attributes: []model.Label{{Name: "type", Value: "X"}}}},
		Links:      []model.SpanLink{{TraceID: string(bytesOf(16)), SpanID: string(bytesOf(8)), Attributes: []model.Label{{Name: "l", Value: "1"}}}},
	}
	if diff := cmp.Diff(want, s.Spans[0]); diff != "" {
		t.Error(diff)
	}
	if s.Resources[0].Service != "prod/shop" || len(s.Spans) != 2 || s.Spans[1].DurationNS != 0 {
		t.Errorf("%+v", s)
	}
}
