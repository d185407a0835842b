// Package zipkin turns Zipkin's spans (version 2 as JSON and protobuf, version 1 as JSON and Thrift) into spans under OpenTelemetry's
// names, with the translation of the OpenTelemetry project, and hands them to the receiver of OTLP. That costs a second coding, which is
// small beside Zipkin's own JSON.
package zipkin

import (
	"context"
	"encoding/json"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/zipkin/zipkinv1"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/zipkin/zipkinv2"
	zipkinmodel "github.com/openzipkin/zipkin-go/model"
	"github.com/openzipkin/zipkin-go/proto/zipkin_proto3"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/otlp"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Receiver handles lists of spans. It is safe for several goroutines.
type Receiver struct {
	otlp *otlp.Receiver
}

// New returns a receiver that publishes through o.
func New(o *otlp.Receiver) *Receiver { return &Receiver{otlp: o} }

// Form is how a list of spans is written.
type Form int

// The forms.
const (
	JSONv2 Form = iota
	ProtobufV2
	JSONv1
	ThriftV1
)

// Write publishes the spans in body. Errors: errs.Invalid for what is not of its form; spans without good ids are counted in req.
func (r *Receiver) Write(ctx context.Context, req *intake.Request, form Form, body []byte) error {
	traces, err := translate(req, form, body)
	if err != nil {
		return errs.New(errs.Invalid, "read Zipkin spans: %.300s", err.Error())
	}
	data, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(traces)
	if err != nil {
		return errs.New(errs.Invalid, "translate Zipkin spans: %v", err)
	}
	return r.otlp.Traces(ctx, req, data)
}

// translate reads the spans. The libraries were written for well-behaved senders: a panic of theirs is a bad body.
func translate(req *intake.Request, form Form, body []byte) (traces ptrace.Traces, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errs.New(errs.Invalid, "broken list of spans")
		}
	}()
	var spans []*zipkinmodel.SpanModel
	switch form {
	case JSONv1:
		return zipkinv1.NewJSONTracesUnmarshaler(false).UnmarshalTraces(body)
	case ThriftV1:
		return zipkinv1.NewThriftTracesUnmarshaler().UnmarshalTraces(body)
	case ProtobufV2:
		if spans, err = zipkin_proto3.ParseSpans(body, false); err != nil {
			return traces, err
		}
	default:
		if spans, err = readJSON(req, body); err != nil {
			return traces, err
		}
	}
	return zipkinv2.ToTranslator{}.ToTraces(spans)
}

// readJSON reads the list span by span: the library's reader refuses a whole list for one span without an id.
func readJSON(req *intake.Request, body []byte) ([]*zipkinmodel.SpanModel, error) {
	var raws []json.RawMessage
	if err := json.Unmarshal(body, &raws); err != nil {
		return nil, err
	}
	spans := make([]*zipkinmodel.SpanModel, 0, len(raws))
	for _, raw := range raws {
		s := &zipkinmodel.SpanModel{}
		if err := json.Unmarshal(raw, s); err != nil || s.ID == 0 || s.TraceID.Empty() || s.Timestamp.IsZero() {
			req.Reject(model.SignalSpans, limits.InvalidData, 1)
			continue
		}
		spans = append(spans, s)
	}
	return spans, nil
}
